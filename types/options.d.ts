/** What a tunnel is told: the options of `new I405Tunnel`, `connect` and `listen`. Part of the contract, `index.d.ts`. */

/**
 * How the timed thread waits for a deadline. Local: the two ends may differ.
 * - `"sleepy"`: sleeps to the deadline. Costs least.
 * - `"dozy"`: sleeps until shortly before the deadline and spins the rest.
 * - `"spinny"`: polls all the time. Costs a whole core.
 */
export type PollMode = "sleepy" | "dozy" | "spinny";

/**
 * Which cores a thread of idle priority keeps busy. It yields to every ordinary thread.
 * - `"off"`: none.
 * - `"cpu"`: the timed thread's. If that thread isn't pinned, the burner follows it.
 * - `"all"`: all cores that this process may use.
 */
export type Burner = "off" | "cpu" | "all";

/** Density of the jitter. `"cos4"` has no edge that would show small delays; `"uniform"` is there to compare with. */
export type JitterShape = "cos4" | "uniform";

/**
 * Where the `deviation` figures come from. Local: the two ends may differ.
 * - `"call"`: the clock at the call that sends; with `sendBy: "kernel"`, when that call returns. It costs nothing, and
 *   doesn't see what the kernel does afterwards.
 * - `"software"`: the kernel's timestamp, taken when the driver gets the datagram.
 * - `"hardware"`: the network card's timestamp, taken when the datagram leaves. Somebody else has to switch these on
 *   for the whole machine (`hwstamp_ctl`), and the process needs permission to read the card's clock, `/dev/ptpN`.
 */
export type DeviationSource = "call" | "software" | "hardware";

/**
 * What makes a datagram leave at its deadline. Local: the two ends may differ.
 * - `"call"`: the call that sends it, made at the deadline.
 * - `"txtime"`: the kernel's queueing discipline or the network card, which gets the datagram some time before its
 *   deadline.
 * - `"kernel"`: a program at the outgoing interface's egress hook (BPF, tcx), which gets the datagram shortly before its
 *   deadline and spins until then.
 */
export type SendBy = "call" | "txtime" | "kernel";

/** A number and `ns`, `us`, `ms`, `s`, `min` (or `m`) or `h`: `"8.5ms"`, `"250us"`, `"1s"`, `"2min"`. */
export type Duration = string;

/**
 * How many bytes of outer IP packets are sent per second: `"100KiB/s"`, `"1MB/s"`, `"500B/s"`. It may be in bits:
 * `"8Mbit/s"`. `k`, `M` and `G` are powers of 1000, `Ki`, `Mi` and `Gi` of 1024.
 */
export type Rate = string;

/** One direction of the wire. Either `rate` or `interval`, not both (`ERR_I405_OPTION`). */
export interface WireOptions {
  /**
   * IP length of every datagram, bytes. From 100 to the MTU of the route. Default: that MTU, but at most 1500. While
   * nobody answers, the client tries 1492, 1420, 1400 and 1280 as well, at the same intervals; `connected` says which
   * one is in use. `ERR_I405_REFUSED` if the server refuses it.
   */
  length?: number;
  /**
   * Bytes of outer IP packets per second. The mean interval becomes `length / rate`, which has to be `"10us"` to
   * `"1s"`. Default: `"100KiB/s"`, unless `interval` is given. `ERR_I405_REFUSED` if the server refuses it.
   */
  rate?: Rate;
  /** Mean interval, `"10us"` to `"1s"`. Default: from `rate`. `ERR_I405_REFUSED` if the server refuses it. */
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
 * A TUN interface that the tunnel makes. It needs CAP_NET_ADMIN (`ERR_I405_TUN_PERMISSION`) and `/dev/net/tun`
 * (`ERR_I405_TUN_DEVICE`). Any other failure is `ERR_I405_TUN`.
 */
export interface TunOptions {
  /**
   * Interface name, 1 to 15 bytes without `/`, `:`, `%` or white space, not `.` or `..`. Default: the kernel chooses.
   * `ERR_I405_TUN_IN_USE` if another interface has the name, `ERR_I405_TUN_NAME` if the kernel doesn't take it.
   */
  name?: string;
  /**
   * Address with prefix length, `"10.140.5.2/24"`, or several. Default: none. `ERR_I405_TUN_ADDRESS` if the kernel
   * refuses one.
   */
  ipv4?: string | string[];
  /**
   * Address with prefix length, `"fd00:405::2/64"`, or several. Default: none. `ERR_I405_TUN_ADDRESS` if the kernel
   * refuses one, `ERR_I405_TUN_IPV6` if IPv6 is disabled.
   */
  ipv6?: string | string[];
  /** MTU in bytes, 576 (1280 with `ipv6`) to 65535. Default 1420. `ERR_I405_TUN_MTU` if the kernel refuses it. */
  mtu?: number;
  /**
   * The strong host model (RFC 1122 section 3.3.4.2) for the interface's addresses. What comes from one of them leaves
   * by this interface or not at all. What comes for one of them by another interface is dropped. Loopback is left out.
   * The model holds for addresses that are added later too, while the process has CAP_NET_ADMIN.
   *
   * The tunnel has packet filter rules of its own for this (nf_tables), which go when it ends. If they can't be had,
   * there is a `warning` (`I405_STRONG_HOST`). Default true. With false the kernel does as it usually does: it answers
   * a neighbour from inner addresses, and anybody whom the other end names, in the clear.
   */
  strongHost?: boolean;
}

/**
 * Where inner packets come from and go to.
 * - `{ tun }`: a TUN interface that the tunnel makes.
 * - `{ fd }`: the descriptor of a TUN interface that somebody else opened, 0 or above. The tunnel uses a dup of it.
 *   `ERR_I405_DEVICE_FD` if it is no such descriptor.
 * - `"packets"`: this program.
 */
export type DeviceOptions = { tun: TunOptions } | { fd: number } | "packets";

/** What is local to this end. */
export interface TunnelOptions {
  /** Default `"sleepy"`. */
  pollMode?: PollMode;
  /**
   * SCHED_FIFO for the timed threads. Default true.
   * - `true`: if it is refused, there is a `warning`.
   * - `"require"`: if it is refused, `connect` and `listen` fail (`ERR_I405_SCHED_FIFO`).
   * - `false`: the threads stay in the ordinary class.
   */
  schedFifo?: boolean | "require";
  /**
   * Core for the timed thread, numbered from 0; with `dispatchers: 2` two of them, `[2, 3]`. Default: not pinned. With
   * two dispatchers the default is the first two cores that the process may use (`ERR_I405_CPU` if there is only one).
   * `connect` and `listen` fail with `ERR_I405_CPU_IN_USE` if another spinny tunnel of this thread already polls on the
   * core.
   */
  cpu?: number | number[];
  /**
   * 2 is hedged dispatch. Two timed threads on two cores are ready for every slot, and the one that runs first sends
   * it. So nothing is delayed if the hypervisor or another program takes one core away. It costs the second core what
   * the poll mode costs (in `"spinny"`: what `"dozy"` costs). Default 1.
   */
  dispatchers?: 1 | 2;
  /**
   * Constant load, so that lateness is the same whether the machine is idle or busy. It costs the power of the cores.
   * Default: `"cpu"` in `spinny`, `"off"` otherwise. If idle priority can't be had, there is a `warning`
   * (`I405_BURNER`) and no burner.
   */
  burner?: Burner;
  /** Default `"packets"`. */
  device?: DeviceOptions;
  /**
   * Bound of the waiting queue, as the time in which slots can carry what waits, `"1ms"` to `"10s"`. Default `"50ms"`.
   */
  queue?: Duration;
  /**
   * How long a received packet may wait for a stream or an iterator of the program's, `"1ms"` to `"10s"`. Default
   * `"50ms"`. At most 16 MiB wait. What has waited for longer is dropped, the oldest first, and counted
   * (`stats().inner.readerDrops`). So a slow reader gets new packets and not a growing delay.
   */
  readerQueue?: Duration;
  /**
   * How long before its deadline a slot's contents are fixed, `"10us"` to `"1s"`. A longer time costs latency, a
   * shorter one can make slots late. Default: `"100us"` in `sleepy`, `"20us"` in `spinny`. In `dozy` it is `"120us"` at
   * first, and then learnt from how late this machine wakes, `"60us"` to `"200us"`. If two waits don't fit between two
   * slots, contents are fixed right after the slot before.
   */
  finalizeDelta?: Duration;
  /** How many later payloads are held before a missing one is given up (RFC 9347), 0 to 64. Default 3. */
  reorderWindow?: number;
  /**
   * SO_MARK of the outer socket, 1 to 4294967295, so that a default route through the tunnel can leave it out. Default:
   * none. It needs CAP_NET_ADMIN (`ERR_I405_SOCKET_OPTION`). Names are looked up with the mark too, from the servers of
   * `/etc/resolv.conf`, so that the question doesn't take that route.
   */
  fwmark?: number;
  /** How often `deviation` is emitted, `"100ms"` to `"24h"`. Default `"10s"`. It costs nothing while nobody listens. */
  deviationInterval?: Duration;
  /**
   * Where the `deviation` figures come from. Default: `"call"`; with `sendBy: "txtime"`, `"software"`. If the driver
   * doesn't deliver the timestamps, a `warning` (`I405_NO_TIMESTAMPS`) says what is missing, and the figures are the
   * call's.
   */
  deviationSource?: DeviationSource;
  /**
   * What makes a datagram leave at its deadline. Default `"call"`.
   *
   * `"txtime"` hands each datagram over 0.6 ms before its deadline, and its contents wait for as long. With a card's
   * own launch times it is earlier by the discipline's `delta`. The outgoing interface needs the `etf` discipline (with
   * CAP_NET_ADMIN) or `fq`; without one, `connect` and `listen` fail with `ERR_I405_TXTIME`. A failure that shows only
   * in the first slots, or at a server when its client comes, is a `warning` (`I405_TXTIME`), and slots then leave by
   * the call. Not together with `dispatchers: 2` (`ERR_I405_OPTION`).
   *
   * `"kernel"` hands each datagram over 0.12 ms before its deadline in `sleepy` and 0.04 ms in the other modes, at most a fourth of
   * the interval, and the kernel spins for what is left: nothing else of that core has its turn meanwhile. It needs Linux
   * 6.6, and CAP_BPF and CAP_NET_ADMIN at the opening; without them `connect` and `listen` fail with `ERR_I405_BPF`.
   * What fails later, where a client is reached by another interface, is a `warning` (`I405_BPF`), and slots then leave by
   * the call. Not together with `dispatchers: 2` (`ERR_I405_OPTION`).
   */
  sendBy?: SendBy;
  /**
   * For audits: the events `slots`, `departures` and `arrivals` tell of every slot that is sent and of every datagram
   * that opens. Nothing that is sent depends on it. Default false.
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
   * The server: `"203.0.113.7:1405"`, `"[2001:db8::7]:1405"`, `"host.example:1405"`; or a list of 1 to 16 of these. A
   * link-local address comes with its interface, `"[fe80::1%eth0]:1405"` (`ERR_I405_RESOLVE` if there is no such
   * interface). A name may have several addresses of both families. After an attempt that isn't answered, the next one
   * goes to the next address. Names are looked up when the tunnel opens (`ERR_I405_RESOLVE` if none of them has an
   * address), and again while nobody answers. They are never looked up while a session is up and heard.
   */
  peer: string | string[];
  /**
   * Local address and port; port 0 is any. Default: any address and port. That is `"0.0.0.0:0"` if `peer` has only IPv4
   * addresses, else (a name, or an IPv6 address) `"[::]:0"`, which sends over both families. With an address given
   * here, the peer's addresses of the other family are not used. `ERR_I405_ADDRESS` or `ERR_I405_ADDRESS_IN_USE` if it
   * can't be had. If the machine loses the address while the tunnel is open, the kernel refuses slots, and they are
   * counted.
   */
  localAddress?: string;
  /**
   * Whether to go on trying if the tunnel can't be opened for a reason that may pass: no address for a name, no route,
   * a local address that isn't there yet or is in use, a TUN name in use. There is a `warning` (`I405_NOT_OPEN_YET`)
   * instead of a failure. Default false, so that a mistyped name is told. Once the tunnel is open, a client always goes
   * on until it is closed or refused, whatever becomes of network, server, interface or clock.
   */
  persistent?: boolean;
  /** Client to server. Default: see {@link WireOptions}. */
  up?: WireOptions;
  /** Server to client. Default: see {@link WireOptions}. */
  down?: WireOptions;
  /**
   * How long the server may be silent before the client handshakes anew. At least 100 intervals of `down`, at most
   * `"24h"`. Default: 10 s, or 100 intervals if that is longer.
   */
  clientTimeout?: Duration;
  /**
   * How long the client may be silent before the server ends its schedule. At least 100 intervals of `up`, at most
   * `"24h"` and what the server's limits say. Default: 10 s, or 100 intervals if that is longer.
   */
  serverTimeout?: Duration;
  /**
   * How long cover slots go on after close, before the schedule ends, at most `"24h"`. `"5min..30min"` draws a random
   * time between the two. Default 0.
   */
  linger?: Duration | 0;
  /**
   * Source addresses that the other end's inner packets may have, as WireGuard's: `"10.140.5.2/32"`, `["10.0.0.0/8",
   * "fd00::/8"]`, at most 1,024; or `"any"`. `ERR_I405_OPTION` for a bad one. Packets from other sources are dropped
   * and counted (`stats().inner.notAllowed`), with a `warning` (`I405_NOT_ALLOWED`). Sources that count only on their
   * own link are counted as `linkLocal` instead, without a warning.
   *
   * Default: the networks of `device.tun`'s addresses, and IPv6's link-local ones if it has IPv6. If a family's
   * addresses come without a network (`/32`, `/128`), all of that family. For a TUN without addresses, and for any
   * other device, all. If you route further networks into the interface yourself, name them here; the command's
   * `--route` adds its prefixes by itself.
   */
  allowedIps?: string | string[];
  /**
   * If no session is up within this time, `connect` fails with `ERR_I405_CONNECT_TIMEOUT` and the schedule ends.
   * `"1ms"` to `"24h"`. Default: try for ever.
   */
  connectTimeout?: Duration;
  /**
   * Age at which the session gets new keys. Nothing is interrupted, and nothing shows on the wire. At least `"1s"`, and
   * at least 64 intervals of the slower direction. The default is also the most: 120 s, or 4,096 intervals of the
   * slower direction if that is longer, but not more than 2^26 intervals of the faster one. When a session without new
   * keys ends doesn't depend on this option.
   */
  rekeyInterval?: Duration;
  /**
   * File that remembers the newest stamp over restarts, so that the client isn't locked out after its clock was set
   * back. Each tunnel has its own file, which is made if it isn't there. `ERR_I405_STATE_FILE` if it can't be read or
   * written, is another user's, can be written by others, or holds something else. Default: none, and stamps grow while
   * the program runs.
   */
  stateFile?: string;
  /** Ends the attempt (`ERR_I405_ABORTED`), and later the tunnel, when aborted. */
  signal?: AbortSignal;
}

/**
 * What a server lets a client ask for. A client that asks for more gets `ERR_I405_REFUSED`, which names the figure; a
 * timeout is cut instead.
 */
export interface Limits {
  /** Most bytes of outer IP packets per second, client to server. Default `"128MiB/s"`. */
  maxRateUp?: Rate;
  /** Most bytes of outer IP packets per second, server to client. Default `"128MiB/s"`. */
  maxRateDown?: Rate;
  /** Shortest mean interval in either direction, `"10us"` to `"1s"`. Default `"10us"`. */
  minInterval?: Duration;
  /** Largest IP length in either direction, bytes, 100 to 65535. Default 1500. The route's MTU bounds it as well. */
  maxLength?: number;
  /**
   * How long the server goes on for a silent client at most, `"1ms"` to `"24h"`, but always at least 100 intervals of
   * `up`. A longer `serverTimeout` is cut to this and not refused. Default `"5min"`: if somebody else has the client's
   * address by then, cover doesn't reach them for longer.
   */
  maxServerTimeout?: Duration;
}

/** A client that is known before it comes. */
export interface KnownClient {
  /**
   * The client's address and port, which its `localAddress` has to fix: `"198.51.100.2:1405"`. A name is looked up once
   * (`ERR_I405_RESOLVE`).
   */
  endpoint: string;
  /** Server to client. It has to be what the client asks for as `down`, or its coming changes the schedule. */
  down?: WireOptions;
}

/** Where a server listens, and for whom. */
export interface ListenOptions extends CredentialOptions {
  /**
   * Address and port to listen on: `"0.0.0.0:1405"`, `"[::]:1405"`, `"[fe80::1%eth0]:1405"`. A name is looked up once
   * (`ERR_I405_RESOLVE`). `ERR_I405_ADDRESS` or `ERR_I405_ADDRESS_IN_USE` if it can't be had.
   */
  address: string;
  limits?: Limits;
  /**
   * How long cover slots go on after the client is gone, or after `close()`, before the schedule ends, at most `"24h"`.
   * `"5min..30min"` draws a random time between the two, anew each time. Default 0.
   */
  linger?: Duration | 0;
  /**
   * Source addresses that the other end's inner packets may have, as WireGuard's: `"10.140.5.2/32"`, `["10.0.0.0/8",
   * "fd00::/8"]`, at most 1,024; or `"any"`. `ERR_I405_OPTION` for a bad one. Packets from other sources are dropped
   * and counted (`stats().inner.notAllowed`), with a `warning` (`I405_NOT_ALLOWED`). Sources that count only on their
   * own link are counted as `linkLocal` instead, without a warning.
   *
   * Default: the networks of `device.tun`'s addresses, and IPv6's link-local ones if it has IPv6. If a family's
   * addresses come without a network (`/32`, `/128`), all of that family. For a TUN without addresses, and for any
   * other device, all. If you route further networks into the interface yourself, name them here; the command's
   * `--route` adds its prefixes by itself.
   */
  allowedIps?: string | string[];
  /**
   * For two fixed endpoints. The server sends to this client from the server's own start, and goes on without a
   * session. So neither the server's start nor a client's coming or going shows in what it sends. Default: none.
   */
  client?: KnownClient;
  /**
   * Initiations that are older than this are refused, `"1s"` to `"24h"`. Use it only if both clocks are right. Default:
   * off.
   */
  maxStampAge?: Duration;
  /**
   * File that remembers the floor over restarts, so that no initiation starts anything twice. Each tunnel has its own
   * file, which is made if it isn't there. `ERR_I405_STATE_FILE` if it can't be read or written, is another user's, can
   * be written by others, or holds something else. If it can't be written later, there is a `warning`
   * (`I405_STATE_FILE`), and nobody is let in until it can. Default: none, and a server that starts takes initiations
   * that were made up to 5 s before.
   */
  stateFile?: string;
  /** Ends the tunnel when aborted. */
  signal?: AbortSignal;
}
