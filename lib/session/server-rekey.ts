/**
 * The server's side of rekeys (docs/protocol.md, "Rekey"). It answers a client's initiation, and repeats the answer
 * until something opens under the new key.
 */
import { I405Error } from "../common/errors.js";
import type { SessionKeys, SessionRoot } from "../handshake/session-keys.js";
import { CONTROL_REKEY_INITIATION, CONTROL_REKEY_RESPONSE } from "../native/protocol-ids.js";
import type { MachineContext } from "./machine.js";
import type { Offered } from "./server-answers.js";
import { leastRekeyNs, repeatNs } from "./times.js";

export interface ServerRekeyConfig {
  /** @throws {I405Error} if the initiation doesn't authenticate. */
  rekey(root: SessionRoot, initiation: Uint8Array): { message: Uint8Array; session: SessionKeys };
  /** Installs keys for receiving; returns their generation. */
  install(keys: SessionKeys): number;
}

type Session = Pick<Offered, "root" | "wire" | "madeAtNs">;

/** What the session becomes once it is confirmed. */
export interface NextKeys {
  generation: number;
  root: SessionRoot;
  /** CLOCK_BOOTTIME of the response. */
  madeAtNs: bigint;
}

/** The protocol's: part of the least age that is asked for; the two ends' ages are not quite the same. */
const EARLY_ENOUGH = 0.9;

export class ServerRekey {
  readonly #context: MachineContext;
  readonly #config: ServerRekeyConfig;
  #pending: NextKeys | null = null;
  #refusing = false;

  constructor(context: MachineContext, config: ServerRekeyConfig) {
    this.#context = context;
    this.#config = config;
  }

  /** Reads a control block that came under the current key of this session. */
  read({ root, wire, madeAtNs }: Session, kind: number, body: Uint8Array): void {
    // A client makes one initiation for a session; further copies have their answer in the slots already.
    if (kind !== CONTROL_REKEY_INITIATION || this.#pending !== null || this.#refusing) return;
    const { native, clock } = this.#context;
    // Each answer costs a handshake. An initiation that comes too early comes again.
    if (Number(clock.boottimeNs() - madeAtNs) < EARLY_ENOUGH * leastRekeyNs(wire)) return;
    let answer: { message: Uint8Array; session: SessionKeys };
    try {
      answer = this.#config.rekey(root, body);
    } catch (error) {
      if (!(error instanceof I405Error)) throw error;
      // This is no accident within an authenticated session. Reading more of it would only cost time, so the session
      // expires.
      this.#refusing = true;
      return;
    }
    const next = answer.session.root();
    const generation = this.#config.install(answer.session);
    this.#pending = { generation, root: next, madeAtNs: clock.boottimeNs() };
    const everyNs = repeatNs(wire.down.intervalNs);
    native.repeatControl({ kind: CONTROL_REKEY_RESPONSE, body: answer.message, everyNs });
  }

  /**
   * A datagram opened under this generation. Returns what that makes of the session; null if no rekey has the
   * generation.
   */
  confirm(generation: number): NextKeys | null {
    const pending = this.#pending;
    if (pending?.generation !== generation) return null;
    this.#pending = null;
    this.#context.native.repeatControl(null);
    return pending;
  }

  /** The session is over, or another one took its place. */
  stop(): void {
    this.#refusing = false;
    if (this.#pending === null) return;
    const { native } = this.#context;
    native.repeatControl(null);
    native.forget(this.#pending.generation);
    this.#pending.root.destroy();
    this.#pending = null;
  }
}
