/**
 * Capture files, pcap and pcapng, in either byte order and any resolution, read packet by packet in constant memory.
 *
 * Layouts: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng. Whatever a file says about lengths is checked before it
 * is believed. Reading order: byte-source.ts, pcap.ts, pcapng.ts, this, headers.ts, collect.ts.
 */
import { ByteSource } from "./byte-source.js";
import { captureError } from "./errors.js";
import { PCAP_MAGICS, readPcap } from "./pcap.js";
import { PCAPNG_MAGIC, readPcapng } from "./pcapng.js";

/** One packet where it lies in the reader's buffer; valid during the call only. */
export interface RawPacket {
  /** Nanoseconds since `originS`. */
  timeNs: number;
  /** Unix seconds, the first packet's without the fraction. */
  originS: number;
  /** LINKTYPE, as registered with tcpdump.org. */
  linkType: number;
  bytes: Buffer;
  start: number;
  /** One past the last byte that was kept. */
  end: number;
}

/** Told each packet; returning false ends the reading. */
export type EachPacket = (packet: RawPacket) => boolean;

/** What is known of the file as a whole once it is read. */
export interface CaptureFile {
  format: "pcap" | "pcapng";
  /** Unix seconds that times count from; 0 if there is no packet. */
  originS: number;
  /** Coarsest timestamps of the file, nanoseconds. */
  resolutionNs: number;
  packets: number;
  /** The file ends within a record, as it does when a capture is killed. What came before was read. */
  cutOff: boolean;
}

/**
 * Reads a capture.
 *
 * @throws {I405Error} `ERR_I405_CAPTURE` if it can't be opened, is no capture, or contradicts itself
 */
export function readPackets(path: string, each: EachPacket): CaptureFile {
  let source: ByteSource;
  try {
    source = new ByteSource(path);
  } catch (cause) {
    throw captureError(path, (cause as Error).message, "Give a pcap or pcapng file that you may read", cause);
  }
  try {
    if (source.want(4) < 4) throw captureError(path, "it is empty or shorter than 4 bytes", "Capture again");
    const magic = source.view.getUint32(source.at);
    if (PCAP_MAGICS.has(magic)) return readPcap(path, source, each);
    if (magic === PCAPNG_MAGIC) return readPcapng(path, source, each);
    const came = `it begins with 0x${magic.toString(16).padStart(8, "0")}, which is neither pcap nor pcapng`;
    throw captureError(path, came, "Unpack it if it is compressed, or capture with tcpdump -w");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EISDIR") throw error;
    throw captureError(path, "it is a folder", "Give a pcap or pcapng file", error);
  } finally {
    source.close();
  }
}
