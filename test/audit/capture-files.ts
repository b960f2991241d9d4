/** Writes capture files, in every dialect, and the packets in them. */

export interface FakePacket {
  /** Unix nanoseconds. */
  atNs: bigint;
  bytes: Buffer;
}

export interface Outer {
  up?: boolean;
  length?: number;
  ttl?: number;
  tos?: number;
  identification?: number;
  payload?: Buffer;
  sourcePort?: number;
}

/** An IPv4 packet with UDP to or from port 1405. */
export function ipv4({ up = true, length = 128, ttl = 64, tos = 0, identification = 0, ...rest }: Outer = {}): Buffer {
  const bytes = Buffer.alloc(length);
  bytes[0] = 0x45;
  bytes[1] = tos;
  bytes.writeUInt16BE(length, 2);
  bytes.writeUInt16BE(identification, 4);
  bytes.writeUInt16BE(0x4000, 6);
  bytes[8] = ttl;
  bytes[9] = 17;
  bytes.set([192, 0, 2, up ? 1 : 2], 12);
  bytes.set([192, 0, 2, up ? 2 : 1], 16);
  bytes.writeUInt16BE(up ? (rest.sourcePort ?? 40_000) : 1405, 20);
  bytes.writeUInt16BE(up ? 1405 : 40_000, 22);
  bytes.writeUInt16BE(length - 20, 24);
  bytes.writeUInt16BE(0x1234, 26);
  rest.payload?.copy(bytes, 28);
  return bytes;
}

/** An IPv6 packet with UDP to port 1405. */
export function ipv6(length = 148, hopLimit = 60): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.writeUInt32BE(0x6000_0000 | 0x12345);
  bytes.writeUInt16BE(length - 40, 4);
  bytes[6] = 17;
  bytes[7] = hopLimit;
  bytes[23] = 1;
  bytes[39] = 2;
  bytes.writeUInt16BE(40_000, 40);
  bytes.writeUInt16BE(1405, 42);
  bytes.writeUInt16BE(length - 40, 44);
  return bytes;
}

/** Behind an Ethernet header, with a VLAN tag if one is wanted. */
export function ethernet(packet: Buffer, vlan = false): Buffer {
  const type = packet[0]! >> 4 === 6 ? 0x86dd : 0x0800;
  const header = Buffer.alloc(vlan ? 18 : 14);
  header.writeUInt16BE(vlan ? 0x8100 : type, 12);
  if (vlan) header.writeUInt16BE(type, 16);
  return Buffer.concat([header, packet]);
}

export interface Dialect {
  little?: boolean;
  nanoseconds?: boolean;
  linkType?: number;
}

function words(little: boolean, ...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, at) => (little ? bytes.writeUInt32LE(value, 4 * at) : bytes.writeUInt32BE(value, 4 * at)));
  return bytes;
}

const RAW_IP = 101;

export function pcap(packets: readonly FakePacket[], dialect: Dialect = {}): Buffer {
  const { little = true, nanoseconds = true, linkType = RAW_IP } = dialect;
  const magic = nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4;
  const version = little ? 0x0004_0002 : 0x0002_0004;
  const records = packets.map(({ atNs, bytes }) => {
    const fraction = Number(atNs % 1_000_000_000n);
    const unit = nanoseconds ? fraction : Math.floor(fraction / 1000);
    return Buffer.concat([words(little, Number(atNs / 1_000_000_000n), unit, bytes.length, bytes.length), bytes]);
  });
  return Buffer.concat([words(little, magic, version, 0, 0, 65_535, linkType), ...records]);
}

/** A block of a pcapng file. */
export function block(little: boolean, type: number, body: Buffer): Buffer {
  const padded = Buffer.concat([body, Buffer.alloc((4 - (body.length % 4)) % 4)]);
  const length = 12 + padded.length;
  return Buffer.concat([words(little, type, length), padded, words(little, length)]);
}

function option(little: boolean, code: number, value: Buffer): Buffer {
  const head = Buffer.alloc(4);
  for (const [at, word] of [code, value.length].entries()) {
    if (little) head.writeUInt16LE(word, 2 * at);
    else head.writeUInt16BE(word, 2 * at);
  }
  return Buffer.concat([head, value, Buffer.alloc((4 - (value.length % 4)) % 4)]);
}

export function pcapng(
  packets: readonly FakePacket[],
  { little = true, nanoseconds = true, linkType = RAW_IP }: Dialect = {},
) {
  const section = block(little, 0x0a0d0d0a, Buffer.concat([words(little, 0x1a2b3c4d, 1), Buffer.alloc(8, 0xff)]));
  const link = Buffer.alloc(4);
  if (little) link.writeUInt16LE(linkType);
  else link.writeUInt16BE(linkType);
  const resolution = nanoseconds ? [option(little, 9, Buffer.of(9)), option(little, 0, Buffer.alloc(0))] : [];
  const on = block(little, 1, Buffer.concat([link, words(little, 0), ...resolution]));
  const enhanced = packets.map(({ atNs, bytes }) => {
    const units = nanoseconds ? atNs : atNs / 1000n;
    const time = words(little, Number(units >> 32n), Number(units & 0xffff_ffffn));
    return block(little, 6, Buffer.concat([words(little, 0), time, words(little, bytes.length, bytes.length), bytes]));
  });
  // A block that nobody knows, as there may be.
  return Buffer.concat([section, on, block(little, 0x0bad, Buffer.from("comment")), ...enhanced]);
}
