/**
 * What an observer has seen of one direction of a tunnel, cut into stretches under known conditions.
 *
 * Nothing below knows where it came from: a capture file, a second namespace, a simulation. Times are nanoseconds from
 * an origin of the observation's own.
 */

/** A span of time under one condition. */
export interface Stretch {
  /** Unix seconds. */
  from: number;
  to: number;
  /** The condition: `idle`, `busy`, ... */
  label: string;
}

/** What was seen in one stretch. */
export interface Seen {
  label: string;
  /** When it began and ended. */
  fromNs: number;
  toNs: number;
  /** When each datagram was seen, ascending. */
  timesNs: Float64Array;
  /**
   * If deadlines are known: how far from its deadline each slot was sent, but for an unknown constant, nanoseconds. NaN
   * stands for a missed slot. If they aren't known, gaps are all that there is.
   */
  errorsNs?: Float64Array;
}

/** How often a combination of header fields was seen under a condition. */
export interface HeaderCount {
  /** {@link OUTSIDE} for what lies in no stretch. */
  label: string;
  fields: HeaderFields;
  count: number;
  /** First and last time that it was seen. */
  firstNs: number;
  lastNs: number;
}

/** What stands in every datagram of a constant tunnel alike. */
export interface HeaderFields {
  version: number;
  /** IP length, bytes. */
  length: number;
  ttl: number;
  dscp: number;
  ecn: number;
  /** Of IPv4: 2 is "don't fragment". */
  flags: number;
  fragmentOffset: number;
  flowLabel: number;
  /** Bytes of the IP header. */
  headerLength: number;
  protocol: number;
  sourcePort: number;
  destinationPort: number;
  /** How the IPv4 identification goes on from the datagram before. */
  identification: "zero" | "same" | "next" | "other";
  udpChecksum: "zero" | "set";
}

/** Byte values of payloads under a condition. */
export interface ByteCounts {
  label: string;
  datagrams: number;
  /** Over all places, 256. */
  all: Float64Array;
  /** Per place, 256 each, of the first places. */
  places: Float64Array;
}

/** One direction. */
export interface Observation {
  /** `up` (to the server's port), `down`, or what the source calls it. */
  direction: string;
  seen: Seen[];
  /** Header fields of datagrams. If a datagram is fragmented, what its first fragment says. */
  headers: HeaderCount[];
  /** Of later fragments. */
  fragments?: HeaderCount[];
  bytes: ByteCounts[];
  /** When inner packets came in at the sender of this direction, where that is known; ascending. */
  innerNs?: Float64Array;
}

/** The label of what lies in no stretch: handshakes between them, for example. */
export const OUTSIDE = "(outside)";

/** Labels in the order of their first stretch. */
export function labelsOf(observation: Observation): string[] {
  return [...new Set(observation.seen.map(({ label }) => label))];
}

/** Stretches of a condition, in order. */
export function seenAs(observation: Observation, label: string): Seen[] {
  return observation.seen.filter((seen) => seen.label === label);
}
