/**
 * i405: a constant-traffic encrypted IP tunnel.
 *
 * This file is the contract of the package. Durations and rates are strings with a unit (`"8.5ms"`, `"100KiB/s"`).
 * Lengths are IP packet lengths in bytes, outer headers included. Every option is parsed once, before anything is
 * opened; a bad one is an {@link I405Error} with code `ERR_I405_OPTION` (or the code named beside the option) whose
 * `option` is its path, such as `up.interval`. An option that isn't listed here is refused as well.
 *
 * Options are in `types/options.d.ts`, events and counters in `types/events.d.ts`. Metrics for Prometheus are a module of
 * their own, `i405/metrics`: `types/metrics.d.ts`.
 */
import type { Duplex } from "node:stream";
import type { Connection, TunnelEvents, TunnelState, TunnelStats } from "./types/events.js";
import type { ConnectOptions, ListenOptions, TunnelOptions } from "./types/options.js";
import type { PrivilegeOptions } from "./types/privileges.js";

export type {
  ArrivalRecords,
  Connection,
  DepartureRecords,
  Deviation,
  LatenessDistribution,
  PathLoss,
  PathStats,
  RefusedClient,
  SlotRecords,
  TunnelEvents,
  TunnelState,
  TunnelStats,
  TunnelWarning,
} from "./types/events.js";
export type {
  Burner,
  ConnectOptions,
  CredentialOptions,
  DeviationSource,
  DeviceOptions,
  Duration,
  JitterShape,
  KnownClient,
  Limits,
  ListenOptions,
  PollMode,
  Rate,
  SendBy,
  StaticKeys,
  TunOptions,
  TunnelOptions,
  Wire,
  WireDirection,
  WireOptions,
} from "./types/options.js";
export type { Capability, PrivilegeOptions } from "./types/privileges.js";
export { I405Error } from "./types/errors.js";

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
   * Opens the tunnel as a client, and resolves once data may flow. If it fails, the tunnel is closed. A bad option
   * leaves the tunnel as it was, unless the route had to be known to tell that it is bad.
   *
   * @throws {I405Error} `ERR_I405_OPTION`, `ERR_I405_KEY`, `ERR_I405_STATE` (called before), those named beside the
   *   options, `ERR_I405_ROUTE`, `ERR_I405_REFUSED`, `ERR_I405_PROTOCOL_VERSION`, `ERR_I405_RESPONSE`,
   *   `ERR_I405_CONNECT_TIMEOUT`, `ERR_I405_ABORTED`, `ERR_I405_CLOSED`, `ERR_I405_ADDON`, `ERR_I405_SYSTEM`.
   *   docs/errors.md says what each one means.
   */
  connect(options: ConnectOptions): Promise<Connection>;
  /**
   * Opens the tunnel as a server, and resolves once the socket listens.
   *
   * @throws {I405Error} As `connect` does, but for `ERR_I405_REFUSED`, `ERR_I405_PROTOCOL_VERSION`, `ERR_I405_RESPONSE`
   *   and `ERR_I405_CONNECT_TIMEOUT`.
   */
  listen(options: ListenOptions): Promise<void>;
  /**
   * Copies one inner IP packet in. Its memory is the program's again when this returns.
   *
   * @returns False if the packet was not taken, because the waiting queue (`queue`) is full or no session is up.
   *   Nothing of it will be sent. Wait for `drain` and write it again, or let it go, as a network would.
   *   `stats().inner.writeRefusals` counts these calls.
   * @throws {I405Error} `ERR_I405_STATE` before the tunnel is open, `ERR_I405_CLOSED` after it closed,
   *   `ERR_I405_DEVICE` if the device isn't `"packets"`, `ERR_I405_OPTION` if this is no Uint8Array,
   *   `ERR_I405_ARGUMENT` if it isn't one whole IPv4 or IPv6 packet.
   */
  write(packet: Uint8Array): boolean;
  /**
   * The packet device as an object-mode stream, with one IP packet in each chunk. Writing is pushed back while the
   * waiting queue is full, and before there is one. The stream copies what can't be taken at once. A packet that waits
   * to be read for longer than `readerQueue` is dropped, as a network would do, and counted in
   * `stats().inner.readerDrops`. One packet more may wait in the stream itself.
   *
   * Each call gives the same stream, until it is destroyed or its writable half has ended. The next call then gives a
   * new one, so that tunnels can be joined and parted while they run. Ending or destroying a stream leaves the tunnel
   * open.
   *
   * A chunk that is no packet is dropped, and the stream goes on. The callback of `write` gets the error
   * (`ERR_I405_ARGUMENT`, or `ERR_I405_OPTION` if the chunk isn't a Uint8Array), `stats().inner.malformed` counts it,
   * and the first one is a `warning` (`I405_PACKET_REFUSED`).
   *
   * @throws {I405Error} `ERR_I405_DEVICE` if the device isn't `"packets"`.
   */
  stream(): Duplex;
  /**
   * Inner packets as they come, with the bound of {@link stream}. It ends when the tunnel closes. Each loop gets every
   * packet, in bytes of its own. Leaving a loop ends nothing else.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array>;
  /** Counters and figures as they are now; zeros before the tunnel is opened. */
  stats(): TunnelStats;
  /**
   * The default: an open tunnel keeps the event loop alive. After `close()` it does so until it is closed, even if
   * `unref` was called.
   */
  ref(): this;
  /** An open tunnel doesn't keep the event loop alive; the program may exit without `close()`. */
  unref(): this;
  /**
   * Sends close blocks, lingers, ends the schedule and releases everything. Inner packets that still wait for a slot are
   * dropped: the other end lets go of its keys with the first close block. When this resolves, sockets, interface,
   * descriptors and memory are gone, however long the object is kept. It may be called again, at any time, also while
   * the tunnel opens and in a listener.
   *
   * It rejects only with a fatal error that nobody has been told of. Such a rejection doesn't end a program that
   * doesn't await it.
   */
  close(): Promise<void>;
  /** The same as {@link close}. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** 32 random bytes, clamped as X25519 keys are, in base64. */
export function generatePrivateKey(): string;
/** The public key of a private key, in base64. @throws {I405Error} `ERR_I405_KEY` */
export function publicKey(privateKey: string): string;
/** 32 random bytes in base64. */
export function generatePresharedKey(): string;
/** 128 bits as a password of 26 base32 characters in groups. */
export function generatePassword(): string;
/**
 * Gives up every capability but those to keep, and every way to get one back (`no_new_privs`). It does so in every
 * thread of the process and for good, and can become another user as well. It is for a program that starts with
 * privileges: open the tunnels first, then call this, once.
 *
 * Each thread is interrupted for some microseconds. If the interface is deleted afterwards, it can be made again only
 * with `keep: ["net-admin"]`. Before privileges go, RLIMIT_RTPRIO is raised to 45 and RLIMIT_NICE to 25, as far as that
 * is permitted, so that timed threads which are open can change their class.
 *
 * @throws {I405Error} `ERR_I405_PRIVILEGES` (an unknown user, not permitted, called before; if it failed half-way, end
 *   the program), `ERR_I405_OPTION`, `ERR_I405_ADDON`
 */
export function dropPrivileges(options?: PrivilegeOptions): Promise<void>;
/**
 * From now on, no core dump of this process is written (`PR_SET_DUMPABLE` 0, `RLIMIT_CORE` 0), and no other process of
 * its user can attach to it or read its memory. For programs that hold keys: call it before they are read.
 *
 * @throws {I405Error} `ERR_I405_SYSTEM` if a sandbox refuses, `ERR_I405_ADDON`
 */
export function forbidCoreDumps(): Promise<void>;
/** Version of the package. */
export const version: string;

export {};
