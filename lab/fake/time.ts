/** Simulated time: nothing happens between two instants, and nothing waits. */
import type { Clock, Timer } from "../../lib/native/clock.js";

interface Due {
  atNs: bigint;
  order: number;
  callback: () => void;
}

/** A turn of the real event loop, so that promises and streams get on. */
export async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

export class SimulatedTime {
  /** CLOCK_MONOTONIC. Not zero, so that an instant that was never set shows. */
  nowNs = 1_000_000_000n;
  /** What CLOCK_BOOTTIME is ahead. */
  suspendedNs = 0n;
  /** Wall clock at `nowNs` 0, ms. */
  wallBaseMs = 1_700_000_000_000;
  readonly #due = new Set<Due>();
  #order = 0;

  at(atNs: bigint, callback: () => void): Due {
    this.#order += 1;
    const due = { atNs: atNs < this.nowNs ? this.nowNs : atNs, order: this.#order, callback };
    this.#due.add(due);
    return due;
  }

  after(ns: number, callback: () => void): Due {
    return this.at(this.nowNs + BigInt(Math.round(ns)), callback);
  }

  cancel(due: Timer | null): void {
    if (due !== null) this.#due.delete(due as Due);
  }

  /** Lets `ms` pass: each thing that is due happens at its instant, in order, with a turn of the event loop after it. */
  async pass(ms: number): Promise<void> {
    const untilNs = this.nowNs + BigInt(Math.round(ms * 1e6));
    for (let turns = 0; turns < 3; turns += 1) await turn();
    for (let next = this.#next(untilNs); next !== null; next = this.#next(untilNs)) {
      this.#due.delete(next);
      this.nowNs = next.atNs;
      next.callback();
      await turn();
    }
    this.nowNs = untilNs;
    for (let turns = 0; turns < 3; turns += 1) await turn();
  }

  /** Lets time pass until it is so, at most `ms`; says whether it came to be. */
  async until(condition: () => boolean, ms: number): Promise<boolean> {
    const untilNs = this.nowNs + BigInt(Math.round(ms * 1e6));
    while (!condition() && this.nowNs < untilNs) await this.pass(5);
    return condition();
  }

  /** A suspended machine: CLOCK_BOOTTIME and the wall clock go on, CLOCK_MONOTONIC doesn't. */
  suspend(ms: number): void {
    this.suspendedNs += BigInt(Math.round(ms * 1e6));
  }

  clock(): Clock {
    return {
      monotonicNs: () => this.nowNs,
      boottimeNs: () => this.nowNs + this.suspendedNs,
      wallMs: () => this.wallBaseMs + Number((this.nowNs + this.suspendedNs) / 1_000_000n),
      setTimer: (callback, ms) => this.after(ms * 1e6, callback),
      clearTimer: (timer) => {
        this.cancel(timer);
      },
    };
  }

  #next(untilNs: bigint): Due | null {
    let next: Due | null = null;
    for (const due of this.#due) {
      if (due.atNs > untilNs) continue;
      if (next === null || due.atNs < next.atNs || (due.atNs === next.atNs && due.order < next.order)) next = due;
    }
    return next;
  }
}
