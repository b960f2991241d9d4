/**
 * Time as the machines see it. It is an argument, so that tests run the machines in simulated time. Timers here are for
 * handshakes, ages and figures, never for slots; Rust has those.
 */
import type { Addon } from "./addon.js";

/** What `setTimer` gives and `clearTimer` takes. */
export type Timer = object;

export interface Clock {
  /** CLOCK_MONOTONIC. */
  monotonicNs(): bigint;
  /** CLOCK_BOOTTIME: goes on while the machine is suspended. Ages are measured by it. */
  boottimeNs(): bigint;
  /** Wall clock, whole milliseconds. */
  wallMs(): number;
  setTimer(callback: () => void, ms: number): Timer;
  clearTimer(timer: Timer): void;
}

/** Node's longest timeout, ms; a longer one would fire at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/**
 * The real clock. Its timers don't keep the event loop alive. An open tunnel does that by itself, unless it was told
 * not to.
 */
export function systemClock(addon: Addon): Clock {
  return {
    monotonicNs: () => addon.monotonicNs(),
    boottimeNs: () => addon.boottimeNs(),
    wallMs: () => Date.now(),
    setTimer: (callback, ms) => setTimeout(callback, Math.min(Math.max(ms, 0), LONGEST_TIMEOUT_MS)).unref(),
    clearTimer: (timer) => {
      clearTimeout(timer as NodeJS.Timeout);
    },
  };
}

/** The same clock, except that an error of a timer's callback goes to `failed` and not to the process. */
export function guardedClock(clock: Clock, failed: (error: unknown) => void): Clock {
  return {
    ...clock,
    setTimer: (callback, ms) =>
      clock.setTimer(() => {
        try {
          callback();
        } catch (error) {
          failed(error);
        }
      }, ms),
  };
}

/** Timers of one owner, by name, so that all of them can be dropped at once and none is set twice. */
export class Timers<Name extends string> {
  readonly #clock: Clock;
  readonly #running = new Map<Name, Timer>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Replaces the timer of this name. */
  set(name: Name, ms: number, callback: () => void): void {
    this.clear(name);
    const timer = this.#clock.setTimer(() => {
      this.#running.delete(name);
      callback();
    }, ms);
    this.#running.set(name, timer);
  }

  clear(name: Name): void {
    const timer = this.#running.get(name);
    if (timer === undefined) return;
    this.#running.delete(name);
    this.#clock.clearTimer(timer);
  }

  clearAll(): void {
    for (const name of [...this.#running.keys()]) this.clear(name);
  }
}
