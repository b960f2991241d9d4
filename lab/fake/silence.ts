/** How a {@link FakeTunnel} notices that nothing comes any more, and that something does again. */
import type { NativeEvent } from "../../lib/native/events.js";
import type { SimulatedTime } from "./time.js";

export class FakeSilence {
  readonly #time: SimulatedTime;
  readonly #emit: (event: NativeEvent) => void;
  #watched: { afterNs: number; timer: object; silent: boolean } | null = null;
  #lastHeardNs: bigint;

  constructor(time: SimulatedTime, emit: (event: NativeEvent) => void) {
    this.#time = time;
    this.#emit = emit;
    this.#lastHeardNs = time.nowNs;
  }

  /** From now on; null: no more. */
  watch(timeoutNs: number | null): void {
    this.stop();
    if (timeoutNs === null) return;
    this.#lastHeardNs = this.#time.nowNs;
    this.#watched = { afterNs: timeoutNs, timer: this.#look(timeoutNs), silent: false };
  }

  stop(): void {
    if (this.#watched !== null) this.#time.cancel(this.#watched.timer);
    this.#watched = null;
  }

  heard(): void {
    this.#lastHeardNs = this.#time.nowNs;
    const watched = this.#watched;
    if (!watched?.silent) return;
    watched.silent = false;
    watched.timer = this.#look(watched.afterNs);
    this.#emit({ type: "heard" });
  }

  #look(ns: number): object {
    return this.#time.after(ns, () => {
      const watched = this.#watched;
      if (watched === null) return;
      const forNs = this.#time.nowNs - this.#lastHeardNs;
      if (Number(forNs) < watched.afterNs) {
        watched.timer = this.#look(watched.afterNs - Number(forNs));
        return;
      }
      watched.silent = true;
      this.#emit({ type: "silent", forNs });
    });
  }
}
