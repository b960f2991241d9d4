/** A replaced session's key, which opens what is still under way under it for a while (docs/protocol.md, "Rekey"). */
import { Timers } from "../native/clock.js";
import type { MachineContext } from "./machine.js";

export class RetiredGeneration {
  readonly #context: MachineContext;
  readonly #timers: Timers<"retention">;
  #generation: number | null = null;

  constructor(context: MachineContext) {
    this.#context = context;
    this.#timers = new Timers(context.clock);
  }

  /** One at a time: the generation before this one is forgotten. */
  retire(generation: number): void {
    this.forget();
    this.#generation = generation;
  }

  /** The other end sends under the new key: the retired one opens for this long yet. */
  forgetIn(ns: number): void {
    if (this.#generation === null) return;
    this.#timers.set("retention", ns / 1e6, () => {
      this.forget();
    });
  }

  forget(): void {
    this.#timers.clearAll();
    if (this.#generation !== null) this.#context.native.forget(this.#generation);
    this.#generation = null;
  }

  /** Without a command: the tunnel ends, and its keys with it. */
  stop(): void {
    this.#timers.clearAll();
  }
}
