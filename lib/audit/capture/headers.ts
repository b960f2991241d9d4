/** What an observer reads off one packet: IPv4 or IPv6 with whatever is in front of UDP, and UDP. */
import { findIp, type Place } from "./link.js";
import type { RawPacket } from "./raw-packet.js";

/** The fields, and where the payload is. One object is reused for all packets. */
export interface Headers extends Place {
  version: 4 | 6;
  /** IP length, bytes, as the header says. */
  length: number;
  ttl: number;
  dscp: number;
  ecn: number;
  /** The three bits over the fragment offset, of IPv6 with a fragment header its last one; 2 is "don't fragment". */
  flags: number;
  /** Offset in units of 8 bytes. Above 0 there are no ports, and no headers behind the one of IP. */
  fragmentOffset: number;
  /** More fragments follow. */
  more: boolean;
  /** What fragments of one datagram have in common, beside the addresses. */
  fragmentId: number;
  /** Of IPv4. */
  identification: number;
  /** Of IPv6. */
  flowLabel: number;
  /** Bytes of the IP header, with options and extension headers. */
  headerLength: number;
  /** What is carried, behind any extension headers. */
  protocol: number;
  sourcePort: number;
  destinationPort: number;
  udpChecksum: number;
  /** Where the source address is; the destination address is behind it. */
  sourceAt: number;
  /** Bytes of an address. */
  addressLength: 4 | 16;
  payloadStart: number;
  payloadEnd: number;
}

export const UDP = 17;
export const TCP = 6;
/** IPv6's fragment header, and the header of authentication, which IPv4 may have, too. */
const [FRAGMENT, AUTHENTICATION] = [44, 51];
/** Extension headers whose second byte counts 8 bytes beyond the first 8 (RFC 8200, 6275, 7401, 5533). */
const EXTENSIONS: ReadonlySet<number> = new Set([0, 43, 60, 135, 139, 140]);

export function emptyHeaders(): Headers {
  return {
    ...{ version: 4, length: 0, ttl: 0, dscp: 0, ecn: 0, flags: 0, fragmentOffset: 0, identification: 0 },
    ...{ flowLabel: 0, headerLength: 0, protocol: 0, sourcePort: 0, destinationPort: 0, udpChecksum: 0 },
    ...{ more: false, fragmentId: 0, sourceAt: 0, addressLength: 4, payloadStart: 0, payloadEnd: 0 },
    ...{ interface: 0, vlan: 0, kind: 0 },
  };
}

/** Reads the headers of a packet into `into`. False if it has no whole IP header. */
export function parseHeaders(packet: RawPacket, into: Headers): boolean {
  const { bytes, end } = packet;
  const at = findIp(packet, into);
  if (at < 0) return false;
  const version = bytes[at]! >> 4;
  const ok = version === 4 ? parse4(bytes, at, end, into) : version === 6 && parse6(bytes, at, end, into);
  if (!ok) return false;
  extensions(bytes, at, into);
  ports(bytes, end, into);
  return true;
}

function parse4(bytes: Buffer, at: number, end: number, into: Headers): boolean {
  if (end - at < 20) return false;
  const headerLength = (bytes[at]! & 15) * 4;
  if (headerLength < 20 || at + headerLength > end) return false;
  into.version = 4;
  into.headerLength = headerLength;
  into.dscp = bytes[at + 1]! >> 2;
  into.ecn = bytes[at + 1]! & 3;
  into.length = bytes.readUInt16BE(at + 2);
  into.identification = into.fragmentId = bytes.readUInt16BE(at + 4);
  const fragment = bytes.readUInt16BE(at + 6);
  into.flags = fragment >> 13;
  into.more = (into.flags & 1) !== 0;
  into.fragmentOffset = fragment & 0x1fff;
  into.ttl = bytes[at + 8]!;
  into.protocol = bytes[at + 9]!;
  into.flowLabel = 0;
  into.sourceAt = at + 12;
  into.addressLength = 4;
  into.payloadStart = at + headerLength;
  into.payloadEnd = Math.min(at + Math.max(into.length, headerLength), end);
  return true;
}

function parse6(bytes: Buffer, at: number, end: number, into: Headers): boolean {
  if (end - at < 40) return false;
  const first = bytes.readUInt32BE(at);
  into.version = 6;
  into.headerLength = 40;
  into.dscp = (first >>> 22) & 63;
  into.ecn = (first >>> 20) & 3;
  into.flowLabel = first & 0xfffff;
  into.length = bytes.readUInt16BE(at + 4) + 40;
  into.identification = into.fragmentId = into.flags = into.fragmentOffset = 0;
  into.more = false;
  into.protocol = bytes[at + 6]!;
  into.ttl = bytes[at + 7]!;
  into.sourceAt = at + 8;
  into.addressLength = 16;
  into.payloadStart = at + 40;
  into.payloadEnd = Math.min(at + into.length, end);
  return true;
}

/** Goes over the headers between that of IP and what is carried, as far as they were captured. */
function extensions(bytes: Buffer, begin: number, into: Headers): void {
  let at = into.payloadStart;
  // Behind the first fragment's header a datagram goes on in its middle.
  while (into.fragmentOffset === 0 && at + 8 <= into.payloadEnd) {
    const kind = into.protocol;
    const six = into.version === 6;
    let length: number;
    if (kind === AUTHENTICATION) length = (bytes[at + 1]! + 2) * 4;
    else if (six && kind === FRAGMENT) length = 8;
    else if (six && EXTENSIONS.has(kind)) length = (bytes[at + 1]! + 1) * 8;
    else break;
    if (at + length > into.payloadEnd) break;
    if (six && kind === FRAGMENT) {
      const fragment = bytes.readUInt16BE(at + 2);
      into.fragmentOffset = fragment >> 3;
      into.more = (fragment & 1) !== 0;
      into.flags = fragment & 1;
      into.fragmentId = bytes.readUInt32BE(at + 4);
    }
    into.protocol = bytes[at]!;
    at += length;
  }
  into.payloadStart = at;
  into.headerLength = at - begin;
}

/** Of UDP and TCP, and what is behind a UDP header. */
function ports(bytes: Buffer, end: number, into: Headers): void {
  into.sourcePort = into.destinationPort = into.udpChecksum = 0;
  const at = into.payloadStart;
  if (into.fragmentOffset !== 0 || (into.protocol !== UDP && into.protocol !== TCP) || at + 8 > end) return;
  into.sourcePort = bytes.readUInt16BE(at);
  into.destinationPort = bytes.readUInt16BE(at + 2);
  if (into.protocol !== UDP) return;
  into.udpChecksum = bytes.readUInt16BE(at + 6);
  into.payloadStart = Math.min(at + 8, into.payloadEnd);
}

/** A packet's addresses, one after the other, as a key. */
export function addressesOf(bytes: Buffer, { sourceAt, addressLength }: Headers): string {
  return bytes.toString("latin1", sourceAt, sourceAt + 2 * addressLength);
}
