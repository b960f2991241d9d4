// @ts-check
// Inner packets for the examples: IPv4 with a few words of text inside. A real program would have its own.

/** Protocol number 253 is set aside for experiments (RFC 3692). */
const EXPERIMENT = 253;
const HEADER_LENGTH = 20;

/** @param {string} address such as "10.140.5.2" */
function addressBytes(address) {
  return address.split(".").map(Number);
}

/**
 * The one's complement sum over a header (RFC 1071).
 * @param {DataView} header
 */
function checksum(header) {
  let sum = 0;
  for (let at = 0; at < HEADER_LENGTH; at += 2) sum += header.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/**
 * An IPv4 packet.
 * @param {{ from: string, to: string, text: string, length?: number }} fields `length`: bytes of the whole packet, the
 *   text filled up with spaces
 * @returns {Uint8Array}
 */
export function innerPacket({ from, to, text, length = 0 }) {
  const body = Buffer.from(text.padEnd(length - HEADER_LENGTH), "utf8");
  const packet = new Uint8Array(HEADER_LENGTH + body.length);
  const header = new DataView(packet.buffer, 0, HEADER_LENGTH);
  header.setUint8(0, 0x45); // IPv4, a header of five words
  header.setUint16(2, packet.length);
  header.setUint8(8, 64); // TTL
  header.setUint8(9, EXPERIMENT);
  packet.set(addressBytes(from), 12);
  packet.set(addressBytes(to), 16);
  header.setUint16(10, checksum(header));
  packet.set(body, HEADER_LENGTH);
  return packet;
}

/**
 * The text in a packet, or null if somebody else made it: a TUN interface carries what the kernel sends as well.
 * @param {Uint8Array} packet
 */
export function textOf(packet) {
  if (packet[0] !== 0x45 || packet[9] !== EXPERIMENT) return null;
  return Buffer.from(packet.subarray(HEADER_LENGTH)).toString("utf8").trimEnd();
}

/**
 * The packet on its way back: addresses swapped. The checksum is a sum, so it stays right.
 * @param {Uint8Array} packet
 */
export function sentBack(packet) {
  const back = Uint8Array.from(packet);
  back.set(packet.subarray(12, 16), 16);
  back.set(packet.subarray(16, 20), 12);
  return back;
}
