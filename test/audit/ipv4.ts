/** RFC 1071 over an IPv4 header as it stands: 0 if the sum in it is right. */
export function ipv4Checksum(packet: Uint8Array): number {
  const header = Buffer.from(packet.subarray(0, 20));
  let sum = 0;
  for (let at = 0; at < 20; at += 2) sum += header.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return sum === 0xffff ? 0 : sum;
}
