/** The counters and distributions that the addon keeps of a tunnel. */
import type { DeviationSourceName } from "./options.js";

export interface NativeStats {
  /** Datagrams handed to the kernel, by what they held. */
  slotsSent: bigint;
  slotsMissed: bigint;
  /** Slots sent with a lateness above 50 us. */
  slotsLate: bigint;
  slotsCarrying: bigint;
  slotsCover: bigint;
  slotsHandshake: bigint;
  /** Sent by the second dispatcher. */
  slotsHedged: bigint;
  /** How many cover slots were a dispatcher's own datagram, because the other one was stopped while it built. */
  slotsEmergency: bigint;
  sendErrors: bigint;
  lastSendErrno: number;
  innerPacketsSent: bigint;
  innerBytesSent: bigint;
  innerPacketsReceived: bigint;
  innerBytesReceived: bigint;
  /** Dropped because the waiting queue was full. */
  queueDrops: bigint;
  /** Packets that are neither IPv4 nor IPv6, or whose header contradicts their length. */
  malformedInner: bigint;
  /** Packets from an address outside `allowedIps`, or from or to the machine itself. */
  innerNotAllowed: bigint;
  /** Packets from outside `allowedIps` too, but from an address that counts on its link only, or from none. */
  innerLinkLocal: bigint;
  /** Our own outer datagrams that a route sent into the tunnel. */
  innerLooped: bigint;
  /** Reads and writes. */
  deviceErrors: bigint;
  queuedBytes: bigint;
  datagramsReceived: bigint;
  datagramsOpened: bigint;
  /** How many of them opened under a key that another one has replaced. */
  openedReplaced: bigint;
  /** Datagrams that no key opened. */
  datagramsUnknown: bigint;
  datagramsUnopened: bigint;
  datagramsReplayed: bigint;
  /** Datagrams beyond the budget for trying them. */
  datagramsOverBudget: bigint;
  handshakeFragments: bigint;
  staleInitiations: bigint;
  payloadsLost: bigint;
  blocksDropped: bigint;
  eventsDropped: bigint;
  throttleStalls: bigint;
  /** Cores that a burner of this tunnel's keeps busy. */
  burners: number;
  /** Slots whose transmit timestamp never came. */
  slotsUnreported: bigint;
  /** Datagrams that the kernel dropped for their launch time. */
  launchesMissed: bigint;
  /** CLOCK_MONOTONIC when a datagram last opened under a key that none has replaced; 0: none yet. */
  lastOpenedNs: bigint;
  /** By the call, and also by timestamps if those were asked for. */
  lateness: NativeDistribution[];
  path: NativePath;
}

/** Datagrams of one direction, by their counters. */
export interface NativeLoss {
  /** Datagrams that can have come. */
  expected: bigint;
  /** How many of them have not come. */
  lost: bigint;
  /** Both again, for the last ten seconds. */
  recentExpected: number;
  recentLost: number;
}

/** What is known of the path (docs/protocol.md, "Report"). */
export interface NativePath {
  inbound: NativeLoss;
  /** By the peer's reports. */
  outbound: NativeLoss;
  /** null: no report told it yet. */
  roundTrip: { newestNs: number; smoothedNs: number; leastNs: number } | null;
  /** CLOCK_MONOTONIC when the newest report came; 0: none yet. */
  reportedNs: bigint;
}

/** How late all slots were since the tunnel was opened. */
export interface NativeDistribution {
  source: DeviationSourceName;
  /** Upper bounds of the buckets, each included in its bucket. */
  boundsNs: number[];
  /** How many slots are in each bucket, not cumulative. One entry more than bounds, for what is beyond them all. */
  counts: number[];
  sumNs: bigint;
}

/** Lateness in nanoseconds: the actual instant of sending minus the deadline. */
export interface NativeDeviation {
  /** Where the figures come from. */
  source: DeviationSourceName;
  count: number;
  meanNs: number;
  stddevNs: number;
  p1Ns: number;
  p50Ns: number;
  p90Ns: number;
  p99Ns: number;
  p999Ns: number;
  maxNs: number;
  missed: number;
  /** Slots without a timestamp. They are not in the figures, unless those are the call's. */
  unreported: number;
}
