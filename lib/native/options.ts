/** What a tunnel of the addon is opened with. */

export type Role = "client" | "server";
export type PollModeName = "sleepy" | "dozy" | "spinny";
export type BurnerName = "off" | "cpu" | "all";
export type DeviationSourceName = "call" | "software" | "hardware";
export type SendByName = "call" | "txtime" | "kernel";
export type JitterShapeName = "cos4" | "uniform";

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
  /** Server: initiations with a stamp at or below this are dropped. It rises by itself. Client: 0. */
  floorMs: number;
  /** Server: oldest initiation accepted, in ms of wall clock; null: off. */
  maxStampAgeMs: number | null;
  /** Bound of the waiting queue, as a duration of slots. */
  queueNs: number;
  /** How long before its deadline a slot's contents are fixed; null: by poll mode. */
  finalizeNs: number | null;
  /** How many later payloads are held before a missing one is given up (RFC 9347). */
  reorderWindow: number;
  /** Where the `deviation` figures come from, if the driver delivers them. */
  deviationSource: DeviationSourceName;
  /** `"txtime"` fails with `ERR_I405_TXTIME` if it can't be had, `"kernel"` with `ERR_I405_BPF`. */
  sendBy: SendByName;
  /** Whether `slots`, `departures` and `arrivals` are told. */
  record: boolean;
}
