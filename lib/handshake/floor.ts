/** A server's floor on disk: what a restart must not forget (docs/protocol.md, "Stamp"). */
import { Timers, type Clock } from "../native/clock.js";
import type { StampStore } from "./stamps.js";

/** The protocol's: without a saved floor, a server takes initiations that were made up to this long before its start. */
const SLACK_MS = 5000;
/** Ours: the stamp that a client says in every datagram is written this often at most. */
const LATER_MS = 1000;

export class FloorKeeper {
  readonly #clock: Clock;
  readonly #store: StampStore | null;
  readonly #timers: Timers<"later">;
  #laterIsSet = false;
  /** The greatest stamp acted on, and what of it is on disk. */
  #floorMs: number;
  #savedMs: number;

  /**
   * @param store null: the floor is remembered only while the program runs.
   * @throws Whatever the store throws when it reads, and when it writes for the first time.
   */
  constructor(clock: Clock, store: StampStore | null) {
    this.#clock = clock;
    this.#store = store;
    this.#timers = new Timers(clock);
    const saved = store?.read() ?? null;
    this.#floorMs = this.#savedMs = saved?.stampMs ?? Math.max(0, clock.wallMs() - SLACK_MS);
    this.#write();
  }

  get floorMs(): number {
    return this.#floorMs;
  }

  /**
   * An initiation of this stamp is about to be acted on. Returns the reason if it must not be, because a restart would
   * forget it.
   */
  raise(stampMs: number): Error | null {
    this.#floorMs = Math.max(this.#floorMs, stampMs);
    return this.flush();
  }

  /** The client says that this is its newest stamp. Nothing waits until it is written. */
  raiseLater(stampMs: number): void {
    if (stampMs <= this.#floorMs) return;
    this.#floorMs = stampMs;
    if (this.#laterIsSet || this.#store === null) return;
    this.#laterIsSet = true;
    this.#timers.set("later", LATER_MS, () => {
      // A failure that lasts comes again at the next initiation, where it is told.
      this.flush();
    });
  }

  /** Writes what is not on disk yet. */
  flush(): Error | null {
    this.#timers.clearAll();
    this.#laterIsSet = false;
    if (this.#savedMs >= this.#floorMs) return null;
    try {
      this.#write();
      return null;
    } catch (failure) {
      return failure as Error;
    }
  }

  #write(): void {
    const boottimeMs = Number(this.#clock.boottimeNs() / 1_000_000n);
    this.#store?.write({ stampMs: this.#floorMs, boottimeMs });
    this.#savedMs = this.#floorMs;
  }
}
