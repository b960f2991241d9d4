/**
 * Capture files, pcap and pcapng, in either byte order and any resolution, read packet by packet in constant memory.
 *
 * Layouts: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng. Whatever a file says about lengths is checked before it
 * is believed. Reading order: file.ts, magic.ts, byte-source.ts, raw-packet.ts, pcap.ts, pcapng.ts, this, link.ts,
 * headers.ts, then flows.ts, fragments.ts, copies.ts, sightings.ts, clock.ts and collect.ts, which say what was seen of
 * one tunnel.
 */
import { ByteSource } from "./byte-source.js";
import { captureError } from "./errors.js";
import type { Capture } from "./file.js";
import { magicProblem, MAGIC_LENGTH } from "./magic.js";
import { readPcap } from "./pcap.js";
import { PCAPNG_MAGIC, readPcapng } from "./pcapng.js";
import type { CaptureFile, EachPacket } from "./raw-packet.js";

/**
 * Reads a capture from its beginning.
 *
 * @throws {I405Error} `ERR_I405_CAPTURE` if it is no capture, or contradicts itself
 */
export function readPackets({ path, descriptor }: Capture, each: EachPacket): CaptureFile {
  const source = new ByteSource(descriptor);
  if (source.want(MAGIC_LENGTH) < MAGIC_LENGTH) {
    throw captureError(path, `it is empty or shorter than ${MAGIC_LENGTH} bytes`, "Capture again");
  }
  const problem = magicProblem(source.bytes.subarray(source.at, source.at + MAGIC_LENGTH));
  if (problem !== null) throw captureError(path, problem.what, problem.remedy);
  const newer = source.view.getUint32(source.at) === PCAPNG_MAGIC;
  return newer ? readPcapng(path, source, each) : readPcap(path, source, each);
}
