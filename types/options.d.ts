/** What a tunnel is told: the options of `new I405Tunnel`, `connect` and `listen`. Part of the contract, `index.d.ts`. */

/**
 * How the timed thread waits for a deadline. Local: the two ends may differ.
 * - `"sleepy"`: sleeps to the deadline. Costs least.
 * - `"dozy"`: sleeps until shortly before the deadline and spins the rest.
 * - `"spinny"`: polls all the time. Costs a whole core.
 */
export type PollMode = "sleepy" | "dozy" | "spinny";

/**
 * Which cores are kept busy by a thread of idle priority, which yields to every ordinary one: none, that of the timed
 * thread (followed where it isn't pinned), or all that this process may use.
 */
export type Burner = "off" | "cpu" | "all";

/** Density of the jitter. `"cos4"` has no edge that would show small delays; `"uniform"` is there to compare with. */
export type JitterShape = "cos4" | "uniform";

/**
 * From what the `deviation` figures are. Local.
 * - `"call"`: the clock at the call that sends. Costs nothing, and doesn't see what the kernel does after it.
 * - `"software"`: the kernel's timestamp, taken as the driver gets the datagram.
 * - `"hardware"`: the network card's, taken as it leaves. Switched on for the whole machine by somebody else
 *   (`hwstamp_ctl`); needs leave to read the card's clock, `/dev/ptpN`.
 */
export type DeviationSource = "call" | "software" | "hardware";

/**
 * What makes a datagram leave at its deadline. Local.
 * - `"call"`: the call, made at the deadline.
 * - `"txtime"`: the kernel's queueing discipline or the network card, told the deadline some time before it.
 */
export type SendBy = "call" | "txtime";

/** A number and `ns`, `us`, `ms`, `s`, `min` (or `m`) or `h`: `"8.5ms"`, `"250us"`, `"1s"`, `"2min"`. */
export type Duration = string;

/**
 * Outer IP packets per second, in bytes: `"100KiB/s"`, `"1MB/s"`, `"500B/s"`; or in bits: `"8Mbit/s"`. `k`, `M` and
 * `G` are powers of 1000, `Ki`, `Mi` and `Gi` of 1024.
 */
export type Rate = string;

/** One direction of the wire. Either `rate` or `interval`, not both (`ERR_I405_OPTION`). */
export interface WireOptions {
  /**
   * IP length of every datagram in bytes, 100 to the MTU of the route. Default: the smaller of that MTU and 1500. Where
   * nobody answers, the client tries 1492, 1420, 1400 and 1280 as well, at the same intervals; `connected` says which.
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
  /** Half width of the jitter around the mean, 0 to the mean interval. Default: 50 % of the mean. */
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

/**
 * A TUN interface that the tunnel makes. Needs CAP_NET_ADMIN (`ERR_I405_TUN_PERMISSION`) and `/dev/net/tun`
 * (`ERR_I405_TUN_DEVICE`); another failure: `ERR_I405_TUN`.
 */
export interface TunOptions {
  /**
   * Interface name, 1 to 15 bytes without `/`, `:`, `%` or white space, not `.` or `..`. Default: the kernel chooses. One
   * that another interface has: `ERR_I405_TUN_IN_USE`; one that the kernel doesn't take: `ERR_I405_TUN_NAME`.
   */
  name?: string;
  /** Address with prefix length, `"10.140.5.2/24"`, or several; refused: `ERR_I405_TUN_ADDRESS`. Default: none. */
  ipv4?: string | string[];
  /**
   * Address with prefix length, `"fd00:405::2/64"`, or several; refused: `ERR_I405_TUN_ADDRESS`, or `ERR_I405_TUN_IPV6` where
   * IPv6 is disabled. Default: none.
   */
  ipv6?: string | string[];
  /** Bytes, 576 (1280 with `ipv6`) to 65535; refused: `ERR_I405_TUN_MTU`. Default 1420. */
  mtu?: number;
  /**
   * The strong host model (RFC 1122 section 3.3.4.2) for the interface's addresses, those that are added later as well while
   * the process has CAP_NET_ADMIN: what is from one of them leaves by this interface or not at all, and what comes for one
   * by another interface is dropped; loopback aside. With packet filter rules of the tunnel's own (nf_tables), which go with
   * it. Where they can't be had, a `warning` (`I405_STRONG_HOST`). Default true; false: as the kernel does it, which
   * answers a neighbour from inner addresses, and anybody whom the other end names, in the clear.
   */
  strongHost?: boolean;
}

/**
 * Where inner packets come from and go to: a TUN interface, the descriptor of one that somebody else opened (0 or
 * above, a dup of it is used; `ERR_I405_DEVICE_FD` if it is none), or this program itself.
 */
export type DeviceOptions = { tun: TunOptions } | { fd: number } | "packets";

/** What is local to this end. */
export interface TunnelOptions {
  /** Default `"sleepy"`. */
  pollMode?: PollMode;
  /**
   * SCHED_FIFO for the timed threads. `true` (default): where it is refused, a `warning`; `"require"`: where it is
   * refused, `connect` and `listen` fail (`ERR_I405_SCHED_FIFO`); `false`: the ordinary class.
   */
  schedFifo?: boolean | "require";
  /**
   * Core for the timed thread, from 0; with `dispatchers: 2` two of them, `[2, 3]`. Default: not pinned; with two
   * dispatchers the first two cores that the process may use (`ERR_I405_CPU` if there is only one). A core that another
   * spinny tunnel of this thread already polls on: `ERR_I405_CPU_IN_USE` from `connect` and `listen`.
   */
  cpu?: number | number[];
  /**
   * 2: hedged dispatch. Two timed threads on two cores are ready for every slot and the one that runs first sends it,
   * so that a core which the hypervisor or another program takes away delays nothing. Costs the second core what the
   * poll mode costs (`"spinny"`: what `"dozy"` costs). Default 1.
   */
  dispatchers?: 1 | 2;
  /**
   * Constant load, so that lateness is the same whether the machine is idle or busy. Costs the power of the cores.
   * Default `"cpu"` in `spinny`, `"off"` otherwise. Where idle priority isn't to be had, a `warning` (`I405_BURNER`) and
   * no burner.
   */
  burner?: Burner;
  /** Default `"packets"`. */
  device?: DeviceOptions;
  /** Bound of the waiting queue as a duration of slots, `"1ms"` to `"10s"`. Default `"50ms"`. */
  queue?: Duration;
  /**
   * How long a received packet waits at most for a stream or an iterator of the program's to be read, `"1ms"` to `"10s"`;
   * 16 MiB at most. What has waited for longer is dropped, the oldest first, and counted (`stats().inner.readerDrops`), so
   * that a slow reader gets new packets and not a growing delay. Default `"50ms"`.
   */
  readerQueue?: Duration;
  /**
   * How long before its deadline a slot's contents are fixed, `"10us"` to `"1s"`. Longer costs latency, shorter can
   * make slots late. Default: by poll mode, `"100us"` in `sleepy`, `"20us"` in `spinny`; in `dozy` `"120us"` at
   * first, then learnt from how late this machine wakes, `"60us"` to `"200us"`. Where two waits don't fit between two
   * slots, contents are fixed right after the slot before.
   */
  finalizeDelta?: Duration;
  /** Later payloads held before a missing one is given up (RFC 9347), 0 to 64. Default 3. */
  reorderWindow?: number;
  /**
   * SO_MARK of the outer socket, 1 to 4294967295, so that a default route through the tunnel can leave it out.
   * Names are looked up with it too: by the servers of `/etc/resolv.conf`, past that route.
   * Default: none. Needs CAP_NET_ADMIN (`ERR_I405_SOCKET_OPTION`).
   */
  fwmark?: number;
  /** How often `deviation` is emitted, `"100ms"` to `"24h"`. Default `"10s"`. Costs nothing while nobody listens. */
  deviationInterval?: Duration;
  /**
   * From what `deviation` is. Default `"call"`, with `sendBy: "txtime"` `"software"`. Where the driver doesn't deliver
   * the timestamps, a `warning` (`I405_NO_TIMESTAMPS`) says what is missing, and the figures are the call's.
   */
  deviationSource?: DeviationSource;
  /**
   * What makes a datagram leave at its deadline. Default `"call"`. `"txtime"` hands each one over 0.6 ms before its
   * deadline (more by the discipline's `delta` with a card's own launch times), which its contents have to wait as well,
   * and needs the `etf` discipline (with CAP_NET_ADMIN) or `fq` on the outgoing interface: where that is missing,
   * `connect` and `listen` fail with `ERR_I405_TXTIME`. What a server can only see when its client comes, or what the
   * first slots show, is a `warning` (`I405_TXTIME`), and slots leave by the call. Not with `dispatchers: 2`
   * (`ERR_I405_OPTION`).
   */
  sendBy?: SendBy;
  /**
   * Tells of every slot that is sent and of every datagram that opens, for audits: the events `slots`, `departures` and
   * `arrivals`. Nothing that is sent depends on it. Default false.
   */
  record?: boolean;
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
   * The server: `"203.0.113.7:1405"`, `"[2001:db8::7]:1405"`, `"host.example:1405"`; or a list of 1 to 16 ways to it. A
   * link-local address comes with its interface, `"[fe80::1%eth0]:1405"` (`ERR_I405_RESOLVE` if there is none). A name may have several addresses of both families. Each attempt that isn't answered is followed by one to the next
   * address. Names are looked up when the tunnel opens (`ERR_I405_RESOLVE` if none of them has an address) and again
   * while nobody answers, never while a session is up and heard.
   */
  peer: string | string[];
  /**
   * Local address and port, 0 for any. Default: any, `"0.0.0.0:0"` for IPv4 addresses, else `"[::]:0"`, which sends over
   * both families. Given, addresses of the other family are not used. `ERR_I405_ADDRESS` or `ERR_I405_ADDRESS_IN_USE`
   * where it can't be had; while an open tunnel's machine doesn't have it, slots are refused by the kernel and counted.
   */
  localAddress?: string;
  /**
   * Where the tunnel can't be opened for a reason that may pass, go on trying, with a `warning` (`I405_NOT_OPEN_YET`),
   * instead of failing: no address for a name, no route, a local address that isn't there yet or is in use, a TUN name in
   * use. Default false, so that a mistyped name is told. Once open, a client always goes on until it is closed or
   * refused, whatever becomes of network, server, interface or clock.
   */
  persistent?: boolean;
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
   * Silence of the client after which the server ends its schedule; at least 100 intervals of `up`, at most `"24h"` and
   * what the server's limits say. Default: 10 s, or 100 intervals where that is longer.
   */
  serverTimeout?: Duration;
  /**
   * Cover slots after close, before the schedule ends, at most `"24h"`. `"5min..30min"`: for a random time between the
   * two. Default 0.
   */
  linger?: Duration | 0;
  /**
   * Source addresses that the other end's inner packets may have, as WireGuard's: `"10.140.5.2/32"`,
   * `["10.0.0.0/8", "fd00::/8"]`, at most 1,024; `"any"`: all. Others are dropped and counted (`stats().inner.notAllowed`,
   * `warning` `I405_NOT_ALLOWED`; those that count on a link only as `linkLocal`, without a warning). Default: the networks
   * of `device.tun`'s addresses, and IPv6's link-local ones if it has IPv6; a family whose addresses come without a network
   * (`/32`, `/128`): all of it; a TUN without addresses, and any other device: all. What you route into the interface
   * yourself has to be named; the command's `--route` adds its prefixes. `ERR_I405_OPTION`.
   */
  allowedIps?: string | string[];
  /**
   * Fail with `ERR_I405_CONNECT_TIMEOUT` if no session is up within this time, `"1ms"` to `"24h"`; the schedule then
   * ends. Default: try for ever.
   */
  connectTimeout?: Duration;
  /**
   * Age at which the session gets new keys, without an interruption and unseen on the wire; at least `"1s"` and 64
   * intervals of the slower direction. Default, and the most: 120 s, or 4,096 intervals of the slower direction where that
   * is longer; 2^26 of the faster one where that is shorter. When a session without new keys ends does not depend on it.
   */
  rekeyInterval?: Duration;
  /**
   * File that remembers the newest stamp over restarts, so that a clock which was set back does not lock the client out.
   * Its own for each tunnel; made if it isn't there. `ERR_I405_STATE_FILE` if it can't be read or written, is another
   * user's, others may write it, or it holds something else. Default: none, and stamps grow while the program runs.
   */
  stateFile?: string;
  /** Ends the attempt (`ERR_I405_ABORTED`), and later the tunnel, when aborted. */
  signal?: AbortSignal;
}

/** What a server lets a client ask for. The client's error is `ERR_I405_REFUSED` and names the figure, but for timeouts. */
export interface Limits {
  /** Default `"128MiB/s"`. */
  maxRateUp?: Rate;
  /** Default `"128MiB/s"`. */
  maxRateDown?: Rate;
  /** Shortest mean interval in either direction, `"10us"` to `"1s"`. Default `"10us"`. */
  minInterval?: Duration;
  /** Largest IP length in either direction, bytes, 100 to 65535. Default 1500. The route's MTU bounds it as well. */
  maxLength?: number;
  /**
   * Longest that the server goes on for a silent client, `"1ms"` to `"24h"`, but always 100 intervals of `up`. A
   * `serverTimeout` above it is cut to it, not refused. Default `"5min"`: who has its address by then gets cover no longer.
   */
  maxServerTimeout?: Duration;
}

/** A client that is known before it comes. */
export interface KnownClient {
  /**
   * Its address and port, which its `localAddress` has to fix: `"198.51.100.2:1405"`; a name is looked up once:
   * `ERR_I405_RESOLVE`.
   */
  endpoint: string;
  /** Server to client: what the client asks for as `down`, or its coming changes the schedule. */
  down?: WireOptions;
}

/** Where a server listens, and for whom. */
export interface ListenOptions extends CredentialOptions {
  /** `"0.0.0.0:1405"`, `"[::]:1405"`, `"[fe80::1%eth0]:1405"`; a name is looked up once: `ERR_I405_RESOLVE`, `ERR_I405_ADDRESS`, `ERR_I405_ADDRESS_IN_USE`. */
  address: string;
  limits?: Limits;
  /**
   * Cover slots after the client is gone or `close()`, before the schedule ends, at most `"24h"`. `"5min..30min"`: for a
   * random time between the two, drawn anew each time. Default 0.
   */
  linger?: Duration | 0;
  /**
   * Source addresses that the other end's inner packets may have, as WireGuard's: `"10.140.5.2/32"`,
   * `["10.0.0.0/8", "fd00::/8"]`, at most 1,024; `"any"`: all. Others are dropped and counted (`stats().inner.notAllowed`,
   * `warning` `I405_NOT_ALLOWED`; those that count on a link only as `linkLocal`, without a warning). Default: the networks
   * of `device.tun`'s addresses, and IPv6's link-local ones if it has IPv6; a family whose addresses come without a network
   * (`/32`, `/128`): all of it; a TUN without addresses, and any other device: all. What you route into the interface
   * yourself has to be named; the command's `--route` adds its prefixes. `ERR_I405_OPTION`.
   */
  allowedIps?: string | string[];
  /**
   * For two fixed endpoints: the server sends from its own start, to this client, and goes on without a session. So
   * neither its start nor a client's coming or going shows in what it sends.
   */
  client?: KnownClient;
  /** Refuse initiations older than this, `"1s"` to `"24h"`; only where both clocks are right. Default: off. */
  maxStampAge?: Duration;
  /**
   * File that remembers the floor over restarts, so that no initiation starts anything twice. Its own for each tunnel;
   * made if it isn't there. `ERR_I405_STATE_FILE` if it can't be read or written, is another user's, others may write it,
   * or it holds something else; if it can't be written later, a `warning` (`I405_STATE_FILE`), and nobody is let in until it can.
   * Default: none, and a server that starts takes initiations which were made up to 5 s before.
   */
  stateFile?: string;
  /** Ends the tunnel when aborted. */
  signal?: AbortSignal;
}
