/**
 * i405: a constant-traffic encrypted IP tunnel.
 *
 * This file is the contract of the package. Durations and rates are strings with a unit (`"8.5ms"`, `"100KiB/s"`).
 * Lengths are IP packet lengths in bytes, outer headers included. Every option is parsed once, before anything is
 * opened; a bad one is an {@link I405Error} with code `ERR_I405_OPTION` (or the code named beside the option) whose
 * `option` is its path, such as `up.interval`. An option that isn't listed here is refused as well.
 */
import type { Duplex } from "node:stream";

/**
 * How the timed thread waits for a deadline. Local: the two ends may differ.
 * - `"sleepy"`: sleeps to the deadline. Costs least.
 * - `"dozy"`: sleeps until shortly before the deadline and spins the rest.
 * - `"spinny"`: polls all the time. Costs a whole core.
 */
export type PollMode = "sleepy" | "dozy" | "spinny";

/** Density of the jitter. `"cos4"` has no edge that would show small delays; `"uniform"` is there to compare with. */
export type JitterShape = "cos4" | "uniform";

/** A number and `ns`, `us`, `ms`, `s`, `min` or `h`: `"8.5ms"`, `"250us"`, `"1s"`, `"2min"`. */
export type Duration = string;

/**
 * Outer IP packets per second, in bytes: `"100KiB/s"`, `"1MB/s"`, `"500B/s"`; or in bits: `"8Mbit/s"`. `k`, `M` and
 * `G` are powers of 1000, `Ki`, `Mi` and `Gi` of 1024.
 */
export type Rate = string;

/** One direction of the wire. Either `rate` or `interval`, not both (`ERR_I405_OPTION`). */
export interface WireOptions {
  /**
   * IP length of every datagram in bytes, 100 to the MTU of the route. Default: the smaller of that MTU and 1500.
   * The server may refuse it: `ERR_I405_REFUSED`.
   */
  length?: number;
  /**
   * Bytes per second; the mean interval becomes `length / rate`, which has to be `"10us"` to `"1s"`. Default
   * `"100KiB/s"`, unless `interval` is given. The server may refuse it: `ERR_I405_REFUSED`.
   */
  rate?: Rate;
  /** Mean interval, `"10us"` to `"1s"`. Default: from `rate`. The server may refuse it: `ERR_I405_REFUSED`. */
  interval?: Duration;
  /** Half width of the jitter around the mean, 0 to the mean interval. Default: 25 % of the mean. */
  jitter?: Duration | 0;
  /** Default `"cos4"`. */
  jitterShape?: JitterShape;
}

/** One direction of the wire, as agreed. */
export interface WireDirection {
  /** IP length of every datagram, bytes. */
  length: number;
  /** Mean interval, nanoseconds. */
  intervalNs: number;
  /** Half width of the jitter, nanoseconds. */
  jitterNs: number;
  jitterShape: JitterShape;
}

/** The wire, as agreed. `up` is client to server, `down` the other way. */
export interface Wire {
  up: WireDirection;
  down: WireDirection;
}

/** Static keys in WireGuard's format: 32 bytes in base64. A bad one: `ERR_I405_KEY`. */
export interface StaticKeys {
  /** This end's own, from {@link generatePrivateKey}. */
  privateKey: string;
  /** The other end's, from {@link publicKey} over there. */
  peerPublicKey: string;
  /** Optional second secret, the same at both ends, from {@link generatePresharedKey}. Default: none. */
  presharedKey?: string;
}

/** A TUN interface that the tunnel makes. Needs CAP_NET_ADMIN. */
export interface TunOptions {
  /** Interface name, 1 to 15 bytes without `/` or white space. Default: the kernel chooses. */
  name?: string;
  /** Address with prefix length, `"10.140.5.2/24"`, or several. Default: none. */
  ipv4?: string | string[];
  /** Address with prefix length, `"fd00:405::2/64"`, or several. Default: none. */
  ipv6?: string | string[];
  /** Bytes, 576 (1280 with `ipv6`) to 65535. Default 1420. */
  mtu?: number;
}

/**
 * Where inner packets come from and go to: a TUN interface, the descriptor of one that somebody else opened (0 or
 * above, a dup of it is used), or this program itself.
 */
export type DeviceOptions = { tun: TunOptions } | { fd: number } | "packets";

/** What is local to this end. */
export interface TunnelOptions {
  /** Default `"sleepy"`. */
  pollMode?: PollMode;
  /**
   * SCHED_FIFO for the timed threads. `true` (default): where it is refused, a `warning`; `"require"`: where it is
   * refused, `connect` and `listen` fail; `false`: the ordinary class.
   */
  schedFifo?: boolean | "require";
  /**
   * Core for the timed thread, from 0. Default: not pinned. A core that another spinny tunnel of this thread already
   * polls on: `ERR_I405_CPU_IN_USE` from `connect` and `listen`.
   */
  cpu?: number;
  /** Default `"packets"`. */
  device?: DeviceOptions;
  /** Bound of the waiting queue as a duration of slots, `"1ms"` to `"10s"`. Default `"50ms"`. */
  queue?: Duration;
  /**
   * How long before its deadline a slot's contents are fixed, `"10us"` to `"1s"`. Longer costs latency, shorter can
   * make slots late. Default: by poll mode, `"100us"` in `sleepy`, `"120us"` in `dozy`, `"20us"` in `spinny`. Where two
   * waits don't fit between two slots, contents are fixed right after the slot before.
   */
  finalizeDelta?: Duration;
  /** Later payloads held before a missing one is given up (RFC 9347), 0 to 64. Default 3. */
  reorderWindow?: number;
  /**
   * SO_MARK of the outer socket, 1 to 4294967295, so that a default route through the tunnel can leave it out.
   * Default: none.
   */
  fwmark?: number;
  /** How often `deviation` is emitted, `"100ms"` to `"24h"`. Default `"10s"`. Costs nothing while nobody listens. */
  deviationInterval?: Duration;
}

/** Exactly one of the two (`ERR_I405_OPTION`). */
export interface CredentialOptions {
  /** Static keys: recommended. */
  key?: StaticKeys;
  /** A generated password ({@link generatePassword}), at least 8 characters (`ERR_I405_KEY`). One client per password. */
  password?: string;
}

/** With whom a client talks, and how. */
export interface ConnectOptions extends CredentialOptions {
  /**
   * The server: `"203.0.113.7:1405"`, `"[2001:db8::7]:1405"`, `"host.example:1405"`. A name is looked up once:
   * `ERR_I405_RESOLVE`.
   */
  peer: string;
  /** Local address and port, 0 for any. Default `"0.0.0.0:0"` or `"[::]:0"`, as the peer is. */
  localAddress?: string;
  /** Client to server. */
  up?: WireOptions;
  /** Server to client. */
  down?: WireOptions;
  /**
   * Silence of the server after which the client handshakes anew; at least 100 intervals of `down`, at most `"24h"`.
   * Default: 10 s, or 100 intervals where that is longer.
   */
  clientTimeout?: Duration;
  /**
   * Silence of the client after which the server ends its schedule; at least 100 intervals of `up`, at most `"24h"`.
   * Default: 10 s, or 100 intervals where that is longer.
   */
  serverTimeout?: Duration;
  /** Cover slots after close, before the schedule ends, at most `"24h"`. Default 0. */
  linger?: Duration | 0;
  /**
   * Fail with `ERR_I405_CONNECT_TIMEOUT` if no session is up within this time, `"1ms"` to `"24h"`; the schedule then
   * ends. Default: try for ever.
   */
  connectTimeout?: Duration;
  /** Ends the attempt (`ERR_I405_ABORTED`), and later the tunnel, when aborted. */
  signal?: AbortSignal;
}

/** What a server lets a client ask for. The client's error is `ERR_I405_REFUSED` and names the figure. */
export interface Limits {
  /** Default `"128MiB/s"`. */
  maxRateUp?: Rate;
  /** Default `"128MiB/s"`. */
  maxRateDown?: Rate;
  /** Shortest mean interval in either direction, `"10us"` to `"1s"`. Default `"10us"`. */
  minInterval?: Duration;
  /** Largest IP length in either direction, bytes, 100 to 65535. Default 1500. The route's MTU bounds it as well. */
  maxLength?: number;
}

/** Where a server listens, and for whom. */
export interface ListenOptions extends CredentialOptions {
  /** `"0.0.0.0:1405"`, `"[::]:1405"`; a name is looked up once: `ERR_I405_RESOLVE`. */
  address: string;
  limits?: Limits;
  /** Cover slots after the client is gone or `close()`, before the schedule ends, at most `"24h"`. Default 0. */
  linger?: Duration | 0;
  /** Refuse initiations older than this, `"1s"` to `"24h"`; only where both clocks are right. Default: off. */
  maxStampAge?: Duration;
  /** Ends the tunnel when aborted. */
  signal?: AbortSignal;
}

/**
 * `"new"` until `connect` or `listen`; then `"connecting"` or `"listening"`; `"connected"` while a session is up and
 * the peer is heard, `"silent"` while it isn't; `"closing"`; `"closed"`.
 */
export type TunnelState = "new" | "connecting" | "listening" | "connected" | "silent" | "closing" | "closed";

/** Lateness of sends against their deadlines at the call, over one reporting interval. Microseconds. */
export interface Deviation {
  /** Slots sent. */
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
    /** Refused by the kernel; the schedule went on. */
    sendErrors: bigint;
    /** errno of the newest of them, 0: none. */
    lastSendErrno: number;
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
}

/** Node's EventEmitter, typed by `typed-emitter`; spelled so that ES and CommonJS resolution agree on its default. */
// prettier-ignore
// eslint-disable-next-line @typescript-eslint/no-unsafe-assignment -- it takes the attributes for an object
declare const TunnelEmitter: new () => import("typed-emitter", { with: { "resolution-mode": "require" } }).default<TunnelEvents>;

/**
 * One end of a tunnel. Constructing opens nothing; `connect` or `listen`, once, say with whom.
 *
 * @example
 * ```ts
 * const tunnel = new I405Tunnel({ pollMode: "dozy" });
 * tunnel.on("packet", (packet) => console.log(packet.length));
 * await tunnel.connect({ peer: "203.0.113.7:1405", password: "..." });
 * tunnel.write(packet);
 * await tunnel.close();
 * ```
 */
export class I405Tunnel extends TunnelEmitter implements AsyncDisposable {
  /** @throws {I405Error} `ERR_I405_OPTION` for a bad option. */
  constructor(options?: TunnelOptions);
  get state(): TunnelState;
  /** Local socket address once open. */
  get localAddress(): string | null;
  /** TUN interface name once open, null for other devices. */
  get deviceName(): string | null;
  /** The session that is up, or null. */
  get connection(): Connection | null;
  /**
   * Opens the tunnel as a client; resolves once data may flow. Fails, and closes the tunnel, with an
   * {@link I405Error}: `ERR_I405_OPTION`, `ERR_I405_KEY`, `ERR_I405_STATE` (called before), `ERR_I405_CPU_IN_USE`,
   * `ERR_I405_RESOLVE`, `ERR_I405_REFUSED`, `ERR_I405_PROTOCOL_VERSION`, `ERR_I405_CONNECT_TIMEOUT`,
   * `ERR_I405_ABORTED`, `ERR_I405_CLOSED`, `ERR_I405_ADDON`, or what the addon reports. A bad option leaves the tunnel
   * as it was, unless the route had to be known to tell.
   */
  connect(options: ConnectOptions): Promise<Connection>;
  /**
   * Opens the tunnel as a server; resolves once the socket listens. Fails as `connect` does, but for
   * `ERR_I405_REFUSED`, `ERR_I405_PROTOCOL_VERSION` and `ERR_I405_CONNECT_TIMEOUT`.
   */
  listen(options: ListenOptions): Promise<void>;
  /**
   * Copies one inner IP packet in. False: the queue is full, or no session is up yet, and the packet was not taken;
   * wait for `drain`.
   *
   * @throws {I405Error} `ERR_I405_STATE` before the tunnel is open, `ERR_I405_CLOSED` after, `ERR_I405_DEVICE` if the
   * device isn't `"packets"`, `ERR_I405_OPTION` if this is no Uint8Array, `ERR_I405_ARGUMENT` if it isn't one whole IPv4
   * or IPv6 packet.
   */
  write(packet: Uint8Array): boolean;
  /**
   * The packet device as an object-mode stream, one IP packet a chunk; the same one at each call. Writing is pushed
   * back while the queue is full. What comes while 1,024 packets wait to be read is dropped, as a network would, and
   * counted in `stats().inner.readerDrops`. Ending or destroying the stream leaves the tunnel open.
   *
   * @throws {I405Error} `ERR_I405_DEVICE` if the device isn't `"packets"`.
   */
  stream(): Duplex;
  /** Inner packets as they come, with the bound of {@link stream}; ends when the tunnel closes. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array>;
  stats(): TunnelStats;
  /** An open tunnel keeps the event loop alive: the default. */
  ref(): this;
  /** An open tunnel doesn't keep the event loop alive; the program may exit without `close()`. */
  unref(): this;
  /**
   * Sends close blocks, lingers, ends the schedule and releases everything. Idempotent. Rejects only with a fatal
   * error that nobody has been told of.
   */
  close(): Promise<void>;
  /** The same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** The only error class; `code` is stable and starts with `ERR_I405_`. */
export class I405Error extends Error {
  readonly code: string;
  /** The option at fault, as a path such as `up.interval`. */
  readonly option?: string;
  constructor(code: string, message: string, details?: { option?: string | undefined; cause?: unknown });
}

/** 32 random bytes, clamped as X25519 keys are, in base64. */
export function generatePrivateKey(): string;
/** The public key of a private key, in base64. @throws {I405Error} `ERR_I405_KEY` */
export function publicKey(privateKey: string): string;
/** 32 random bytes in base64. */
export function generatePresharedKey(): string;
/** 128 bits as a password of 26 base32 characters in groups. */
export function generatePassword(): string;
/** Version of the package. */
export const version: string;

export {};
