/**
 * The server's side of handshakes and sessions (docs/protocol.md, "Handshake and sessions").
 *
 *     listening ──initiation──> pending ──opened──> asking ──believed──> session ──silent, closed, ended──> listening
 *                               │                   │                rekey ^ │
 *                               │                   │                      └─┘
 *                               │ refused, nothing opened, or no answer to a challenge: the schedule ends `attempt`
 *                               │ after its first deadline
 *
 * An initiation may come at any time. The session that is up goes on until a pending one is confirmed.
 * `server-initiations.ts` makes answers, and `server-answers.ts` has those that are pending, accepted or refused alike.
 * When the schedule ends follows from those, from `#session` and from `#coverEndNs` alone: see `#planEnd`.
 */
import type { Wire } from "../../index.js";
import { FloorKeeper } from "../handshake/floor.js";
import type { SessionKeys } from "../handshake/session-keys.js";
import { readStamp } from "../handshake/stamps.js";
import { Timers } from "../native/clock.js";
import type { NativeEvent } from "../native/events.js";
import { CONTROL_CLOSE, CONTROL_NEWEST_STAMP, KIND_INITIATION } from "../native/protocol-ids.js";
import type { NativeTiming } from "../native/tunnel.js";
import {
  cipherName,
  peerOf,
  watchAge,
  type DisconnectReason,
  type Machine,
  type MachineContext,
  type Remains,
} from "./machine.js";
import { Generations } from "./generations.js";
import { PreviousGeneration } from "./previous-generation.js";
import { ServerAnswers, type Offered, type Pending } from "./server-answers.js";
import { ServerAsking } from "./server-asking.js";
import { ServerInitiations, type InitiationConfig } from "./server-initiations.js";
import { Refusals } from "./server-refusals.js";
import { ServerRekey, type ServerRekeyConfig } from "./server-rekey.js";
import { ServerSchedule } from "./server-schedule.js";
import { versionAnswer } from "./server-versions.js";
import { ReplacedWatch } from "./shared-secret.js";
import { expiryNs, retentionNs } from "./times.js";
import { notBelieved, staleInitiation, stateNotKept } from "./warnings.js";
import { sameTiming } from "./wire-settings.js";

export interface ServerConfig extends Pick<ServerRekeyConfig, "rekey">, InitiationConfig {
  /** How long cover goes on after a session's end; asked at each. */
  drawLingerNs(): number;
  /** What is sent, and to where, from the start on and whenever there is nothing else to send. null: nothing. */
  ownStart: { timing: NativeTiming; endpoint: string } | null;
  /** Default: a floor that is remembered only while the program runs. */
  floor?: FloorKeeper;
}

/** The session that is up: what was offered, and confirmed since. */
type Session = Offered;

/** The protocol's: shortest timeout, in slots of the client. */
const TIMEOUT_SLOTS = 100;

export class ServerMachine implements Machine {
  readonly #context: MachineContext;
  readonly #config: ServerConfig;
  readonly #timers: Timers<"age">;
  readonly #schedule: ServerSchedule;
  readonly #answers: ServerAnswers;
  readonly #initiations: ServerInitiations;
  readonly #asking: ServerAsking;
  readonly #rekey: ServerRekey;
  readonly #generations: Generations;
  /** The generation of the session that was replaced. */
  readonly #previous: PreviousGeneration;
  readonly #floor: FloorKeeper;
  readonly #refusals: Refusals;
  readonly #replaced: ReplacedWatch;
  #session: Session | null = null;
  /** Whether the schedule is the session's. False once an attempt with other settings took it over. */
  #scheduleIsSessions = false;
  /** Where the session's client was believed last. */
  #believedAt: string | null = null;
  /** When the cover after a silent, closed or outgrown session ends; null: there is none. */
  #coverEndNs: bigint | null = null;
  #stopped = false;

  constructor(context: MachineContext, config: ServerConfig) {
    this.#context = context;
    this.#config = config;
    this.#timers = new Timers(context.clock);
    this.#schedule = new ServerSchedule(context);
    this.#answers = new ServerAnswers(context, this.#schedule, () => this.#session);
    this.#rekey = new ServerRekey(context, {
      rekey: config.rekey,
      install: (keys) => this.#install(keys, this.#session!.wire, this.#session!.receiveLength),
    });
    this.#generations = new Generations(context.native, "server");
    this.#previous = new PreviousGeneration(context);
    this.#refusals = new Refusals(context);
    this.#replaced = new ReplacedWatch(context);
    this.#floor = config.floor ?? new FloorKeeper(context.clock, null);
    this.#initiations = new ServerInitiations(context, config, {
      keepFloor: (stamp) => this.#keepFloor(stamp),
      install: (keys, wire, receiveLength) => this.#install(keys, wire, receiveLength),
      offer: (pending, timing, first) => {
        this.#offer(pending, timing, first);
      },
      // This comes before a new key is installed, because the core keeps as many as this end does.
      makeRoom: () => {
        this.#answers.makeRoom();
      },
      refused: (source, refusal) => {
        this.#refusals.settings(peerOf(source), refusal);
      },
    });
    this.#asking = new ServerAsking(context.clock, () => {
      this.#notBelieved();
    });
  }

  /**
   * A server sends nothing before it is asked, unless it was told everything beforehand. Then its start answers nobody.
   */
  start(): void {
    const { ownStart } = this.#config;
    if (ownStart === null) return;
    this.#schedule.start(ownStart.timing, ownStart.endpoint, null);
    this.#planEnd();
  }

  stop(): Remains {
    this.#stopped = true;
    const asking = this.#asking.now !== null;
    this.#timers.clearAll();
    this.#initiations.stop();
    this.#asking.end();
    this.#answers.drop();
    this.#rekey.stop();
    this.#previous.stop();
    this.#replaced.stop();
    this.#keepFloor(null);
    this.#session?.root.destroy();
    // It is not known to whom a close would be said and cover be sent.
    if (asking) return { timing: null, session: false };
    return { timing: this.#schedule.timing, session: this.#session !== null };
  }

  handle(event: NativeEvent): void {
    if (this.#stopped) return;
    switch (event.type) {
      case "handshake":
        if (event.kind === KIND_INITIATION) this.#initiations.read(event);
        break;
      case "otherVersion":
        if (this.#schedule.timing === null && this.#keepFloor(event.stamp)) {
          const { pending, timing, first } = versionAnswer(event, this.#context.clock);
          this.#offer(pending, timing, first);
        }
        this.#refusals.version(peerOf(event.source), event.version);
        break;
      case "staleInitiation":
        this.#context.report.warning(staleInitiation(event.stamp, event.floorMs, this.#context.clock.wallMs()));
        break;
      case "opened":
        this.#opened(event.generation, event.source);
        break;
      case "believed":
        this.#believed(event.confirmed, event.source);
        break;
      case "control":
        if (event.generation === this.#session?.generation) this.#readControl(event.kind, event.body);
        break;
      case "exhausted":
        if (event.generation === this.#session?.generation) this.#outgrow("exhausted");
        break;
      case "silent":
        if (this.#session !== null && this.#coverEndNs === null) this.#silent(event.forNs);
        break;
      case "heard":
        if (this.#session !== null && this.#coverEndNs !== null) this.#heard();
        break;
      case "scheduleEnded":
        this.#scheduleEnded();
        break;
      default:
    }
  }

  /**
   * Writes to disk what isn't there yet, before it is acted on. False: it couldn't be written, and nothing is to be
   * done.
   */
  #keepFloor(stamp: number | null): boolean {
    const failure = stamp === null ? this.#floor.flush() : this.#floor.raise(stamp);
    if (failure !== null) this.#context.report.warning(stateNotKept("server", failure));
    return failure === null;
  }

  #install(keys: SessionKeys, wire: Wire, receiveLength: number): number {
    return this.#generations.install(keys, { length: receiveLength, intervalNs: wire.up.intervalNs });
  }

  #offer(pending: Pending, timing: NativeTiming, first: bigint): void {
    if (this.#answers.add(pending, timing, first)) this.#scheduleIsSessions = false;
    this.#planEnd();
  }

  /** Ends the schedule when nothing needs it any more, and takes that back when something does. */
  #planEnd(): void {
    let endNs: bigint | null = this.#coverEndNs ?? 0n;
    const answersEndNs = this.#answers.endNs;
    if (answersEndNs > endNs) endNs = answersEndNs;
    if (this.#session !== null && this.#coverEndNs === null && this.#scheduleIsSessions) {
      const asking = this.#asking.now;
      if (asking === null) endNs = null;
      else if (asking.endNs > endNs) ({ endNs } = asking);
    }
    const { ownStart } = this.#config;
    const { timing } = this.#schedule;
    if (ownStart !== null && timing !== null && sameTiming(timing, ownStart.timing) && !this.#isLent) endNs = null;
    this.#schedule.planEnd(endNs);
  }

  /** The first datagram under a generation: the client holds its keys. */
  #opened(generation: number, source: string): void {
    const next = this.#rekey.confirm(generation);
    if (next !== null && this.#session !== null) {
      this.#context.native.sendUnder(generation, null);
      // A client that rekeys is not handshaking anew.
      if (this.#scheduleIsSessions) this.#answers.drop();
      this.#adopt({ ...this.#session, ...next });
      this.#context.report.rekeyed();
      return;
    }
    const confirmed = this.#answers.confirm(generation);
    if (confirmed !== null) this.#confirm(confirmed.offered, confirmed.endNs, source);
  }

  /** The client has the keys. It is asked now where it is. */
  #confirm(confirmed: Offered, endNs: bigint, source: string): void {
    const { native } = this.#context;
    const { generation, timing } = confirmed;
    this.#rekey.stop();
    native.ask(generation, source);
    native.sendUnder(generation, null);
    native.watchSilence(null);
    const replaces = this.#asking.now?.replaces ?? this.#session !== null;
    this.#asking.begin({ generation, source, endNs, replaces });
    this.#coverEndNs = null;
    this.#scheduleIsSessions = true;
    this.#adopt(confirmed);
    // Between the answer and its confirmation an end that was due may have come, or another answer's schedule.
    const running = this.#schedule.timing;
    if (running === null || !sameTiming(running, timing)) this.#schedule.start(timing, source, null);
    this.#planEnd();
  }

  /**
   * Something came back from there, and the core has moved. If it took an end back, that is planned again where there
   * is one.
   */
  #believed(confirmed: number | null, source: string): void {
    const { native, report } = this.#context;
    this.#schedule.moved(source);
    this.#believedAt = source;
    const session = this.#session;
    const asking = this.#asking.now;
    if (session === null || confirmed !== (asking?.generation ?? null)) {
      // It comes too late: nothing is left that it would be about.
      const { ownStart } = this.#config;
      if (session === null && ownStart !== null) this.#schedule.move(ownStart.endpoint);
      this.#planEnd();
    } else if (asking === null) {
      this.#replaced.moved(peerOf(source));
      report.roamed(peerOf(source));
    } else {
      const { wire, serverTimeoutMs, aead } = session;
      this.#asking.end();
      native.watchSilence(Math.max(serverTimeoutMs * 1e6, TIMEOUT_SLOTS * wire.up.intervalNs));
      this.#planEnd();
      this.#replaced.confirmed(peerOf(source), asking.replaces, wire);
      if (asking.replaces) report.disconnected("replaced");
      report.connected({ endpoint: peerOf(source), wire, cipher: cipherName(aead) });
    }
  }

  /** The attempt is over, and nothing came back from anywhere. */
  #notBelieved(): void {
    const asking = this.#asking.now;
    if (asking === null) return;
    this.#lose("silent");
    this.#coverEndNs = null;
    const { ownStart } = this.#config;
    if (ownStart !== null) this.#schedule.move(ownStart.endpoint);
    this.#planEnd();
    this.#context.report.warning(notBelieved(peerOf(asking.source)));
  }

  /** This is the session from now on. The key of the one before opens for a while. */
  #adopt(session: Session): void {
    const { wire, madeAtNs } = session;
    if (this.#session !== null) {
      this.#previous.keep(this.#session.generation);
      this.#previous.forgetIn(retentionNs(this.#session.wire));
      this.#session.root.destroy();
    }
    this.#session = session;
    const again = (ms: number, check: () => void): void => {
      this.#timers.set("age", ms, check);
    };
    watchAge(this.#context.clock, madeAtNs + BigInt(expiryNs(wire)), again, () => {
      this.#outgrow("expired");
    });
  }

  #readControl(kind: number, body: Uint8Array): void {
    if (this.#session === null) return;
    // As with a close of one's own, there is cover for `linger`, and then the end.
    if (kind === CONTROL_CLOSE) this.#lose("peerClosed", this.#config.drawLingerNs());
    else if (kind === CONTROL_NEWEST_STAMP) this.#floor.raiseLater(readStamp(body));
    else this.#rekey.read(this.#session, kind, body);
  }

  #silent(forNs: bigint): void {
    this.#coverFor(this.#config.drawLingerNs());
    this.#context.report.silent(Number(forNs / 1_000_000n));
  }

  #heard(): void {
    this.#coverEndNs = null;
    this.#planEnd();
    this.#context.report.heard();
  }

  #coverFor(ns: number): void {
    this.#coverEndNs = this.#context.clock.monotonicNs() + BigInt(ns);
    this.#planEnd();
  }

  /** The keys are used up. The client is about to handshake, and the schedule waits for it as for a silent one. */
  #outgrow(reason: DisconnectReason): void {
    if (this.#session === null) return;
    const { serverTimeoutMs } = this.#session;
    this.#lose(reason, serverTimeoutMs * 1e6 + this.#config.drawLingerNs());
  }

  /** The session is over. Cover goes on for so long, unless the client was not believed to be anywhere. */
  #lose(reason: DisconnectReason, coverNs = 0): void {
    const asking = this.#asking.now;
    this.#forgetSession();
    this.#coverFor(asking === null ? coverNs : 0);
    // Listeners know nothing of a session that was not believed, but perhaps of the one that it replaced.
    if (asking === null) this.#context.report.disconnected(reason);
    else if (asking.replaces) this.#context.report.disconnected("replaced");
  }

  #forgetSession(): void {
    if (this.#session === null) return;
    const { native } = this.#context;
    this.#rekey.stop();
    native.forget(this.#session.generation);
    native.watchSilence(null);
    this.#session.root.destroy();
    this.#session = null;
    this.#asking.end();
    this.#timers.clear("age");
    this.#previous.forget();
  }

  /** An attempt on other settings has the slots, and the session, which isn't silent, is to have them back. */
  get #isLent(): boolean {
    if (this.#session === null || this.#scheduleIsSessions) return false;
    return this.#coverEndNs === null && this.#believedAt !== null && this.#asking.now === null;
  }

  #scheduleEnded(): void {
    if (!this.#schedule.ended()) return;
    if (this.#isLent) {
      // The attempt came to nothing.
      this.#answers.drop();
      this.#scheduleIsSessions = true;
      this.#schedule.startAfterEnd(this.#session!.timing, this.#believedAt!);
      this.#planEnd();
      return;
    }
    this.#scheduleIsSessions = false;
    const reason: DisconnectReason = this.#coverEndNs === null ? "replaced" : "silent";
    this.#coverEndNs = null;
    this.#answers.drop();
    const ended = this.#session !== null;
    const asking = this.#asking.now;
    this.#forgetSession();
    const { ownStart } = this.#config;
    if (ownStart !== null) {
      this.#schedule.startAfterEnd(ownStart.timing, ownStart.endpoint);
      this.#planEnd();
    }
    if (asking !== null) this.#context.report.warning(notBelieved(peerOf(asking.source)));
    if (asking === null ? ended : asking.replaces) this.#context.report.disconnected(reason);
  }
}
