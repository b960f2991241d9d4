/** What an observer reads off one packet: link, IPv4 or IPv6, UDP. */

/** The fields, and where the payload is. One object is reused for all packets. */
export interface Headers {
  version: 4 | 6;
  /** IP length, bytes, as the header says. */
  length: number;
  ttl: number;
  dscp: number;
  ecn: number;
  /** Of IPv4, the three bits over the fragment offset; 2 is "don't fragment". */
  flags: number;
  /** Of IPv4 in 8 bytes; above 0 there are no ports. */
  fragmentOffset: number;
  /** Of IPv4. */
  identification: number;
  /** Of IPv6. */
  flowLabel: number;
  /** Bytes of the IP header, options included. */
  headerLength: number;
  protocol: number;
  sourcePort: number;
  destinationPort: number;
  udpChecksum: number;
  /** A number that differs with the pair of addresses and its direction. */
  way: number;
  payloadStart: number;
  payloadEnd: number;
}

export const UDP = 17;
const TCP = 6;
/** Ethernet types. */
const [IPV4, IPV6, VLAN, QINQ] = [0x0800, 0x86dd, 0x8100, 0x88a8];
/** LINKTYPEs: bytes of the link's header, and where in them the Ethernet type is. */
const LINKS: Readonly<Record<number, { length: number; type: number }>> = {
  1: { length: 14, type: 12 },
  113: { length: 16, type: 14 },
  276: { length: 20, type: 0 },
};
/** LINKTYPEs without an Ethernet type: the version in the IP header says what it is. */
const RAW: Readonly<Record<number, number>> = { 0: 4, 12: 0, 14: 0, 101: 0, 108: 4, 228: 0, 229: 0 };

export function emptyHeaders(): Headers {
  return {
    ...{ version: 4, length: 0, ttl: 0, dscp: 0, ecn: 0, flags: 0, fragmentOffset: 0, identification: 0 },
    ...{ flowLabel: 0, headerLength: 0, protocol: 0, sourcePort: 0, destinationPort: 0, udpChecksum: 0 },
    ...{ way: 0, payloadStart: 0, payloadEnd: 0 },
  };
}

/** Can packets of this LINKTYPE be read? */
export function knownLink(linkType: number): boolean {
  return linkType in LINKS || linkType in RAW;
}

/** Reads the headers of `bytes[start..end]` into `into`. False if it is no whole IP header. */
export function parseHeaders(linkType: number, bytes: Buffer, start: number, end: number, into: Headers): boolean {
  let at = start + (RAW[linkType] ?? 0);
  const link = LINKS[linkType];
  if (link !== undefined) {
    at += link.length;
    if (at > end) return false;
    let type = bytes.readUInt16BE(start + link.type);
    while ((type === VLAN || type === QINQ) && at + 4 <= end) {
      type = bytes.readUInt16BE(at + 2);
      at += 4;
    }
    if (type !== IPV4 && type !== IPV6) return false;
  }
  if (at >= end) return false;
  const version = bytes[at]! >> 4;
  const ok = version === 4 ? parse4(bytes, at, end, into) : version === 6 && parse6(bytes, at, end, into);
  if (!ok) return false;
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
  into.identification = bytes.readUInt16BE(at + 4);
  const fragment = bytes.readUInt16BE(at + 6);
  into.flags = fragment >> 13;
  into.fragmentOffset = fragment & 0x1fff;
  into.ttl = bytes[at + 8]!;
  into.protocol = bytes[at + 9]!;
  into.flowLabel = 0;
  into.way = bytes.readUInt32BE(at + 12) - bytes.readUInt32BE(at + 16);
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
  into.identification = into.flags = into.fragmentOffset = 0;
  into.protocol = bytes[at + 6]!;
  into.ttl = bytes[at + 7]!;
  let way = 0;
  for (let byte = 8; byte < 24; byte += 4) {
    way = (way * 31 + bytes.readUInt32BE(at + byte) - bytes.readUInt32BE(at + byte + 16)) % 0x1f_ffff_ffff;
  }
  into.way = way;
  into.payloadStart = at + 40;
  into.payloadEnd = Math.min(at + into.length, end);
  return true;
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
