/**
 * What the handshake machines and the tunnel around them have in common. A machine takes the addon's events, gives the
 * addon commands, and reports to the tunnel. It has no sockets, no emitter and no promises.
 *
 * Within one step a machine gives its commands first and reports last. So a listener that closes the tunnel finds the
 * step done.
 */
import type { Connection, RefusedClient, TunnelEvents, TunnelWarning } from "../../index.js";
import { parseHostAndPort } from "../common/address-text.js";
import type { I405Error } from "../common/errors.js";
import type { Clock } from "../native/clock.js";
import type { NativeEvent } from "../native/events.js";
import { AEAD_AES_256_GCM, type AeadId } from "../native/protocol-ids.js";
import type { NativeTiming, NativeTunnel } from "../native/tunnel.js";

export type DisconnectReason = Parameters<TunnelEvents["disconnected"]>[0]["reason"];

/** How a machine tells the tunnel what happened. */
export interface MachineReport {
  connected(connection: Connection): void;
  silent(forMs: number): void;
  heard(): void;
  /** The session goes on under new keys. */
  rekeyed(): void;
  /** Server: the session goes on with the client at this endpoint. */
  roamed(endpoint: string): void;
  disconnected(reason: DisconnectReason): void;
  /** Server: a genuine initiation was refused. */
  refused(refused: RefusedClient): void;
  warning(warning: TunnelWarning): void;
  /** Fatal: the tunnel closes at once. */
  failed(error: I405Error): void;
}

export interface MachineContext {
  native: NativeTunnel;
  clock: Clock;
  report: MachineReport;
}

/** What is left to end when a machine stops. */
export interface Remains {
  /** The schedule that runs, or null. */
  timing: NativeTiming | null;
  /** Whether a session is up, so that a close block can be read. */
  session: boolean;
}

export interface Machine {
  start(): void;
  handle(event: NativeEvent): void;
  /** Drops timers, attempts and offers; says what is left. Nothing is reported afterwards. */
  stop(): Remains;
}

export function cipherName(aead: AeadId): Connection["cipher"] {
  return aead === AEAD_AES_256_GCM ? "aes-256-gcm" : "chacha20-poly1305";
}

/** Ages are looked at this often at least, ms: a timer stands still while the machine is suspended, BOOTTIME doesn't. */
const AGE_CHECK_MS = 5000;

/** Calls `expired` once CLOCK_BOOTTIME has passed `atNs`; `again` sets a timer. */
export function watchAge(
  clock: Clock,
  atNs: bigint,
  again: (ms: number, check: () => void) => void,
  expired: () => void,
): void {
  const check = (): void => {
    const leftNs = atNs - clock.boottimeNs();
    if (leftNs <= 0n) expired();
    else again(Math.min(AGE_CHECK_MS, Math.ceil(Number(leftNs) / 1e6)), check);
  };
  check();
}

/** Between a peer's address and our own, in an endpoint as the addon writes it: `192.0.2.1:1405 via 198.51.100.7`. */
const VIA = " via ";

/** The peer's address and port, without the own address that a server on several addresses talks to it from. */
export function peerOf(endpoint: string): string {
  return endpoint.split(VIA, 1)[0] ?? endpoint;
}

/** An address and port, as the addon writes and reads them, without the port. */
export function hostOf(endpoint: string): string {
  const peer = peerOf(endpoint);
  return parseHostAndPort(peer)?.host ?? peer;
}
