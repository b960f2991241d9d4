/** The generation whose session was replaced. It still opens what is under way, for a while (docs/protocol.md, "Rekey"). */
import { Timers } from "../native/clock.js";
import type { MachineContext } from "./machine.js";

export class PreviousGeneration {
  readonly #context: MachineContext;
  readonly #timers: Timers<"retention">;
  #generation: number | null = null;

  constructor(context: MachineContext) {
    this.#context = context;
    this.#timers = new Timers(context.clock);
  }

  /** There is one at a time: the one that was kept before is forgotten. */
  keep(generation: number): void {
    this.forget();
    this.#generation = generation;
  }

  /** The other end sends under the new key now. The previous generation opens for this long still. */
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

  /** Gives the addon no command: the tunnel ends, and its keys with it. */
  stop(): void {
    this.#timers.clearAll();
  }
}
