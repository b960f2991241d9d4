/**
 * The boundary between TypeScript and the Rust core: what `lib/` needs from the addon, and nothing else.
 *
 * Each command is complete in itself. So either side can be tested alone, and a slow event loop only makes a handshake
 * later. Nothing here is on the timed path: bytes are copied in, events come in batches. The tests have a fake of this
 * interface that links two tunnels in memory and in simulated time.
 *
 * Reading order: this, options.ts, tunnel.ts, events.ts, stats.ts; protocol-ids.ts has the numbers. probes.ts is for
 * the doctor, process.ts for the whole process.
 *
 * Instants are nanoseconds of CLOCK_MONOTONIC as bigint, stamps are milliseconds of wall clock as number (48 bits).
 */
import type { NativeEvent } from "./events.js";
import type { NativeOpenOptions } from "./options.js";
import type { Probes } from "./probes.js";
import type { NativeProcess } from "./process.js";
import type { NativeTunnel } from "./tunnel.js";

/** A message to a name server, which leaves from a socket with the mark. */
export interface NativeNameQuestion {
  /** The name server's socket address. */
  server: string;
  fwmark: number | null;
  tcp: boolean;
  /** The message, without TCP's length. */
  message: Uint8Array;
  patienceNs: number;
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
  /** The kernel's number of an interface, or null. */
  interfaceIndex(name: string): number | null;
  /** The answer's bytes. Rejects if none comes in time. */
  askNameServer(question: NativeNameQuestion): Promise<Uint8Array>;
  process: NativeProcess;
  /** Who it was when it connected (SO_PEERCRED). The descriptor stays its owner's. */
  peerCredentials(fd: number): PeerCredentials;
  open(options: NativeOpenOptions, onEvents: (events: NativeEvent[]) => void): NativeTunnel;
}
