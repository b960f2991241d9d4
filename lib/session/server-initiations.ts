/**
 * What a server does with an initiation (docs/protocol.md, "Initiation", "Refused"). It reads it, judges it once the
 * route to its client is known, and answers.
 */
import type { Wire } from "../../index.js";
import { I405Error } from "../common/errors.js";
import { chooseAead } from "../handshake/messages.js";
import type { InitiationSettings, Refusal } from "../handshake/payloads.js";
import type { SessionKeys } from "../handshake/session-keys.js";
import { Timers } from "../native/clock.js";
import type { NativeEvent } from "../native/events.js";
import { KIND_RESPONSE, type AeadId } from "../native/protocol-ids.js";
import type { NativeTiming } from "../native/tunnel.js";
import { hostOf, type MachineContext } from "./machine.js";
import type { Pending } from "./server-answers.js";
import { firstDeadlineNs } from "./times.js";
import { clientOverhead, timingWith, type Judgement } from "./wire-settings.js";

/** One initiation as read; `ResponderHandshake` is one. The reader destroys it, answered or not. */
export interface Answer {
  readonly settings: InitiationSettings;
  readonly understood: boolean;
  accept(aead: AeadId): { message: Uint8Array; session: SessionKeys };
  refuse(verdict: Refusal, limit: number): Uint8Array;
  destroy(): void;
}

export interface InitiationConfig {
  /** AEADs of this end, as bits. */
  aeads: number;
  /** A client that asks for a longer timeout gets this one. */
  maxServerTimeoutMs: number;
  /** @throws {I405Error} if it doesn't authenticate. */
  read(stamp: number, message: Uint8Array): Answer;
  /** By the limits, and by the route to this source. */
  judge(wire: Wire, source: string): Judgement;
  /** How long an attempt of a client with this wire lasts. */
  attemptNs(wire: Wire, upDatagramLength: number, down: NativeTiming): number;
}

/** What the reader needs of the machine, which says what becomes of an initiation. */
export interface InitiationParts {
  /** False: the floor could not be kept, and the initiation has no effect. */
  keepFloor(stamp: number): boolean;
  /** One more answer is about to be pending. */
  makeRoom(): void;
  /** Installs keys for receiving; returns the generation. */
  install(keys: SessionKeys, wire: Wire, receiveLength: number): number;
  offer(pending: Pending, timing: NativeTiming, first: bigint): void;
  /** null: the settings made no sense. */
  refused(source: string, refusal: Judgement["refusal"]): void;
}

type HandshakeEvent = Extract<NativeEvent, { type: "handshake" }>;

/**
 * Ours, ms: if the route to an initiation's source is too narrow, how long to wait for other sources of it. Somebody on
 * the way may have sent a copy ahead. The answer is due 500 ms after the initiation came.
 */
const OTHER_SOURCES_MS = 300;

export class ServerInitiations {
  readonly #context: MachineContext;
  readonly #config: InitiationConfig;
  readonly #parts: InitiationParts;
  readonly #timers: Timers<"sources">;

  constructor(context: MachineContext, config: InitiationConfig, parts: InitiationParts) {
    this.#context = context;
    this.#config = config;
    this.#parts = parts;
    this.#timers = new Timers(context.clock);
  }

  stop(): void {
    this.#timers.clearAll();
  }

  /** @param sources The initiation's sources, as far as they are known. */
  read(event: HandshakeEvent, sources = [event.source]): void {
    let answer: Answer;
    try {
      answer = this.#config.read(event.stamp, event.message);
    } catch (error) {
      // It was wrapped under this pairing's key, and is still not the client's: silence, as to any stranger.
      if (error instanceof I405Error) return;
      throw error;
    }
    try {
      if (this.#parts.keepFloor(event.stamp)) this.#judge(answer, event, sources);
    } finally {
      answer.destroy();
    }
  }

  #judge(answer: Answer, event: HandshakeEvent, sources: readonly string[]): void {
    const { clock, native } = this.#context;
    const judged = sources.map((source) => ({ source, ...this.#config.judge(answer.settings.wire, source) }));
    const { source, wire, refusal } = judged.find((each) => each.refusal?.verdict !== "length") ?? judged[0]!;
    this.#timers.clear("sources");
    if (refusal?.verdict === "length" && sources.length === 1 && sources[0] === event.source) {
      this.#timers.set("sources", OTHER_SOURCES_MS, () => {
        // There are two sources at least, so that it is answered now.
        const others = native.handshakeSources(event.stamp);
        if (others.length > 0) this.read(event, [event.source, ...others]);
      });
      return;
    }
    const overhead = clientOverhead(answer.settings.wire.up.length, event.datagramLength, hostOf(source));
    const down = timingWith(wire.down, overhead);
    this.#parts.makeRoom();
    const { message, offered } = this.#answer(answer, wire, refusal, down, event.datagramLength);

    const first = firstDeadlineNs(event.receivedNs, clock.monotonicNs(), wire.down);
    const endNs = first + BigInt(Math.ceil(this.#config.attemptNs(wire, event.datagramLength, down)));
    this.#parts.offer({ kind: KIND_RESPONSE, stamp: event.stamp, message, source, endNs, offered }, down, first);
    if (offered === null) this.#parts.refused(source, answer.understood ? refusal : null);
  }

  /** The response's bytes; if it accepts, its session is installed, for receiving only. */
  #answer(
    answer: Answer,
    wire: Wire,
    refusal: Judgement["refusal"],
    timing: NativeTiming,
    receiveLength: number,
  ): Pick<Pending, "message" | "offered"> {
    if (!answer.understood) return { message: answer.refuse("notUnderstood", 0), offered: null };
    if (refusal !== null) return { message: answer.refuse(refusal.verdict, refusal.limit), offered: null };
    const aead = chooseAead(answer.settings.aeads, this.#config.aeads);
    const { message, session: keys } = answer.accept(aead);
    const root = keys.root();
    const generation = this.#parts.install(keys, wire, receiveLength);
    const serverTimeoutMs = Math.min(answer.settings.serverTimeoutMs, this.#config.maxServerTimeoutMs);
    const madeAtNs = this.#context.clock.boottimeNs();
    return { message, offered: { generation, aead, wire, timing, serverTimeoutMs, madeAtNs, root, receiveLength } };
  }
}
