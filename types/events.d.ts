/** What a tunnel tells: state, events, counters. Part of the contract, `index.d.ts`. */
import type { I405Error } from "../index.js";
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

/** Something that doesn't stop the tunnel but that somebody should know. */
export interface TunnelWarning {
  /** Stable, starts with `I405_`. */
  code: string;
  message: string;
  /** What to do about it. */
  remedy: string;
}

/**
 * A listener that throws doesn't disturb the tunnel: what it threw is thrown again from an empty stack, as an uncaught
 * exception of the program's own.
 */
export type TunnelEvents = {
  /** A session is up: data may flow. Again after every new handshake. */
  connected: (connection: Connection) => void;
  /** Nothing from the peer for its timeout. A client handshakes anew on the same schedule. */
  silent: (info: { forMs: number }) => void;
  /** The peer is there again without a new handshake. */
  heard: () => void;
  /**
   * The session ended; `reason` says how: it grew too old (`"expired"`), it counted to its limit (`"exhausted"`), the
   * peer stayed silent (`"silent"`) or closed (`"peerClosed"`), or a new one took its place (`"replaced"`). A client
   * goes on to handshake, a server to listen.
   */
  disconnected: (info: { reason: "expired" | "silent" | "peerClosed" | "replaced" | "exhausted" }) => void;
  /** Once per `deviationInterval`. */
  deviation: (deviation: Deviation) => void;
  /** Inner packets for this program (`device: "packets"`). The bytes belong to the listener. */
  packet: (packet: Uint8Array) => void;
  /** The waiting queue has room again after `write` returned false. */
  drain: () => void;
  warning: (warning: TunnelWarning) => void;
  /** Fatal, and never thrown: pending promises, streams and iterators get it too, or else the first `close()`. */
  error: (error: I405Error) => void;
  /** Everything is released; the last event. */
  close: () => void;
};

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
    /** Packets dropped because the waiting queue was full. */
    queueDrops: bigint;
    /** Packets dropped because the stream or iterator that should have read them was full. */
    readerDrops: bigint;
    /** Neither IPv4 nor IPv6, or of a length that the header contradicts. */
    malformed: bigint;
    deviceErrors: bigint;
    queuedBytes: bigint;
  };
  /** `unknown`: opened by no key. `overBudget`: dropped unseen in a flood. */
  datagrams: { received: bigint; opened: bigint; unknown: bigint; replayed: bigint; overBudget: bigint };
  /** `stale`: fragments of initiations below the floor or too old; copies of the newest two do not count. */
  handshake: { fragments: bigint; stale: bigint };
  reassembly: { payloadsLost: bigint; blocksDropped: bigint };
  /** Events that did not fit between two turns of the event loop. */
  eventsDropped: bigint;
  /** Times the kernel's real-time throttle took the timed thread off its core. */
  throttleStalls: bigint;
  /** Cores that this tunnel keeps busy with a burner now. */
  burners: number;
}
