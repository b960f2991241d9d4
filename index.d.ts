/**
 * i405: a constant-traffic encrypted IP tunnel.
 *
 * This file is the contract of the package. Durations and rates are strings with a unit (`"8.5ms"`, `"100KiB/s"`)
 * or, where a plain number is accepted, in the unit that is named. Lengths are IP packet lengths in bytes.
 */
import type { Duplex } from "node:stream";
import type TypedEmitter from "typed-emitter";

/** How the dispatcher waits for a deadline. Local: the two ends may differ. */
export type PollMode = "sleepy" | "dozy" | "spinny";

/** Density of the deliberate jitter. `cos4` (default) has no edge that would show small delays; `uniform` is for comparison. */
export type JitterShape = "cos4" | "uniform";

/** `"8.5ms"`, `"250us"`, `"100000ns"`, `"1s"`, `"2min"`. */
export type Duration = string;

/** Bytes per second of outer IP packets: `"100KiB/s"`, `"1MB/s"`, or bits: `"8Mbit/s"`. */
export type Rate = string;

/** One direction of the wire. Either `rate` or `interval`, not both. */
export interface WireOptions {
  /** IP length of every datagram, 100 to the route's MTU. Default: the smaller of the route's MTU and 1500. */
  length?: number;
  /** Default `"100KiB/s"`; the mean interval becomes `length / rate`. */
  rate?: Rate;
  /** Mean interval, `"10us"` to `"1s"`. */
  interval?: Duration;
  /** Half width of the jitter around the mean, 0 to the mean interval. Default: 25 % of the mean. */
  jitter?: Duration | 0;
  /** Default `"cos4"`. */
  jitterShape?: JitterShape;
}

/** The wire as agreed, or as run. */
export interface WireDirection {
  length: number;
  intervalNs: number;
  jitterNs: number;
  jitterShape: JitterShape;
}
export interface Wire {
  up: WireDirection;
  down: WireDirection;
}

/** Static keys in WireGuard's format: 32 bytes in base64. See {@link generatePrivateKey}. */
export interface StaticKeys {
  privateKey: string;
  peerPublicKey: string;
  /** Optional second secret, mixed in as WireGuard does. */
  presharedKey?: string;
}

export interface TunOptions {
  /** Interface name, 1 to 15 bytes. Default: the kernel chooses. */
  name?: string;
  /** Address with prefix length, `"10.140.5.2/24"`. */
  ipv4?: string | string[];
  ipv6?: string | string[];
  /** 576 (1280 with IPv6) to 65535. Default 1420. */
  mtu?: number;
}

/**
 * Where inner packets come from and go to: a TUN interface (needs CAP_NET_ADMIN), a TUN file descriptor that
 * somebody else opened, or this program itself.
 */
export type DeviceOptions = { tun: TunOptions } | { fd: number } | "packets";

export interface TunnelOptions {
  /** Default `"sleepy"`. */
  pollMode?: PollMode;
  /** SCHED_FIFO for the timed threads. `true` (default): a `warning` where it is refused; `"require"`: an error. */
  schedFifo?: boolean | "require";
  /** Core for the timed thread. Default: not pinned. */
  cpu?: number;
  /** Default `"packets"`. */
  device?: DeviceOptions;
  /** Bound of the waiting queue as a duration of slots, `"1ms"` to `"10s"`. Default `"50ms"`. */
  queue?: Duration;
  /** Later payloads held before a missing one is given up (RFC 9347), 0 to 64. Default 3. */
  reorderWindow?: number;
  /** SO_MARK of the outer socket, so that a default route through the tunnel can leave it out. */
  fwmark?: number;
  /** How often `deviation` is emitted, at least `"100ms"`. Default: only while somebody listens, every `"10s"`. */
  deviationInterval?: Duration;
}

interface KeyOption {
  /** Static keys, recommended; or use `password`. */
  key?: StaticKeys;
  /** A generated password (`i405 genkey --password`), at least 8 characters. One client per password. */
  password?: string;
}

export interface ConnectOptions extends KeyOption {
  /** `"203.0.113.7:1405"`, `"[2001:db8::7]:1405"`, `"host.example:1405"`. */
  peer: string;
  /** Local address, default `"0.0.0.0:0"` or `"[::]:0"`. */
  localAddress?: string;
  up?: WireOptions;
  down?: WireOptions;
  /** Silence of the server after which the client handshakes anew; at least 100 intervals. Default `"10s"`. */
  clientTimeout?: Duration;
  /** Silence of the client after which the server ends its schedule. Default `"10s"`. */
  serverTimeout?: Duration;
  /** Cover slots after close, before the schedule ends. Default 0. */
  linger?: Duration | 0;
  /** Fail if no session is up within this time; the schedule then ends. Default: try for ever. */
  connectTimeout?: Duration;
  /** Ends the attempt, and the tunnel, when aborted. */
  signal?: AbortSignal;
}

/** What a server lets a client ask for. */
export interface Limits {
  /** Default `"128MiB/s"`. */
  maxRateUp?: Rate;
  maxRateDown?: Rate;
  /** Default `"10us"`. */
  minInterval?: Duration;
  /** Largest IP length, default 1500. */
  maxLength?: number;
}

export interface ListenOptions extends KeyOption {
  /** `"0.0.0.0:1405"`, `"[::]:1405"`. */
  address: string;
  limits?: Limits;
  /** Default 0. */
  linger?: Duration | 0;
  /** Refuse initiations older than this; only where both clocks are right. Default: off. */
  maxStampAge?: Duration;
  signal?: AbortSignal;
}

export type TunnelState = "new" | "connecting" | "listening" | "connected" | "silent" | "closing" | "closed";

/** Lateness of sends against their deadlines at the call, over one reporting interval. Microseconds. */
export interface Deviation {
  count: number;
  mean: number;
  stddev: number;
  p50: number;
  p90: number;
  p99: number;
  p999: number;
  max: number;
  /** Slots skipped because later deadlines had passed. */
  missed: number;
}

export interface Connection {
  /** The peer's address. */
  endpoint: string;
  wire: Wire;
  cipher: "chacha20-poly1305" | "aes-256-gcm";
}

export interface TunnelWarning {
  /** Stable. */
  code: string;
  message: string;
  remedy: string;
}

export type TunnelEvents = {
  /** A session is up: data may flow. Again after every new handshake. */
  connected: (connection: Connection) => void;
  /** Nothing from the peer for its timeout. A client handshakes anew on the same schedule. */
  silent: (info: { forMs: number }) => void;
  /** The peer is there again without a new handshake. */
  heard: () => void;
  /** The session ended; `reason` says how. A client goes on to handshake, a server to listen. */
  disconnected: (info: { reason: "expired" | "silent" | "peerClosed" | "replaced" | "exhausted" }) => void;
  deviation: (deviation: Deviation) => void;
  /** Inner packets for this program (`device: "packets"`). */
  packet: (packet: Uint8Array) => void;
  /** The waiting queue has room again after `write` returned false. */
  drain: () => void;
  warning: (warning: TunnelWarning) => void;
  /** Fatal: the tunnel is closed. Without a listener it is not thrown but kept for `close()` and pending promises. */
  error: (error: I405Error) => void;
  close: () => void;
};

/** Counters since the tunnel was opened. */
export interface TunnelStats {
  state: TunnelState;
  slots: { sent: bigint; missed: bigint; late: bigint; carrying: bigint; cover: bigint; handshake: bigint; sendErrors: bigint };
  inner: {
    packetsSent: bigint;
    bytesSent: bigint;
    packetsReceived: bigint;
    bytesReceived: bigint;
    queueDrops: bigint;
    malformed: bigint;
    deviceErrors: bigint;
    queuedBytes: bigint;
  };
  datagrams: { received: bigint; opened: bigint; unknown: bigint; replayed: bigint; overBudget: bigint };
  handshake: { fragments: bigint; stale: bigint };
  reassembly: { payloadsLost: bigint; blocksDropped: bigint };
  eventsDropped: bigint;
  throttleStalls: bigint;
}

/** One end of a tunnel. Constructing opens nothing; `connect` or `listen`, once, say with whom. */
export class I405Tunnel extends (EventEmitter as new () => TypedEmitter<TunnelEvents>) implements AsyncDisposable {
  /** @throws {I405Error} `ERR_I405_OPTION` for a bad option. */
  constructor(options?: TunnelOptions);
  readonly state: TunnelState;
  /** Local socket address once open. */
  readonly localAddress: string | null;
  /** TUN interface name once open, null for other devices. */
  readonly deviceName: string | null;
  readonly connection: Connection | null;
  /** Resolves once data may flow. */
  connect(options: ConnectOptions): Promise<Connection>;
  /** Resolves once the socket listens. */
  listen(options: ListenOptions): Promise<void>;
  /** Copies one inner IP packet in. False: the queue is full and the packet was not taken; wait for `drain`. */
  write(packet: Uint8Array): boolean;
  /** The packet device as an object-mode stream, one IP packet a chunk, with back-pressure. */
  stream(): Duplex;
  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array>;
  stats(): TunnelStats;
  ref(): this;
  unref(): this;
  /** Sends close blocks, lingers, ends the schedule and releases everything. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The only error class; `code` is stable and starts with `ERR_I405_`. */
export class I405Error extends Error {
  readonly code: string;
  /** The option at fault, as a path such as `up.interval`. */
  readonly option?: string;
  constructor(code: string, message: string, details?: { option?: string; cause?: unknown });
}

/** 32 random bytes, clamped as X25519 keys are, in base64. */
export function generatePrivateKey(): string;
/** @throws {I405Error} `ERR_I405_KEY` */
export function publicKey(privateKey: string): string;
export function generatePresharedKey(): string;
/** 128 bits as a password of 26 base32 characters in groups. */
export function generatePassword(): string;
/** Version of the package. */
export const version: string;
