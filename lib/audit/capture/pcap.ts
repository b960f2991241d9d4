/** The classic format: a file header that gives byte order and resolution, then records of seconds and a fraction. */
import type { ByteSource } from "./byte-source.js";
import { captureError } from "./errors.js";
import type { CaptureFile, EachPacket, RawPacket } from "./raw-packet.js";

const FILE_HEADER = 24;
const RECORD_HEADER = 16;
/** Longest record that is believed: tcpdump's own limit, 256 KiB. */
export const LONGEST_RECORD = 262_144;

/** Magic as read in big-endian order: little-endian file or not, nanoseconds per unit of the fraction. */
export const PCAP_MAGICS: ReadonlyMap<number, { little: boolean; unitNs: number }> = new Map([
  [0xa1b2c3d4, { little: false, unitNs: 1000 }],
  [0xd4c3b2a1, { little: true, unitNs: 1000 }],
  [0xa1b23c4d, { little: false, unitNs: 1 }],
  [0x4d3cb2a1, { little: true, unitNs: 1 }],
]);

/** @throws {I405Error} `ERR_I405_CAPTURE` */
export function readPcap(path: string, source: ByteSource, each: EachPacket): CaptureFile {
  const { little, unitNs } = PCAP_MAGICS.get(source.view.getUint32(source.at))!;
  const file: CaptureFile = { format: "pcap", originS: 0, resolutionNs: unitNs, packets: 0, untimed: 0, cutOff: false };
  if (source.want(FILE_HEADER) < FILE_HEADER) {
    throw captureError(path, "it ends within the file header of 24 bytes", "Capture again");
  }
  // The upper bits carry the length of a frame check sequence.
  const linkType = source.view.getUint32(source.at + 20, little) & 0xffff;
  source.at += FILE_HEADER;
  const packet: RawPacket = { timeNs: 0, originS: 0, linkType, interfaceId: 0, bytes: source.bytes, start: 0, end: 0 };
  for (;;) {
    const header = source.want(RECORD_HEADER);
    if (header < RECORD_HEADER) {
      file.cutOff = header > 0;
      return file;
    }
    const { view, at } = source;
    const seconds = view.getUint32(at, little);
    const fraction = view.getUint32(at + 4, little);
    const kept = view.getUint32(at + 8, little);
    if (kept > LONGEST_RECORD || fraction * unitNs >= 1e9) {
      const what = `the record at byte ${source.position} claims ${kept} bytes and a fraction of ${fraction * unitNs} ns`;
      throw captureError(path, what, "The file is damaged from there on; cut it there, or capture again");
    }
    if (source.want(RECORD_HEADER + kept) < RECORD_HEADER + kept) {
      file.cutOff = true;
      return file;
    }
    if (file.packets === 0) file.originS = seconds;
    file.packets += 1;
    packet.originS = file.originS;
    packet.timeNs = (seconds - file.originS) * 1e9 + fraction * unitNs;
    packet.bytes = source.bytes;
    packet.start = source.at + RECORD_HEADER;
    packet.end = packet.start + kept;
    source.at = packet.end;
    if (!each(packet)) return file;
  }
}
