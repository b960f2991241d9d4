/** The stamps of a client's initiations: wall clock, but always growing (docs/protocol.md, "Stamp"). */
import type { Clock } from "../native/clock.js";
import type { SavedState } from "./state-file.js";

/** Where the newest stamp is kept; `StateFile` is one. */
export interface StampStore {
  read(): SavedState | null;
  /** @throws if it could not be kept. */
  write(state: SavedState): void;
}

export class StampSource {
  readonly #clock: Clock;
  readonly #store: StampStore | null;
  #last: { stamp: number; boottimeMs: number } | null = null;

  /**
   * @param store null: stamps are remembered only while the program runs.
   * @throws Whatever the store throws when it reads.
   */
  constructor(clock: Clock, store: StampStore | null = null) {
    this.#clock = clock;
    this.#store = store;
    const saved = store?.read() ?? null;
    if (saved !== null) this.#last = { stamp: saved.stampMs, boottimeMs: saved.boottimeMs };
  }

  /**
   * The next stamp, milliseconds: the wall clock, but at least the last stamp + 1 + the time that has passed since by
   * CLOCK_BOOTTIME.
   *
   * @returns `failure`: why the stamp could not be kept. It grows all the same while the program runs.
   */
  next(): { stamp: number; failure: unknown } {
    const boottimeMs = Number(this.#clock.boottimeNs() / 1_000_000n);
    let stamp = Math.floor(this.#clock.wallMs());
    if (this.#last !== null) {
      // After a reboot CLOCK_BOOTTIME began anew: at least that much has passed, or nothing is known.
      const passedMs = Math.max(0, boottimeMs - this.#last.boottimeMs);
      stamp = Math.max(stamp, this.#last.stamp + passedMs + 1);
    }
    this.#last = { stamp, boottimeMs };
    try {
      this.#store?.write({ stampMs: stamp, boottimeMs });
      return { stamp, failure: null };
    } catch (failure) {
      return { stamp, failure };
    }
  }
}

/** A stamp as control blocks carry it: six bytes, which the core has checked. */
export function readStamp(body: Uint8Array): number {
  return Buffer.from(body).readUIntBE(0, 6);
}
