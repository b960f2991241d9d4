/**
 * Notices that the machine was suspended. CLOCK_BOOTTIME went on meanwhile. CLOCK_MONOTONIC did not, and slots, silence
 * and timers follow that one.
 */
import { Timers, type Clock } from "../native/clock.js";

/** Ours: how often it looks while the machine runs, ms; a resumed machine goes on with what is left of it. */
const LOOK_MS = 1000;
/** Ours: less than this is no suspension, ns. */
const LEAST_NS = 500_000_000n;

export class SuspendWatch {
  readonly #clock: Clock;
  readonly #timers: Timers<"look">;
  readonly #resumed: (sleptMs: number) => void;
  #aheadNs: bigint;

  constructor(clock: Clock, resumed: (sleptMs: number) => void) {
    this.#clock = clock;
    this.#timers = new Timers(clock);
    this.#resumed = resumed;
    this.#aheadNs = this.#ahead();
  }

  start(): void {
    this.#timers.set("look", LOOK_MS, () => {
      const aheadNs = this.#ahead();
      const sleptNs = aheadNs - this.#aheadNs;
      this.#aheadNs = aheadNs;
      this.start();
      if (sleptNs >= LEAST_NS) this.#resumed(Number(sleptNs / 1_000_000n));
    });
  }

  stop(): void {
    this.#timers.clearAll();
  }

  #ahead(): bigint {
    return this.#clock.boottimeNs() - this.#clock.monotonicNs();
  }
}
