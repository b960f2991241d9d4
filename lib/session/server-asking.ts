/**
 * A session that was confirmed, but nothing has come back yet from where its client seems to be (docs/protocol.md,
 * "Sources"). The core asks there; this remembers until when.
 */
import { Timers, type Clock } from "../native/clock.js";

export interface Asking {
  generation: number;
  /** The source of the datagram that confirmed it. */
  source: string;
  /** CLOCK_MONOTONIC at which it is over. */
  endNs: bigint;
  /** Whether the user was told of a session before this one. */
  replaces: boolean;
}

/** Ours: this end gives up so long before the schedule ends by itself, ms, so that giving up comes first. */
const EARLIER_MS = 100;

export class ServerAsking {
  readonly #clock: Clock;
  readonly #timers: Timers<"end">;
  readonly #inVain: () => void;
  #now: Asking | null = null;

  /** @param inVain Called when it is over and nothing came back. */
  constructor(clock: Clock, inVain: () => void) {
    this.#clock = clock;
    this.#timers = new Timers(clock);
    this.#inVain = inVain;
  }

  /** null: nobody is asked. */
  get now(): Asking | null {
    return this.#now;
  }

  begin(asking: Asking): void {
    this.#now = asking;
    const leftMs = Number(asking.endNs - this.#clock.monotonicNs()) / 1e6;
    this.#timers.set("end", Math.max(0, Math.ceil(leftMs) - EARLIER_MS), this.#inVain);
  }

  end(): void {
    this.#now = null;
    this.#timers.clearAll();
  }
}
