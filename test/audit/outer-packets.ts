/** Outer packets of an invented tunnel as a capture may have them: any addresses, links, extension headers, fragments. */
import { ethernet, type FakePacket } from "./capture-files.js";
import { numbers, send } from "./simulate.js";

export const START_S = 1_700_000_000;
export const CLIENT = "192.0.2.1";
export const SERVER = "203.0.113.7";
const MS = 1e6;

export interface Ends {
  from?: string;
  to?: string;
  fromPort?: number;
  toPort?: number;
}

/** UDP with a payload. */
export function udp(payload: Buffer, { fromPort = 40_000, toPort = 1405 }: Ends = {}): Buffer {
  const head = Buffer.alloc(8);
  [fromPort, toPort, 8 + payload.length, 0x1234].forEach((word, at) => head.writeUInt16BE(word, 2 * at));
  return Buffer.concat([head, payload]);
}

export interface Ipv4 extends Ends {
  protocol?: number;
  ttl?: number;
  id?: number;
  /** Bytes, and whether more follow. */
  offset?: number;
  more?: boolean;
}

export function packet4(body: Buffer, options: Ipv4 = {}): Buffer {
  const { from = CLIENT, to = SERVER, protocol = 17, ttl = 64, id = 0, offset = 0, more = false } = options;
  const head = Buffer.alloc(20);
  head[0] = 0x45;
  head.writeUInt16BE(20 + body.length, 2);
  head.writeUInt16BE(id, 4);
  const whole = offset === 0 && !more;
  head.writeUInt16BE(whole ? 0x4000 : (more ? 0x2000 : 0) | (offset / 8), 6);
  head[8] = ttl;
  head[9] = protocol;
  head.set(from.split(".").map(Number), 12);
  head.set(to.split(".").map(Number), 16);
  return Buffer.concat([head, body]);
}

/** From 2001:db8::1 to 2001:db8::2, or the other way. */
export function packet6(body: Buffer, next: number, back = false): Buffer {
  const head = Buffer.alloc(40);
  head.writeUInt32BE(0x6000_0000);
  head.writeUInt16BE(body.length, 4);
  head[6] = next;
  head[7] = 64;
  for (const at of [8, 24]) head.writeUInt32BE(0x2001_0db8, at);
  head[23] = back ? 2 : 1;
  head[39] = back ? 1 : 2;
  return Buffer.concat([head, body]);
}

/** An extension header of `eights` times 8 bytes beyond the first 8. */
export function extension(next: number, eights = 0): Buffer {
  const bytes = Buffer.alloc(8 + 8 * eights);
  bytes[0] = next;
  bytes[1] = eights;
  return bytes;
}

/** The header of authentication, which counts in 4 bytes. */
export function authentication(next: number, fours = 4): Buffer {
  const bytes = Buffer.alloc(4 * (fours + 2));
  bytes[0] = next;
  bytes[1] = fours;
  return bytes;
}

export function fragmentHeader(next: number, offset: number, more: boolean, id: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes[0] = next;
  bytes.writeUInt16BE(offset | Number(more), 2);
  bytes.writeUInt32BE(id, 4);
  return bytes;
}

/** "Cooked" v2, as `tcpdump -i any` writes it. */
export function cooked(packet: Buffer, on: number, outgoing: boolean): Buffer {
  const head = Buffer.alloc(20);
  head.writeUInt16BE(packet[0]! >> 4 === 6 ? 0x86dd : 0x0800, 0);
  head.writeUInt32BE(on, 4);
  head[10] = outgoing ? 4 : 0;
  return Buffer.concat([head, packet]);
}
export const COOKED = 276;

/** A datagram of a tunnel, before it has headers. */
export interface Datagram {
  up: boolean;
  /** From the start of the capture. */
  timeNs: number;
  payload: Buffer;
}

/** Both ways, in the order of time, random payloads. */
export function datagrams(seconds = 8, intervalNs = 5 * MS, seed = 1): Datagram[] {
  const next = numbers(seed);
  const ways = [true, false].flatMap((up) => {
    const sender = { seed: 2 * seed + Number(up), intervalNs, jitterNs: intervalNs / 2, errorNs: 3000 };
    const { timesNs } = send({ ...sender, slots: Math.floor((seconds * 1e9) / intervalNs) });
    return Array.from(timesNs, (timeNs) => ({ up, timeNs }));
  });
  ways.sort((one, other) => one.timeNs - other.timeNs);
  return ways.map((way) => ({ ...way, payload: Buffer.from(Array.from({ length: 64 }, () => 256 * next())) }));
}

export function endsOf(up: boolean, client = CLIENT, clientPort = 40_000): Ends {
  const [there, back] = [
    { from: client, to: SERVER, fromPort: clientPort, toPort: 1405 },
    { from: SERVER, to: client, fromPort: 1405, toPort: clientPort },
  ];
  return up ? there : back;
}

export function atTime(timeNs: number, bytes: Buffer): FakePacket {
  return { atNs: BigInt(START_S) * 1_000_000_000n + BigInt(Math.round(timeNs)), bytes };
}

/** As a plain Ethernet interface has it. */
export function plain({ up, timeNs, payload }: Datagram): FakePacket {
  const ends = endsOf(up);
  return atTime(timeNs, ethernet(packet4(udp(payload, ends), ends)));
}

export const inOrder = (packets: FakePacket[]): FakePacket[] =>
  packets.sort((one, other) => (one.atNs < other.atNs ? -1 : Number(one.atNs > other.atNs)));

/** Two stretches, idle and busy, of a capture of so many seconds. */
export function twoStretches(seconds = 8) {
  const half = START_S + seconds / 2;
  return [
    { from: START_S, to: half, label: "idle" },
    { from: half, to: START_S + seconds, label: "busy" },
  ];
}
