/**
 * The client's side of handshakes and sessions (docs/protocol.md, "Handshake and sessions").
 *
 *     start ──> attempt ──response──> session ──expired, exhausted, closed by the server──> attempt
 *                 ^ │ no answer                 silent ──> attempt, the session still open ──heard──> session
 *                 └─┘                                            │ response: the new session replaces it
 *
 * The schedule runs from the start to the end and never changes; attempts and sessions only change what slots hold.
 */
import type { Wire } from "../index.js";
import {
  CONTROL_CLOSE,
  KIND_INITIATION,
  KIND_RESPONSE,
  KIND_WRONG_VERSION,
  type NativeEvent,
  type NativeTiming,
} from "./addon.js";
import { Timers } from "./clock.js";
import { I405Error } from "./errors.js";
import { PROTOCOL_VERSION, type ResponseOutcome } from "./handshake-messages.js";
import {
  cipherName,
  watchAge,
  type DisconnectReason,
  type Machine,
  type MachineContext,
  type Remains,
} from "./machine.js";
import type { SessionKeys } from "./session-keys.js";
import { expiryNs, retentionNs } from "./session-times.js";
import { StampSource } from "./stamps.js";
import { noAnswer } from "./warnings.js";
import { refusalError } from "./wire-settings.js";

/** One initiation under way; `InitiatorHandshake` is one. */
export interface Attempt {
  readonly message: Uint8Array;
  readonly stamp: number;
  readResponse(message: Uint8Array): ResponseOutcome;
  destroy(): void;
}

export interface ClientConfig {
  /** The server, as the addon takes it. */
  endpoint: string;
  wire: Wire;
  up: NativeTiming;
  clientTimeoutMs: number;
  /** How long one attempt lasts. */
  attemptNs: number;
  initiate(stamp: number): Attempt;
}

interface Session {
  generation: number;
  /** CLOCK_BOOTTIME when its initiation was made. */
  madeAtNs: bigint;
}

/** The protocol's: how many attempts a response may belong to. */
const ATTEMPTS_KEPT = 2;

export class ClientMachine implements Machine {
  readonly #context: MachineContext;
  readonly #config: ClientConfig;
  readonly #stamps: StampSource;
  readonly #timers: Timers<"attempt" | "age" | "retention">;
  /** Newest last. Empty exactly while nothing is in the carousel. */
  #attempts: { attempt: Attempt; madeAtNs: bigint }[] = [];
  #session: Session | null = null;
  /** The replaced session's, while its key still opens. */
  #oldGeneration: number | null = null;
  #lastGeneration = 0;
  /** When the carousel began, and whether somebody has been told that it is in vain. */
  #unansweredSinceNs = 0n;
  #warned = false;
  #stopped = false;

  constructor(context: MachineContext, config: ClientConfig) {
    this.#context = context;
    this.#config = config;
    this.#stamps = new StampSource(context.clock);
    this.#timers = new Timers(context.clock);
  }

  start(): void {
    const { up, endpoint } = this.#config;
    this.#context.native.startSchedule({ ...up, firstDeadlineNs: null, endpoint });
    this.#beginCarousel();
  }

  stop(): Remains {
    this.#stopped = true;
    this.#timers.clearAll();
    this.#endCarousel();
    return { timing: this.#config.up, session: this.#session !== null };
  }

  handle(event: NativeEvent): void {
    if (this.#stopped) return;
    switch (event.type) {
      case "handshake":
        if (event.kind === KIND_RESPONSE) this.#readResponse(event);
        else if (event.kind === KIND_WRONG_VERSION) this.#readVersions(event);
        break;
      case "opened":
        if (event.generation === this.#session?.generation) this.#confirmed();
        break;
      case "control":
        if (event.kind === CONTROL_CLOSE && event.generation === this.#session?.generation) this.#lose("peerClosed");
        break;
      case "exhausted":
        if (event.generation === this.#session?.generation) this.#lose("exhausted");
        break;
      case "silent":
        if (this.#session !== null && this.#attempts.length === 0) {
          this.#beginCarousel();
          this.#context.report.silent(Number(event.forNs / 1_000_000n));
        }
        break;
      case "heard":
        if (this.#session !== null && this.#attempts.length > 0) {
          this.#endCarousel();
          this.#context.report.heard();
        }
        break;
      default:
    }
  }

  #beginCarousel(): void {
    this.#unansweredSinceNs = this.#context.clock.boottimeNs();
    this.#warned = false;
    this.#attempt();
  }

  #endCarousel(): void {
    for (const { attempt } of this.#attempts) attempt.destroy();
    this.#attempts = [];
    this.#timers.clear("attempt");
    this.#context.native.expectStamps([]);
    this.#context.native.stopOffer();
  }

  #attempt(): void {
    const { native, clock } = this.#context;
    const { endpoint, attemptNs } = this.#config;
    const madeAtNs = clock.boottimeNs();
    const attempt = this.#config.initiate(this.#stamps.next());
    this.#attempts.push({ attempt, madeAtNs });
    if (this.#attempts.length > ATTEMPTS_KEPT) this.#attempts.shift()?.attempt.destroy();
    native.expectStamps(this.#attempts.map((each) => each.attempt.stamp));
    const { message, stamp } = attempt;
    native.offer({ kind: KIND_INITIATION, version: PROTOCOL_VERSION, stamp, message, every: 1, endpoint });
    this.#timers.set("attempt", attemptNs / 1e6, () => {
      this.#attemptInVain();
    });
  }

  #attemptInVain(): void {
    this.#attempt();
    if (this.#warned) return;
    this.#warned = true;
    const forNs = this.#context.clock.boottimeNs() - this.#unansweredSinceNs;
    this.#context.report.warning(noAnswer(this.#config.endpoint, Number(forNs)));
  }

  #readResponse({ stamp, message, datagramLength }: Extract<NativeEvent, { type: "handshake" }>): void {
    const made = this.#attempts.find((each) => each.attempt.stamp === stamp);
    if (made === undefined) return;
    let outcome: ResponseOutcome;
    try {
      outcome = made.attempt.readResponse(message);
    } catch (error) {
      if (!(error instanceof I405Error)) throw error;
      // Two answers of a server that restarted may have mixed: the carousel brings a whole one.
      if (error.code !== "ERR_I405_HANDSHAKE") this.#context.report.failed(error);
      return;
    }
    if (outcome.verdict === "accepted") this.#accept(outcome.session, stamp, made.madeAtNs, datagramLength);
    else this.#context.report.failed(refusalError(outcome.verdict, outcome.limit));
  }

  #accept(keys: SessionKeys, stamp: number, madeAtNs: bigint, receiveLength: number): void {
    const { native, clock, report } = this.#context;
    const { wire, endpoint, clientTimeoutMs } = this.#config;
    const { aead } = keys;
    const generation = (this.#lastGeneration += 1);
    native.install({
      generation,
      aead,
      ...keys.forRole("client"),
      receiveLength,
      receiveIntervalNs: wire.down.intervalNs,
    });
    keys.destroy();
    native.sendUnder(generation, stamp);
    this.#endCarousel();
    native.watchSilence(clientTimeoutMs * 1e6);

    const replaced = this.#session;
    if (replaced !== null) {
      this.#forgetOld();
      this.#oldGeneration = replaced.generation;
    }
    this.#session = { generation, madeAtNs };
    const again = (ms: number, check: () => void): void => {
      this.#timers.set("age", ms, check);
    };
    watchAge(clock, madeAtNs + BigInt(expiryNs(wire)), again, () => {
      this.#lose("expired");
    });
    if (replaced !== null) report.disconnected("replaced");
    report.connected({ endpoint, wire, cipher: cipherName(aead) });
  }

  /** The server sends under the session's key too: the replaced one opens for a while only. */
  #confirmed(): void {
    if (this.#oldGeneration === null) return;
    this.#timers.set("retention", retentionNs(this.#config.wire) / 1e6, () => {
      this.#forgetOld();
    });
  }

  #forgetOld(): void {
    this.#timers.clear("retention");
    if (this.#oldGeneration !== null) this.#context.native.forget(this.#oldGeneration);
    this.#oldGeneration = null;
  }

  /** The session is over: keys zeroed, a throwaway key takes over, and the carousel begins unless it already turns. */
  #lose(reason: DisconnectReason): void {
    const session = this.#session;
    if (session === null) return;
    const { native, report } = this.#context;
    this.#session = null;
    this.#timers.clear("age");
    native.forget(session.generation);
    this.#forgetOld();
    native.watchSilence(null);
    if (this.#attempts.length === 0) this.#beginCarousel();
    report.disconnected(reason);
  }

  #readVersions({ version, stamp, message }: Extract<NativeEvent, { type: "handshake" }>): void {
    if (!this.#attempts.some((each) => each.attempt.stamp === stamp)) return;
    const [lowest = version, highest = version] = message;
    const theirs = lowest === highest ? `version ${lowest}` : `versions ${lowest} to ${highest}`;
    this.#context.report.failed(
      new I405Error(
        "ERR_I405_PROTOCOL_VERSION",
        `the server speaks ${theirs} of the protocol, this client version ${PROTOCOL_VERSION}. ` +
          "Install the same version of i405 at both ends",
      ),
    );
  }
}
