/** What a tunnel tells: state, events, counters. Part of the contract, `index.d.ts`. */
import type { I405Error } from "./errors.js";
import type { DeviationSource, Wire } from "./options.js";

/**
 * `"new"` until `connect` or `listen`; then `"connecting"` or `"listening"`; `"connected"` while a session is up and
 * the peer is heard, `"silent"` while it isn't; `"closing"`; `"closed"`.
 */
export type TunnelState = "new" | "connecting" | "listening" | "connected" | "silent" | "closing" | "closed";

/** Lateness of sends against their deadlines, over one reporting interval. Microseconds. */
export interface Deviation {
  /** From what these figures really are: `"call"` where what `deviationSource` asks for did not come. */
  source: DeviationSource;
  /** Slots in the figures. */
  count: number;
  mean: number;
  /** Standard deviation. */
  stddev: number;
  p1: number;
  p50: number;
  p90: number;
  p99: number;
  p999: number;
  max: number;
  /** Slots skipped because later deadlines had passed. Not microseconds: a count. */
  missed: number;
  /** Slots whose timestamp never came, which the figures leave out unless they are the call's. A count. */
  unreported: number;
}

/** A session that is up. */
export interface Connection {
  /** The peer's address and port. */
  endpoint: string;
  wire: Wire;
  cipher: "chacha20-poly1305" | "aes-256-gcm";
}

/** A client that a server refused: its initiation was genuine, and its wishes were not to be had. */
export interface RefusedClient {
  /** Address and port that the initiation came from. Nothing has come back from there yet, so it may be forged. */
  endpoint: string;
  /**
   * Which of the server's `limits` was passed: `"length"` (or the route's MTU), `"interval"`, `"bandwidth"`; or
   * `"notUnderstood"`: settings that make no sense; or `"version"`: another version of the protocol.
   */
  reason: "length" | "interval" | "bandwidth" | "notUnderstood" | "version";
  /** Which direction passed it first; null where it isn't a direction's. */
  direction: "up" | "down" | null;
  /** What was asked for: bytes, nanoseconds, bytes per second, or the version; null for `"notUnderstood"`. */
  asked: number | null;
  /** The limit, in the same unit; for `"version"` the one that is spoken here. null for `"notUnderstood"`. */
  limit: number | null;
}

/** Something that doesn't stop the tunnel but that somebody should know. */
export interface TunnelWarning {
  /** Stable, starts with `I405_`; docs/errors.md has all of them. */
  code: string;
  message: string;
  /** What to do about it. */
  remedy: string;
}

/**
 * Slots that were sent, also where the kernel refused them (`record`): one at each index of the arrays, which belong to
 * the listener. Instants are nanoseconds of CLOCK_MONOTONIC, the clock of `process.hrtime.bigint()`. Nothing here is
 * secret, but it tells more of a tunnel than the wire does: which slots belong to which session.
 */
export interface SlotRecords {
  /** Slots since the event before that are missing here, because the program was busy for too long. */
  dropped: number;
  /** When each was to leave; ascending. With `dispatchers: 2`, a slot may come one event late. */
  deadlineNs: BigUint64Array;
  /** The clock at the call that sent it. With `sendBy: "txtime"` the call comes before the deadline. */
  calledNs: BigUint64Array;
  /**
   * Under which session's keys. The numbers are this end's own and rise with each handshake and rekey; the other end has
   * others for the same keys. 0xffffffff: under no session's, as handshakes are and slots before the first session.
   */
  generation: Uint32Array;
  /** Its number under these keys, from 0, by which the other end's `arrivals` name it too. Says nothing without a session. */
  counter: Uint32Array;
  /**
   * Slots skipped beside this one because their deadlines had passed: right after it, with `dispatchers: 2` also right
   * before. Their sum is `stats().slots.missed`, but for a suspended machine's with `dispatchers: 2`.
   */
  missed: Uint32Array;
}

/** Slots whose transmit timestamp came (`record`, and a `deviationSource` or `sendBy` that asks for timestamps). */
export interface DepartureRecords {
  /** Slots since the event before that are missing here, because the program was busy for too long. */
  dropped: number;
  /** The deadline, as in {@link SlotRecords}, by which the two are matched. */
  deadlineNs: BigUint64Array;
  /** When it left by its timestamp, nanoseconds of CLOCK_MONOTONIC. */
  leftNs: BigUint64Array;
}

/** Datagrams that opened under a session's keys (`record`), in the order in which they came. Copies are left out. */
export interface ArrivalRecords {
  /** Datagrams since the event before that are missing here, because the program was busy for too long. */
  dropped: number;
  /** When the kernel received each, nanoseconds of CLOCK_MONOTONIC. */
  receivedNs: BigUint64Array;
  /** Under which session's keys, in this end's numbering: see {@link SlotRecords}. */
  generation: Uint32Array;
  /** Its number under these keys, which the sender gave it. */
  counter: Uint32Array;
}

/**
 * A listener that throws disturbs neither the tunnel nor the other listeners: what it threw is thrown again from an empty
 * stack, as an uncaught exception of the program's own. The same holds for those of {@link I405Tunnel.stream}. A listener
 * may call any method of the tunnel, `close` included.
 */
export type TunnelEvents = {
  /** A session is up: data may flow. Again after every new handshake. */
  connected: (connection: Connection) => void;
  /** Nothing from the peer for its timeout. A client handshakes anew on the same schedule. */
  silent: (info: { forMs: number }) => void;
  /** The peer is there again without a new handshake. */
  heard: () => void;
  /** The session goes on under new keys: nothing was interrupted, and nothing shows on the wire. */
  rekeyed: () => void;
  /** Server: the client sends from another address or port now, and is answered there. */
  roamed: (info: { endpoint: string }) => void;
  /**
   * The session ended; `reason` says how: it grew too old (`"expired"`), it counted to its limit (`"exhausted"`), the
   * peer stayed silent (`"silent"`) or closed (`"peerClosed"`), or a new one took its place (`"replaced"`). A client
   * goes on to handshake, a server to listen.
   */
  disconnected: (info: { reason: "expired" | "silent" | "peerClosed" | "replaced" | "exhausted" }) => void;
  /** Server: a client was refused, and why. It is told as well, and stops. At most one a second. */
  refused: (refused: RefusedClient) => void;
  /** Once per `deviationInterval`. */
  deviation: (deviation: Deviation) => void;
  /** With `record`: the slots of the last few hundredths of a second. */
  slots: (slots: SlotRecords) => void;
  /** With `record`: when slots left, where transmit timestamps are asked for. */
  departures: (departures: DepartureRecords) => void;
  /** With `record`: what opened in the last few hundredths of a second. */
  arrivals: (arrivals: ArrivalRecords) => void;
  /** Inner packets for this program (`device: "packets"`). The bytes belong to the listeners, and to nobody else. */
  packet: (packet: Uint8Array) => void;
  /** The waiting queue has room again after `write` returned false. */
  drain: () => void;
  warning: (warning: TunnelWarning) => void;
  /**
   * Fatal, and never thrown: pending promises, streams and iterators get it too, or else the first `close()`. What the
   * tunnel held is released when `close` is emitted.
   */
  error: (error: I405Error) => void;
  /** Everything is released; the last event. */
  close: () => void;
};

/**
 * What is known of the way to the peer and back. Each end counts the other's datagrams by the numbers under their keys, and
 * tells it once a second or in eight slots, whichever is rarer, inside the slots.
 */
export interface PathStats {
  /** Datagrams from the peer. */
  inbound: PathLoss;
  /** Datagrams to the peer, by its own word and as of its newest report. */
  outbound: PathLoss;
  /**
   * To the peer and back, without what the peer waited for its next slot; milliseconds. `smoothedMs` as TCP smooths it (RFC
   * 6298), `leastMs` since the tunnel was opened. null before a report told it.
   */
  roundTrip: { newestMs: number; smoothedMs: number; leastMs: number } | null;
  /** How long ago a datagram last opened, milliseconds without time asleep; null: none yet. */
  heardMsAgo: number | null;
  /** How long ago the peer last reported, as above; null: it has not yet, or its version does not. */
  reportedMsAgo: number | null;
  /** Age of the newest handshake that led to a session, whether that is up or not, milliseconds; null: none yet. */
  handshakeMsAgo: number | null;
  /** Age of the newest keys: of that handshake, or of a rekey since. Milliseconds; null: none yet. */
  keysMsAgo: number | null;
}

/**
 * How many datagrams of one direction came. Slots that the sender skipped and handshakes are not among them, copies count
 * once, and one that comes late is not lost any more. What nothing came after is not known to be lost yet.
 */
export interface PathLoss {
  /** Those that can have come, since the tunnel was opened. */
  expected: bigint;
  /** Those of them that have not. */
  lost: bigint;
  /** The same of the last ten seconds; 0: nothing came, or nothing was reported, in them. */
  recentExpected: number;
  recentLost: number;
}

/** Counters since the tunnel was opened; zeros before, the last values after it closed. */
export interface TunnelStats {
  state: TunnelState;
  /** `late`: more than 50 us after the deadline. `carrying`, `cover` and `handshake` say what the sent ones held. */
  slots: {
    sent: bigint;
    missed: bigint;
    late: bigint;
    carrying: bigint;
    cover: bigint;
    handshake: bigint;
    /** With `dispatchers: 2`, sent by the second one because the first was late. */
    hedged: bigint;
    /**
     * Of the cover slots, with `dispatchers: 2`: sent without what waited, because the other dispatcher was stopped
     * while it built.
     */
    emergency: bigint;
    /** Refused by the kernel; the schedule went on. */
    sendErrors: bigint;
    /** errno of the newest of them, 0: none. */
    lastSendErrno: number;
    /** Their transmit timestamp never came; 0 unless `deviationSource` or `sendBy` asks for timestamps. */
    unreported: bigint;
    /** Dropped by the kernel because their launch time had passed or was not acceptable (`sendBy: "txtime"`). */
    launchesMissed: bigint;
  };
  inner: {
    packetsSent: bigint;
    bytesSent: bigint;
    packetsReceived: bigint;
    bytesReceived: bigint;
    /** Packets from the interface dropped because the waiting queue was full or no session was up. */
    queueDrops: bigint;
    /**
     * Calls of `write` that returned false: the waiting queue was full, or no session was up. The packet was not taken, and
     * is lost unless the program writes it again. A stream does that by itself, and isn't counted here.
     */
    writeRefusals: bigint;
    /** Packets that waited for longer than `readerQueue` for a stream or an iterator to be read, and were dropped. */
    readerDrops: bigint;
    /** Neither IPv4 nor IPv6, or of a length that the header contradicts; received, from the interface, or written. */
    malformed: bigint;
    /** Received packets whose source isn't within `allowedIps`, or that are from or to this machine itself. */
    notAllowed: bigint;
    /**
     * Received packets whose source isn't within `allowedIps`, but counts on its link only or is none: router solicitations
     * and the like, which a kernel says by itself through any interface. Dropped without a warning.
     */
    linkLocal: bigint;
    /** The tunnel's own datagrams, which a route sent into it (`I405_ROUTING_LOOP`). */
    looped: bigint;
    /** Reads and writes that the TUN interface refused (`I405_TUN_FAILING`). */
    deviceErrors: bigint;
    queuedBytes: bigint;
  };
  /**
   * `unknown`: opened by no key; `forged` in log and metrics. `unopened`: the same, but from the peer's address while a
   * handshake with it is under way, or in the 10 s after it: its cover without a session, and fragments beyond the one that
   * was needed. `overBudget`: dropped unseen in a flood.
   */
  datagrams: {
    received: bigint;
    opened: bigint;
    unknown: bigint;
    unopened: bigint;
    replayed: bigint;
    overBudget: bigint;
  };
  path: PathStats;
  /** `stale`: fragments of initiations below the floor or too old; copies of the newest two do not count. */
  handshake: { fragments: bigint; stale: bigint };
  reassembly: { payloadsLost: bigint; blocksDropped: bigint };
  /** Events that did not fit between two turns of the event loop. */
  eventsDropped: bigint;
  /** Times the kernel's real-time throttle took the timed thread off its core. */
  throttleStalls: bigint;
  /** Cores that this tunnel keeps busy with a burner now. */
  burners: number;
  /** How late all slots were: by the call, and where `deviationSource` asks for timestamps, by those. Empty before. */
  lateness: LatenessDistribution[];
}

/** Slots since the tunnel was opened, by how late they were. The newest few hundredths of a second are not in it yet. */
export interface LatenessDistribution {
  source: DeviationSource;
  /** Upper bounds of the buckets, nanoseconds, each included in its bucket. */
  boundsNs: readonly number[];
  /** Slots in each bucket, not cumulative; one more than there are bounds, for what is later than all of them. */
  counts: readonly number[];
  /** Sum of all latenesses, nanoseconds. */
  sumNs: bigint;
}
