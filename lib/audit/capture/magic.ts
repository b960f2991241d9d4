/** Tells by its first bytes what a file is. If it is no capture, says what to do about it. */
import { PCAP_MAGICS } from "./pcap.js";
import { PCAPNG_MAGIC } from "./pcapng.js";

/** Bytes that tell. */
export const MAGIC_LENGTH = 4;

/** First bytes of packed files in hexadecimal, and what unpacks them to standard output. */
const PACKED: readonly [magic: string, packer: string, command: string][] = [
  ["1f8b", "gzip", "gzip -dc"],
  ["28b52ffd", "zstd", "zstd -dc"],
  ["fd377a58", "xz", "xz -dc"],
  ["425a68", "bzip2", "bzip2 -dc"],
  ["04224d18", "lz4", "lz4 -dc"],
];

/** Null: it begins as a capture does. */
export function magicProblem(head: Buffer): { what: string; remedy: string } | null {
  const magic = head.readUInt32BE(0);
  if (PCAP_MAGICS.has(magic) || magic === PCAPNG_MAGIC) return null;
  const hex = head.toString("hex", 0, MAGIC_LENGTH);
  const packed = PACKED.find(([first]) => hex.startsWith(first));
  if (packed !== undefined) {
    const [, packer, command] = packed;
    const remedy = `Unpack it: ${command} FILE > capture.pcap, and give that; or through a pipe, --pcap <(${command} FILE)`;
    return { what: `it is packed with ${packer}`, remedy };
  }
  return {
    what: `it begins with 0x${hex}, which is neither pcap nor pcapng`,
    remedy: "Capture with tcpdump -w, or convert it: tcpdump -r FILE -w capture.pcap",
  };
}
