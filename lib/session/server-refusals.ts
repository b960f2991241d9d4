/** Whom a server refuses, for its user: at most one a second, whatever a client sends. */
import type { RefusedClient } from "../../index.js";
import { PROTOCOL_VERSION } from "../handshake/messages.js";
import type { MachineContext } from "./machine.js";
import type { WireRefusal } from "./wire-settings.js";

const ONE_IN_NS = 1_000_000_000n;

export class Refusals {
  readonly #context: MachineContext;
  #toldNs: bigint | null = null;

  constructor(context: MachineContext) {
    this.#context = context;
  }

  /** By a limit; null: the settings made no sense. */
  settings(endpoint: string, refusal: WireRefusal | null): void {
    if (refusal === null) {
      this.#tell({ endpoint, reason: "notUnderstood", direction: null, asked: null, limit: null });
    } else {
      const { verdict, direction, asked, limit } = refusal;
      this.#tell({ endpoint, reason: verdict, direction, asked, limit });
    }
  }

  version(endpoint: string, asked: number): void {
    this.#tell({ endpoint, reason: "version", direction: null, asked, limit: PROTOCOL_VERSION });
  }

  #tell(refused: RefusedClient): void {
    const nowNs = this.#context.clock.monotonicNs();
    if (this.#toldNs !== null && nowNs - this.#toldNs < ONE_IN_NS) return;
    this.#toldNs = nowNs;
    this.#context.report.refused(refused);
  }
}
