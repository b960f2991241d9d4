/**
 * The boundary between TypeScript and the Rust core: what `lib/` needs from the addon, and nothing else.
 *
 * Each command is complete in itself, so that either side can be tested alone and a slow event loop only makes a
 * handshake later. Nothing here is on the timed path: bytes are copied in, events come in batches.
 * The tests have a fake of this interface that links two tunnels in memory and in simulated time.
 *
 * Instants are nanoseconds of CLOCK_MONOTONIC as bigint, stamps are milliseconds of wall clock as number (48 bits).
 */

import type { ArrivalRecords, DepartureRecords, SlotRecords } from "../index.js";
import type { Probes } from "./addon-probes.js";
import type { NativeProcess } from "./addon-process.js";

export type * from "./addon-probes.js";

export type Role = "client" | "server";
export type PollModeName = "sleepy" | "dozy" | "spinny";
export type BurnerName = "off" | "cpu" | "all";
export type DeviationSourceName = "call" | "software" | "hardware";
export type SendByName = "call" | "txtime";
export type JitterShapeName = "cos4" | "uniform";

/** AEAD ids as on the wire (docs/protocol.md). */
export const AEAD_CHACHA20_POLY1305 = 0;
export const AEAD_AES_256_GCM = 1;
export type AeadId = typeof AEAD_CHACHA20_POLY1305 | typeof AEAD_AES_256_GCM;

export const KIND_INITIATION = 1;
export const KIND_RESPONSE = 2;
export const KIND_WRONG_VERSION = 3;
export type HandshakeKind = typeof KIND_INITIATION | typeof KIND_RESPONSE | typeof KIND_WRONG_VERSION;

/** Control blocks of the data payload that TypeScript hears of. */
export const CONTROL_REKEY_INITIATION = 1;
export const CONTROL_REKEY_RESPONSE = 2;
export const CONTROL_NEWEST_STAMP = 3;
export const CONTROL_CLOSE = 4;

/** The wrap and header-protection keys of one pairing, 32 bytes each. */
export interface NativePairing {
  sendWrap: Uint8Array;
  sendMask: Uint8Array;
  receiveWrap: Uint8Array;
  receiveMask: Uint8Array;
}

export type NativeDevice =
  | { kind: "packets" }
  | { kind: "tun"; name: string | null; ipv4: string[]; ipv6: string[]; mtu: number; strongHost: boolean }
  | { kind: "fd"; fd: number };

export interface NativeOpenOptions {
  role: Role;
  /** Local socket address, `1.2.3.4:1405` or `[::]:0`. */
  bind: string;
  /** Client: the server; datagrams from anybody else are ignored. Server: null. */
  peer: string | null;
  fwmark: number | null;
  device: NativeDevice;
  /** Source addresses that the peer's inner packets may have, `address/bits`, at most 1,024; null: any. */
  allowedIps: string[] | null;
  pollMode: PollModeName;
  schedFifo: "on" | "off" | "require";
  /** Cores, one for each dispatcher; empty: the addon's choice. */
  cpus: number[];
  /** 1, or 2: two dispatchers hedge every slot. */
  dispatchers: 1 | 2;
  /** Which cores threads of idle priority keep busy: none, the timed thread's, or all of the process's. */
  burner: BurnerName;
  pairing: NativePairing;
  /** Server: bytes of an initiation, by the pairing's Noise pattern: 1344 (IKpsk2) or 1296 (NNpsk0). */
  initiationLength: number;
  /** Server: initiations with a stamp at or below this are dropped. Rises by itself. Client: 0. */
  floorMs: number;
  /** Server: oldest initiation accepted, in ms of wall clock; null: off. */
  maxStampAgeMs: number | null;
  /** Bound of the waiting queue, as a duration of slots. */
  queueNs: number;
  /** How long before its deadline a slot's contents are fixed; null: by poll mode. */
  finalizeNs: number | null;
  /** How many later payloads are held before a missing one is given up (RFC 9347). */
  reorderWindow: number;
  /** From what `deviation` is, where the driver delivers it. */
  deviationSource: DeviationSourceName;
  /** `"txtime"` where it can't be had: `ERR_I405_TXTIME`. */
  sendBy: SendByName;
  /** Whether `slots`, `departures` and `arrivals` are told. */
  record: boolean;
}

/** A direction's schedule as it is on the wire. */
export interface NativeTiming {
  /** UDP payload bytes: IP length - 28 over IPv4, - 48 over IPv6. */
  datagramLength: number;
  intervalNs: number;
  jitterNs: number;
  shape: JitterShapeName;
}

export interface NativeSchedule extends NativeTiming {
  /** First deadline; null: one drawn interval from now. A running schedule ends as this one begins. */
  firstDeadlineNs: bigint | null;
  endpoint: string;
}

export interface NativeDirectionKeys {
  key: Uint8Array;
  iv: Uint8Array;
  mask: Uint8Array;
}

export interface NativeSession {
  /** A generation is installed once, and only upwards. */
  generation: number;
  aead: AeadId;
  send: NativeDirectionKeys;
  receive: NativeDirectionKeys;
  receiveLength: number;
  /** Mean interval of the other side, for the plausibility of counters and the lost-packet timer. */
  receiveIntervalNs: number;
}

export interface NativeOffer {
  kind: HandshakeKind;
  /** Version in the head of each fragment. */
  version: number;
  stamp: number;
  message: Uint8Array;
  /** 1: every slot carries a fragment; 8: every eighth, the others go on with the older session. */
  every: number;
  /**
   * Server: fragments of the initiation with this stamp name the destination; until then `endpoint`.
   * Client: always the server.
   */
  endpoint: string;
}

/** A control block that is said under whatever session is sent under, until another takes its place. */
export interface NativeControl {
  kind: number;
  body: Uint8Array;
  /** From one copy to the next; rounded up to whole slots. The first is in the next slot with room for it. */
  everyNs: number;
}

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
  /** Of the cover slots: a dispatcher's own datagram, because the other one was stopped while it built. */
  slotsEmergency: bigint;
  sendErrors: bigint;
  lastSendErrno: number;
  innerPacketsSent: bigint;
  innerBytesSent: bigint;
  innerPacketsReceived: bigint;
  innerBytesReceived: bigint;
  /** Dropped because the waiting queue was full. */
  queueDrops: bigint;
  /** Not IPv4 or IPv6, or a length that its header contradicts. */
  malformedInner: bigint;
  /** From an address outside `allowedIps`, or from or to the machine itself. */
  innerNotAllowed: bigint;
  /** Outside `allowedIps` as well, and from an address that counts on its link only, or from none. */
  innerLinkLocal: bigint;
  /** Our own outer datagrams that a route sent into the tunnel. */
  innerLooped: bigint;
  /** Reads and writes. */
  deviceErrors: bigint;
  queuedBytes: bigint;
  datagramsReceived: bigint;
  datagramsOpened: bigint;
  /** Authenticated by no key. */
  datagramsUnknown: bigint;
  datagramsReplayed: bigint;
  /** Over the trial budget. */
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
  /** By the call, and where timestamps were asked for, by those. */
  lateness: NativeDistribution[];
}

/** How late all slots were since the tunnel was opened. */
export interface NativeDistribution {
  source: DeviationSourceName;
  /** Upper bounds of the buckets, each included in its bucket. */
  boundsNs: number[];
  /** Slots by bucket, not cumulative; one more than bounds, for what is beyond them all. */
  counts: number[];
  sumNs: bigint;
}

/** Lateness, actual send instant minus deadline, in nanoseconds. */
export interface NativeDeviation {
  /** From what the figures are. */
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
  /** Slots without a timestamp, not in the figures unless those are the call's. */
  unreported: number;
}

/** What `record` asks for: every 50 ms, and the last of it before `closed`. */
export type NativeRecords =
  | ({ type: "slots" } & SlotRecords)
  | ({ type: "departures" } & DepartureRecords)
  | ({ type: "arrivals" } & ArrivalRecords);

export type NativeEvent =
  | NativeRecords
  /** A whole handshake message that passed trial, stamp and rate. Server: the floor rose to its stamp. */
  | {
      type: "handshake";
      kind: HandshakeKind;
      version: number;
      stamp: number;
      message: Uint8Array;
      source: string;
      /** Length of its datagrams. */
      datagramLength: number;
      /** When the kernel received the completing datagram. */
      receivedNs: bigint;
    }
  /** Server: an initiation of another version, stamp above the floor (which rose). */
  | { type: "otherVersion"; version: number; stamp: number; source: string; datagramLength: number; receivedNs: bigint }
  /** At most one a minute: a genuine initiation at or below the floor, or too old. */
  | { type: "staleInitiation"; stamp: number; floorMs: number }
  /** The first datagram that opens under a generation. */
  | { type: "opened"; generation: number; source: string; receivedNs: bigint }
  | { type: "control"; generation: number; kind: number; body: Uint8Array }
  /** Server: the client sends from here now, under the current generation. Nothing moved yet: `moveEndpoint` does. */
  | { type: "roamed"; generation: number; source: string }
  /** Nothing opened for the time given to `watchSilence`; again `heard` when something does. */
  | { type: "silent"; forNs: bigint }
  | { type: "heard" }
  /** `endAt` was reached: no more slots. */
  | { type: "scheduleEnded" }
  /** The eight slots with a close block are out. */
  | { type: "closeSent" }
  /** Generation reached 2^28 datagrams, sending falls back to a throwaway key. */
  | { type: "exhausted"; generation: number }
  /** Inner packets for the in-process device. */
  | { type: "packets"; packets: Uint8Array[] }
  /** The waiting queue has room again after `write` returned false. */
  | { type: "drain" }
  /** `detail`: what happened, in one sentence, and what to do, in those behind it; code is stable. */
  | { type: "warning"; code: string; detail: string }
  /** Events that did not fit since the last batch. */
  | { type: "dropped"; count: number }
  /** A thread died; the tunnel is over. */
  | { type: "failed"; code: string; detail: string }
  /** Everything is released; the last event. */
  | { type: "closed" };

/** One open tunnel: a socket, a device, and at most one schedule. Errors thrown carry `code` and a message. */
export interface NativeTunnel {
  localAddress(): string;
  /** Name of the TUN device, null for packets. */
  deviceName(): string | null;
  startSchedule(schedule: NativeSchedule): void;
  /** End the schedule at that instant; null takes it back. */
  endAt(instantNs: bigint | null): void;
  /** Carry this handshake message in a carousel in place of the one before. */
  offer(offer: NativeOffer): void;
  stopOffer(): void;
  /** Client: only responses with these stamps are handed over. */
  expectStamps(stamps: number[]): void;
  /** Install for receiving. */
  install(session: NativeSession): void;
  /** Send under it from the next slot on; with a newest-stamp block until a datagram opened under it. */
  sendUnder(generation: number, announceStamp: number | null): void;
  /** Zero the generation's keys; if it was being sent under, a throwaway key takes over. */
  forget(generation: number): void;
  moveEndpoint(endpoint: string): void;
  /**
   * Client: the server is there from the next slot on and datagrams have this UDP length; the deadlines go on as they
   * were. A message in the carousel has to be offered again.
   */
  redirect(endpoint: string, datagramLength: number): void;
  /**
   * `silent` after this long without an opened datagram, those under a replaced key aside; null: off. Restarts the
   * measurement.
   */
  watchSilence(timeoutNs: number | null): void;
  /** Say this control block again and again in place of the one before; null: no more. */
  repeatControl(control: NativeControl | null): void;
  /** A close block in the next 8 slots, then `closeSent`. */
  sendClose(): void;
  /** In-process device: copies an inner packet in. False: it did not fit and was not taken; wait for `drain`. */
  write(packet: Uint8Array): boolean;
  stats(): NativeStats;
  /** Since the last call. */
  deviation(): NativeDeviation;
  /** Ends every thread and releases socket and device; `closed` follows. Idempotent. */
  close(): void;
  /** Whether the tunnel keeps the event loop alive. */
  ref(): void;
  unref(): void;
}

/** Who is at the other end of a Unix socket. */
export interface PeerCredentials {
  /** 0: a process of another PID namespace. */
  pid: number;
  uid: number;
  gid: number;
}

export interface Addon {
  version(): string;
  /** AEADs as in the initiation: bit 0 ChaCha20-Poly1305, bit 1 AES-256-GCM where hardware has it. */
  aeads(): number;
  monotonicNs(): bigint;
  boottimeNs(): bigint;
  /** MTU of the route to an address, in IP bytes. */
  routeMtu(address: string, fwmark: number | null): number;
  probes: Probes;
  process: NativeProcess;
  /** As they were when it connected (SO_PEERCRED). The descriptor stays its owner's. */
  peerCredentials(fd: number): PeerCredentials;
  open(options: NativeOpenOptions, onEvents: (events: NativeEvent[]) => void): NativeTunnel;
}
