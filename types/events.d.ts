/** What a tunnel tells: state, events, counters. Part of the contract, `index.d.ts`. */
import type { I405Error } from "./errors.js";
import type { DeviationSource, Wire } from "./options.js";

/**
 * - `"new"`: neither `connect` nor `listen` was called yet.
 * - `"connecting"`, `"listening"`: a client or a server without a session.
 * - `"connected"`: a session is up, and the peer is heard.
 * - `"silent"`: a session is up, and the peer isn't heard.
 * - `"closing"`, `"closed"`: the tunnel ends, or has ended.
 */
export type TunnelState = "new" | "connecting" | "listening" | "connected" | "silent" | "closing" | "closed";

/** How late slots were sent, measured against their deadlines, over one `deviationInterval`. */
export interface Deviation {
  /** Where these figures really come from: `"call"` if what `deviationSource` asks for did not come. */
  source: DeviationSource;
  /** How many slots are in the figures. */
  count: number;
  /** Mean lateness, microseconds. */
  mean: number;
  /** Standard deviation of lateness, microseconds. */
  stddev: number;
  /** 1st percentile of lateness, microseconds. */
  p1: number;
  /** Median of lateness, microseconds. */
  p50: number;
  /** 90th percentile of lateness, microseconds. */
  p90: number;
  /** 99th percentile of lateness, microseconds. */
  p99: number;
  /** 99.9th percentile of lateness, microseconds. */
  p999: number;
  /** Greatest lateness, microseconds. */
  max: number;
  /** How many slots were skipped because later deadlines had passed. Not microseconds: a count. */
  missed: number;
  /** How many slots got no timestamp. The figures leave them out, unless they are the call's. A count. */
  unreported: number;
}

/** A session that is up. */
export interface Connection {
  /** The peer's address and port. */
  endpoint: string;
  wire: Wire;
  cipher: "chacha20-poly1305" | "aes-256-gcm";
}

/** A client that a server refused. Its initiation was genuine, but what it asked for can't be had here. */
export interface RefusedClient {
  /** Address and port that the initiation came from. Nothing has come back from there yet, so it may be forged. */
  endpoint: string;
  /**
   * Why it was refused: which of the server's `limits` it passed (`"length"`, also for the route's MTU; `"interval"`;
   * `"bandwidth"`), `"notUnderstood"` for settings that make no sense, or `"version"` for another version of the
   * protocol.
   */
  reason: "length" | "interval" | "bandwidth" | "notUnderstood" | "version";
  /** The direction that passed the limit first. null if the reason isn't a direction's. */
  direction: "up" | "down" | null;
  /**
   * What the client asked for: bytes for `"length"`, nanoseconds for `"interval"`, bytes per second for `"bandwidth"`,
   * or its version for `"version"`. null for `"notUnderstood"`.
   */
  asked: number | null;
  /**
   * The limit, in the unit of `asked`. For `"version"` it is the version that is spoken here. null for
   * `"notUnderstood"`.
   */
  limit: number | null;
}

/** Something that doesn't stop the tunnel but that somebody should know. */
export interface TunnelWarning {
  /** Stable, starts with `I405_`; docs/errors.md has all of them. */
  code: string;
  /** What happened. */
  message: string;
  /** What to do about it. */
  remedy: string;
}

/**
 * With `record`: slots that were sent, also those that the kernel refused. Each index of the arrays is one slot. The
 * arrays belong to the listener. Instants are nanoseconds of CLOCK_MONOTONIC, the clock of `process.hrtime.bigint()`.
 *
 * Nothing here is secret, but it tells more of a tunnel than the wire does: which slots belong to which session.
 */
export interface SlotRecords {
  /** How many slots since the event before are missing here, because the program was busy for too long. */
  dropped: number;
  /** When each slot was to leave, nanoseconds; ascending. With `dispatchers: 2`, a slot may come one event late. */
  deadlineNs: BigUint64Array;
  /** The clock at the call that sent it, nanoseconds. Unless `sendBy` is `"call"` it comes before the deadline. */
  calledNs: BigUint64Array;
  /**
   * The number of the session's keys that sealed it. The numbers are this end's own, and rise with each handshake and
   * rekey; the other end has other numbers for the same keys. 0xffffffff: no session's keys, as for handshakes and for
   * slots before the first session.
   */
  generation: Uint32Array;
  /**
   * The datagram's number under these keys, from 0. The other end's `arrivals` name it by the same number. It says
   * nothing without a session.
   */
  counter: Uint32Array;
  /**
   * How many slots beside this one were skipped because their deadlines had passed: those right after it, with
   * `dispatchers: 2` also those right before. Their sum is `stats().slots.missed`. With `dispatchers: 2` the sum leaves
   * out those that passed while the machine was suspended.
   */
  missed: Uint32Array;
}

/** With `record`: slots whose transmit timestamp came, if `deviationSource` or `sendBy` asks for timestamps. */
export interface DepartureRecords {
  /** How many slots since the event before are missing here, because the program was busy for too long. */
  dropped: number;
  /** The deadline in nanoseconds, as in {@link SlotRecords}. It says which slot this is. */
  deadlineNs: BigUint64Array;
  /** When the slot left by its timestamp, nanoseconds of CLOCK_MONOTONIC. */
  leftNs: BigUint64Array;
}

/**
 * With `record`: datagrams that opened under a session's keys, in the order in which they came. Copies are left out.
 */
export interface ArrivalRecords {
  /** How many datagrams since the event before are missing here, because the program was busy for too long. */
  dropped: number;
  /** When the kernel received each, nanoseconds of CLOCK_MONOTONIC. */
  receivedNs: BigUint64Array;
  /** The number of the session's keys that opened it, in this end's numbering: see {@link SlotRecords}. */
  generation: Uint32Array;
  /** The datagram's number under these keys, which the sender gave it. */
  counter: Uint32Array;
}

/**
 * A listener that throws disturbs neither the tunnel nor the other listeners. What it threw is thrown again from an
 * empty stack, as an uncaught exception of the program's own. The same holds for listeners of {@link
 * I405Tunnel.stream}. A listener may call any method of the tunnel, `close` included.
 */
export type TunnelEvents = {
  /** A session is up: data may flow. It comes again after every new handshake. */
  connected: (connection: Connection) => void;
  /**
   * The peer was not heard for its timeout; `forMs` is for how long, milliseconds. A client handshakes anew on the same
   * schedule.
   */
  silent: (info: { forMs: number }) => void;
  /** The peer is there again without a new handshake. */
  heard: () => void;
  /** The session goes on under new keys: nothing was interrupted, and nothing shows on the wire. */
  rekeyed: () => void;
  /** Server: the client sends from another address or port now, and is answered there. */
  roamed: (info: { endpoint: string }) => void;
  /**
   * The session ended. A client goes on to handshake, a server to listen. The `reason` is one of these:
   * - `"expired"`: it grew too old.
   * - `"exhausted"`: it counted to its limit.
   * - `"silent"`: the peer stayed silent.
   * - `"peerClosed"`: the peer closed it.
   * - `"replaced"`: a new session took its place.
   */
  disconnected: (info: { reason: "expired" | "silent" | "peerClosed" | "replaced" | "exhausted" }) => void;
  /** Server: a client was refused, and why. The client is told as well, and stops. At most one a second. */
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
   * The tunnel failed. It is never thrown. Pending promises, streams and iterators get the same error; if there are
   * none, the first `close()` does. What the tunnel held is released when `close` is emitted.
   */
  error: (error: I405Error) => void;
  /** Everything is released; the last event. */
  close: () => void;
};

/**
 * What is known of the way to the peer and back. Each end counts the other's datagrams by the numbers under their keys.
 * It tells the other the counts inside the slots, once a second or once in eight slots, whichever is rarer.
 */
export interface PathStats {
  /** Datagrams from the peer. */
  inbound: PathLoss;
  /** Datagrams to the peer, as the peer's newest report says. */
  outbound: PathLoss;
  /**
   * Time to the peer and back, milliseconds, without what the peer waited for its next slot. `smoothedMs` is smoothed
   * as TCP does it (RFC 6298). `leastMs` is the least since the tunnel was opened. null before a report told it.
   */
  roundTrip: { newestMs: number; smoothedMs: number; leastMs: number } | null;
  /**
   * How long ago a datagram last opened, milliseconds; the time that the machine was asleep doesn't count. null: none
   * yet.
   */
  heardMsAgo: number | null;
  /**
   * How long ago the peer's newest report came, milliseconds, as above. null: none came yet, or the peer's version
   * sends none.
   */
  reportedMsAgo: number | null;
  /**
   * Age of the newest handshake that led to a session, milliseconds, whether that session is still up or not. null:
   * none yet.
   */
  handshakeMsAgo: number | null;
  /** Age of the newest keys, milliseconds: those of that handshake, or of a rekey since. null: none yet. */
  keysMsAgo: number | null;
}

/**
 * How many datagrams of one direction came. Handshakes and slots that the sender skipped don't count, and copies count
 * once. A datagram that comes late isn't lost any more. One after which nothing came isn't known to be lost yet.
 */
export interface PathLoss {
  /** Datagrams that can have come, since the tunnel was opened. */
  expected: bigint;
  /** How many of them have not come. */
  lost: bigint;
  /** As `expected`, in the last ten seconds. 0: nothing came, or nothing was reported, in them. */
  recentExpected: number;
  /** As `lost`, in the last ten seconds. */
  recentLost: number;
}

/**
 * Counters since the tunnel was opened. Before that they are zeros; after the tunnel closed they keep the last values.
 */
export interface TunnelStats {
  state: TunnelState;
  /**
   * Counts of slots. `late`: sent more than 50 us after the deadline. `carrying`, `cover` and `handshake` say what
   * those that were sent held.
   */
  slots: {
    sent: bigint;
    missed: bigint;
    late: bigint;
    carrying: bigint;
    cover: bigint;
    handshake: bigint;
    /** With `dispatchers: 2`: sent by the second dispatcher because the first was late. */
    hedged: bigint;
    /**
     * With `dispatchers: 2`: cover slots that were sent without the packets that waited, because the other dispatcher
     * was stopped while it built the slot.
     */
    emergency: bigint;
    /** Refused by the kernel; the schedule went on. */
    sendErrors: bigint;
    /** errno of the newest of these. 0: none. */
    lastSendErrno: number;
    /** Slots whose transmit timestamp never came. 0 unless `deviationSource` or `sendBy` asks for timestamps. */
    unreported: bigint;
    /** Dropped by the kernel because their launch time had passed or was not acceptable (`sendBy` other than `"call"`). */
    launchesMissed: bigint;
  };
  inner: {
    packetsSent: bigint;
    bytesSent: bigint;
    packetsReceived: bigint;
    bytesReceived: bigint;
    /** Packets from the interface that were dropped because the waiting queue was full or no session was up. */
    queueDrops: bigint;
    /**
     * Calls of `write` that returned false, because the waiting queue was full or no session was up. The packet was not
     * taken, and is lost unless the program writes it again. A stream writes it again by itself, and isn't counted
     * here.
     */
    writeRefusals: bigint;
    /** Packets that waited for longer than `readerQueue` for a stream or an iterator, and were dropped. */
    readerDrops: bigint;
    /**
     * Packets that are neither IPv4 nor IPv6, or whose header contradicts their length. They may be received, from the
     * interface, or written.
     */
    malformed: bigint;
    /** Received packets whose source isn't within `allowedIps`, or that are from or to this machine itself. */
    notAllowed: bigint;
    /**
     * Received packets whose source isn't within `allowedIps`, and counts only on its link or is none at all: router
     * solicitations and the like. A kernel sends them through any interface by itself, so they are dropped without a
     * warning.
     */
    linkLocal: bigint;
    /** The tunnel's own datagrams, which a route sent into it (`I405_ROUTING_LOOP`). */
    looped: bigint;
    /** Reads and writes that the TUN interface refused (`I405_TUN_FAILING`). */
    deviceErrors: bigint;
    /** Bytes that wait for slots now. */
    queuedBytes: bigint;
  };
  /**
   * Counts of datagrams.
   * - `unknown`: no key opened it. Log and metrics call it `forged`.
   * - `unopened`: no key opened it either, but it came from the peer's address during a handshake with it, or in the 10
   *   s afterwards. Such are its cover without a session, and fragments beyond the one that was needed.
   * - `overBudget`: dropped in a flood without being tried.
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
  /** `stale`: fragments of initiations that are below the floor or too old. Copies of the newest two don't count. */
  handshake: { fragments: bigint; stale: bigint };
  reassembly: { payloadsLost: bigint; blocksDropped: bigint };
  /** Events that did not fit between two turns of the event loop, and were dropped. */
  eventsDropped: bigint;
  /** How often the kernel's real-time throttle took the timed thread off its core. */
  throttleStalls: bigint;
  /** How many cores this tunnel keeps busy with a burner now. */
  burners: number;
  /**
   * How late all slots were: by the call, and by timestamps if `deviationSource` asks for those. Empty before the first
   * slot.
   */
  lateness: LatenessDistribution[];
}

/**
 * How late the slots since the tunnel was opened were, in nanoseconds. The newest few hundredths of a second are not in
 * it yet.
 */
export interface LatenessDistribution {
  source: DeviationSource;
  /** Upper bounds of the buckets, nanoseconds, each included in its bucket. */
  boundsNs: readonly number[];
  /**
   * How many slots are in each bucket, not cumulative. It has one entry more than `boundsNs`, for what is later than
   * all of them.
   */
  counts: readonly number[];
  /** Sum of the latenesses of all slots, nanoseconds. */
  sumNs: bigint;
}
