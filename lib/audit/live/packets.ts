/**
 * The inner packets of an audit: what the two ends say to each other, and what fills the tunnel.
 *
 * They are IPv4 between two addresses of TEST-NET-1 (RFC 5737) under a protocol number for experiments (RFC 3692). A peer
 * that is no auditor drops them: a TTL of 1 keeps them from being forwarded.
 */
import type { WireDirection } from "../../index.js";

const HEADER = 20;
/** "Use for experimentation and testing", RFC 3692. */
const PROTOCOL = 253;
const TTL = 1;
const [CLIENT, SERVER] = [0xc0000201, 0xc0000202];
const MAGIC = 0x34303561;
/** Bytes before a message: the header and the magic number. */
const BEFORE = HEADER + 4;

/** Longest inner packet: what any tunnel's inner MTU carries. */
const LONGEST_INNER = 1400;
/** Shortest one: with it goes every message but a chunk. */
const SHORTEST_INNER = 100;
/** What of a datagram no inner packet has: outer headers over IPv6, and the tunnel's own (docs/protocol.md). */
const OUTER = 70;
/** How long inner packets of an audit may wait: long enough for a whole one in short datagrams. */
export const QUEUE_MS = 200;

/** Longest inner packet that the waiting queue of a direction takes. */
export function longestInner({ length, intervalNs }: WireDirection): number {
  const waiting = Math.max(Math.floor((QUEUE_MS * 1e6) / intervalNs), 1) * (length - OUTER);
  return Math.min(Math.max(waiting, SHORTEST_INNER), LONGEST_INNER);
}

/** Room for a message in an inner packet. */
export function roomIn(innerBytes: number): number {
  return innerBytes - BEFORE;
}

/** Who sends it. */
export type Sender = "client" | "server";

/** An inner packet around a message. */
export function packetOf(sender: Sender, message: Uint8Array): Uint8Array {
  const packet = new Uint8Array(BEFORE + message.length);
  const view = new DataView(packet.buffer);
  view.setUint8(0, 0x45);
  view.setUint16(2, packet.length);
  view.setUint8(8, TTL);
  view.setUint8(9, PROTOCOL);
  view.setUint32(12, sender === "client" ? CLIENT : SERVER);
  view.setUint32(16, sender === "client" ? SERVER : CLIENT);
  view.setUint16(10, checksum(view));
  view.setUint32(HEADER, MAGIC);
  packet.set(message, BEFORE);
  return packet;
}

/** The message in a packet from the other end. null: the packet is somebody else's, or filling. */
export function messageIn(from: Sender, packet: Uint8Array): Uint8Array | null {
  if (packet.length <= BEFORE) return null;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const source = from === "client" ? CLIENT : SERVER;
  const ours =
    view.getUint8(0) === 0x45 &&
    view.getUint8(9) === PROTOCOL &&
    view.getUint32(12) === source &&
    view.getUint32(HEADER) === MAGIC;
  return ours && view.getUint8(BEFORE) !== FILLING ? packet.subarray(BEFORE) : null;
}

/** First byte of what only fills. */
const FILLING = 0;

/** A packet of so many bytes that says nothing. */
export function fillingOf(sender: Sender, bytes: number): Uint8Array {
  return packetOf(sender, new Uint8Array(Math.max(bytes - BEFORE, 1)));
}

/** RFC 1071, over the header with a checksum of zero. */
function checksum(header: DataView): number {
  let sum = 0;
  for (let at = 0; at < HEADER; at += 2) sum += header.getUint16(at);
  sum = (sum & 0xffff) + (sum >>> 16);
  return ~((sum & 0xffff) + (sum >>> 16)) & 0xffff;
}
