/** What is in front of an IP packet: the link's header, VLAN tags, PPPoE; and at which place of the machine it was seen. */
import type { RawPacket } from "./raw-packet.js";

/** Ethernet types. */
const [IPV4, IPV6, PPPOE] = [0x0800, 0x86dd, 0x8864];
const TAGS: ReadonlySet<number> = new Set([0x8100, 0x88a8, 0x9100]);
/** PPP's numbers of the two. */
const [PPP_IPV4, PPP_IPV6] = [0x0021, 0x0057];
/** Bytes of a PPPoE header with the PPP protocol, which is at 6. */
const PPPOE_LENGTH = 8;

interface Link {
  length: number;
  /** Where the Ethernet type is. */
  type: number;
  /** Offset of the interface's index, and of the kind of packet (incoming, outgoing), if the header has them. */
  interface?: number;
  kind?: number;
}

/** LINKTYPEs with an Ethernet type: Ethernet, "cooked" v1 and v2 of `-i any`. */
const LINKS: Readonly<Record<number, Link>> = {
  1: { length: 14, type: 12 },
  113: { length: 16, type: 14, kind: 1 },
  276: { length: 20, type: 0, interface: 4, kind: 10 },
};
/** LINKTYPEs without: the version in the IP header says what it is. Bytes in front of it. */
const RAW: Readonly<Record<number, number>> = { 0: 4, 12: 0, 14: 0, 101: 0, 108: 4, 228: 0, 229: 0 };

/** The place where a packet was seen. One datagram may pass several places of a machine, and is seen at each. */
export interface Place {
  /** The interface's index or its number in the file; 0: unknown. */
  interface: number;
  /** Both tags' numbers, 12 bits each; 0: none. */
  vlan: number;
  /** As the "cooked" header says: 0 for this machine, 4 for outgoing, others. */
  kind: number;
}

/** Can packets of this LINKTYPE be read? */
export function knownLink(linkType: number): boolean {
  return linkType in LINKS || linkType in RAW;
}

/** Where the IP header begins; -1: there is none. */
export function findIp({ linkType, interfaceId, bytes, start, end }: RawPacket, place: Place): number {
  place.interface = interfaceId;
  place.vlan = place.kind = 0;
  const link = LINKS[linkType];
  if (link === undefined) {
    const skipped = RAW[linkType];
    return skipped === undefined || start + skipped >= end ? -1 : start + skipped;
  }
  let at = start + link.length;
  if (at > end) return -1;
  if (link.interface !== undefined) place.interface = bytes.readUInt32BE(start + link.interface);
  if (link.kind !== undefined) place.kind = bytes[start + link.kind]!;
  let type = bytes.readUInt16BE(start + link.type);
  while (TAGS.has(type) && at + 4 <= end) {
    place.vlan = (place.vlan % 4096) * 4096 + (bytes.readUInt16BE(at) & 0xfff);
    type = bytes.readUInt16BE(at + 2);
    at += 4;
  }
  if (type === PPPOE && at + PPPOE_LENGTH <= end) {
    const inside = bytes.readUInt16BE(at + 6);
    if (inside !== PPP_IPV4 && inside !== PPP_IPV6) return -1;
    at += PPPOE_LENGTH;
  } else if (type !== IPV4 && type !== IPV6) return -1;
  return at < end ? at : -1;
}
