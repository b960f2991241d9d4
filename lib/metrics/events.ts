/** What is counted by listening, because no counter of the addon has it. */
import type { TunnelEvents } from "../../index.js";
import type { MeasuredTunnel } from "../../types/metrics.js";

/** Counts by label. */
export type Counts = Map<string, number>;

export const SESSION_ENDS: readonly Parameters<TunnelEvents["disconnected"]>[0]["reason"][] = [
  "expired",
  "silent",
  "peerClosed",
  "replaced",
  "exhausted",
];

export const REFUSALS: readonly Parameters<TunnelEvents["refused"]>[0]["reason"][] = [
  "length",
  "interval",
  "bandwidth",
  "notUnderstood",
  "version",
];

export class EventCounts {
  sessions = 0;
  rekeys = 0;
  silences = 0;
  /** Every reason is there from the start, so that the first end is seen as a rise. */
  readonly sessionsEnded: Counts = new Map(SESSION_ENDS.map((reason) => [reason, 0]));
  /** By reason, likewise. */
  readonly refused: Counts = new Map(REFUSALS.map((reason) => [reason, 0]));
  /** By code. Codes are this program's own, and few. */
  readonly warnings: Counts = new Map();
  readonly #tunnel: MeasuredTunnel;
  readonly #listeners: Pick<TunnelEvents, "connected" | "rekeyed" | "silent" | "disconnected" | "refused" | "warning"> =
    {
      connected: () => (this.sessions += 1),
      rekeyed: () => (this.rekeys += 1),
      silent: () => (this.silences += 1),
      disconnected: ({ reason }) => raise(this.sessionsEnded, reason),
      refused: ({ reason }) => raise(this.refused, reason),
      warning: ({ code }) => raise(this.warnings, code),
    };

  constructor(tunnel: MeasuredTunnel) {
    this.#tunnel = tunnel;
    const { connected, rekeyed, silent, disconnected, refused, warning } = this.#listeners;
    tunnel.on("connected", connected);
    tunnel.on("rekeyed", rekeyed);
    tunnel.on("silent", silent);
    tunnel.on("disconnected", disconnected);
    tunnel.on("refused", refused);
    tunnel.on("warning", warning);
    // A tunnel that is registered late has a session already.
    if (tunnel.connection !== null) this.sessions = 1;
  }

  stop(): void {
    const { connected, rekeyed, silent, disconnected, refused, warning } = this.#listeners;
    this.#tunnel.off("connected", connected);
    this.#tunnel.off("rekeyed", rekeyed);
    this.#tunnel.off("silent", silent);
    this.#tunnel.off("disconnected", disconnected);
    this.#tunnel.off("refused", refused);
    this.#tunnel.off("warning", warning);
  }
}

function raise(counts: Counts, label: string): void {
  counts.set(label, (counts.get(label) ?? 0) + 1);
}
