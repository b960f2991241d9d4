/** The stamps of a client's initiations: wall clock, but always growing (docs/protocol.md, "Stamp"). */
import type { Clock } from "./clock.js";

export class StampSource {
  readonly #clock: Clock;
  #last: { stamp: number; boottimeNs: bigint } | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds: the wall clock, but never below the last one + CLOCK_BOOTTIME passed since + 1. */
  next(): number {
    const boottimeNs = this.#clock.boottimeNs();
    let stamp = Math.floor(this.#clock.wallMs());
    if (this.#last !== null) {
      const passedMs = Number((boottimeNs - this.#last.boottimeNs) / 1_000_000n);
      stamp = Math.max(stamp, this.#last.stamp + passedMs + 1);
    }
    this.#last = { stamp, boottimeNs };
    return stamp;
  }
}
