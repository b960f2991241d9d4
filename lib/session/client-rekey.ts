/**
 * The client's side of rekeys (docs/protocol.md, "Rekey"): when one is due, and the one that is under way.
 *
 *     watch ──due──> initiation, repeated ──response──> the new session's keys, and `watch` again
 */
import { I405Error } from "../common/errors.js";
import type { SessionKeys, SessionRoot } from "../handshake/session-keys.js";
import { Timers } from "../native/clock.js";
import { CONTROL_REKEY_INITIATION, CONTROL_REKEY_RESPONSE } from "../native/protocol-ids.js";
import { watchAge, type MachineContext } from "./machine.js";

/** One rekey initiation; `RekeyInitiation` is one. */
export interface RekeyAttempt {
  readonly message: Uint8Array;
  readResponse(message: Uint8Array): SessionKeys;
  destroy(): void;
}

export interface ClientRekeyConfig {
  /** Age of a session at which it is due for new keys. */
  rekeyNs: number;
  /** Time from one copy of the initiation to the next. */
  repeatNs: number;
  rekey(root: SessionRoot): RekeyAttempt;
}

export class ClientRekey {
  readonly #context: MachineContext;
  readonly #config: ClientRekeyConfig;
  readonly #timers: Timers<"due">;
  #underWay: { attempt: RekeyAttempt; madeAtNs: bigint } | null = null;

  constructor(context: MachineContext, config: ClientRekeyConfig) {
    this.#context = context;
    this.#config = config;
    this.#timers = new Timers(context.clock);
  }

  /** A session is up. A rekey that was under way for the one before is over. */
  watch(root: SessionRoot, madeAtNs: bigint): void {
    this.stop();
    const again = (ms: number, check: () => void): void => {
      this.#timers.set("due", ms, check);
    };
    watchAge(this.#context.clock, madeAtNs + BigInt(Math.ceil(this.#config.rekeyNs)), again, () => {
      this.#begin(root);
    });
  }

  /**
   * Reads a control block that came under the watched session. Gives the new keys if it answers the rekey under way.
   */
  read(kind: number, body: Uint8Array): { keys: SessionKeys; madeAtNs: bigint } | null {
    const underWay = this.#underWay;
    if (kind !== CONTROL_REKEY_RESPONSE || underWay === null) return null;
    try {
      const keys = underWay.attempt.readResponse(body);
      return { keys, madeAtNs: underWay.madeAtNs };
    } catch (error) {
      if (!(error instanceof I405Error)) throw error;
      // This is no accident within an authenticated session. Reading more of it would only cost time, so the session
      // expires.
      this.stop();
      return null;
    }
  }

  /** Nothing is due and nothing is under way from now on. */
  stop(): void {
    this.#timers.clearAll();
    if (this.#underWay === null) return;
    this.#underWay.attempt.destroy();
    this.#underWay = null;
    this.#context.native.repeatControl(null);
  }

  #begin(root: SessionRoot): void {
    const { native, clock } = this.#context;
    const attempt = this.#config.rekey(root);
    this.#underWay = { attempt, madeAtNs: clock.boottimeNs() };
    native.repeatControl({
      kind: CONTROL_REKEY_INITIATION,
      body: attempt.message,
      everyNs: this.#config.repeatNs,
    });
  }
}
