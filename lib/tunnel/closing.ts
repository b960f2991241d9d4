/**
 * The end of a tunnel that runs. First come close blocks, then cover slots for `linger`, then the schedule ends, then
 * everything is released. Each step before that has a bound of its own, so that a lost event can't keep a program from
 * ending. The release needs none: the addon says that it is closed even if one of its threads panics.
 */
import { Timers, type Clock } from "../native/clock.js";
import type { NativeEvent } from "../native/events.js";
import type { NativeTunnel } from "../native/tunnel.js";
import type { Remains } from "../session/machine.js";

/** The protocol's: slots that carry a close block. */
const CLOSE_SLOTS = 8;
/** Ours: how long an event may take to come, ms, beyond the slots that it stands for. */
const PATIENCE_MS = 1000;

export class Closing {
  readonly #native: NativeTunnel;
  readonly #clock: Clock;
  readonly #lingerNs: number;
  readonly #remains: Remains;
  readonly #timers: Timers<"step">;
  #step: "blocks" | "linger" | "release" = "blocks";

  constructor(native: NativeTunnel, clock: Clock, lingerNs: number, remains: Remains) {
    this.#native = native;
    this.#clock = clock;
    this.#lingerNs = lingerNs;
    this.#remains = remains;
    this.#timers = new Timers(clock);
  }

  start(): void {
    const { timing, session } = this.#remains;
    if (timing === null) {
      this.#release();
    } else if (session) {
      this.#native.endAt(null);
      this.#native.sendClose();
      this.#wait((CLOSE_SLOTS + 1) * (timing.intervalNs + timing.jitterNs), () => {
        this.#linger();
      });
    } else {
      this.#linger();
    }
  }

  handle(event: NativeEvent): void {
    if (event.type === "closeSent" && this.#step === "blocks") this.#linger();
    else if (event.type === "scheduleEnded" && this.#step !== "release") this.#release();
    else if (event.type === "failed") this.#release();
    else if (event.type === "closed") this.#timers.clearAll();
  }

  #linger(): void {
    this.#step = "linger";
    if (this.#lingerNs === 0) {
      this.#release();
      return;
    }
    this.#native.endAt(this.#clock.monotonicNs() + BigInt(this.#lingerNs));
    this.#wait(this.#lingerNs, () => {
      this.#release();
    });
  }

  #release(): void {
    this.#step = "release";
    this.#timers.clearAll();
    this.#native.close();
  }

  #wait(ns: number, otherwise: () => void): void {
    this.#timers.set("step", ns / 1e6 + PATIENCE_MS, otherwise);
  }
}
