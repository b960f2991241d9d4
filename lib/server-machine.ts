/**
 * The server's side of handshakes and sessions (docs/protocol.md, "Handshake and sessions").
 *
 *     listening ──initiation──> pending ──opened──> session ──silent, closed, schedule ended──> listening
 *                               │ refused, or nothing opened: the schedule ends `attempt` after its first deadline
 *
 * An initiation may come at any time; the session that is up goes on until a pending one is confirmed. What is pending
 * (accepted or refused alike) and when the schedule ends follow from `#pending`, `#session` and `#coverEndNs` alone:
 * see `#planEnd`.
 */
import type { Wire } from "../index.js";
import {
  CONTROL_CLOSE,
  KIND_INITIATION,
  KIND_RESPONSE,
  KIND_WRONG_VERSION,
  type AeadId,
  type HandshakeKind,
  type NativeEvent,
  type NativeTiming,
} from "./addon.js";
import { Timers } from "./clock.js";
import { I405Error } from "./errors.js";
import { chooseAead, PROTOCOL_VERSION } from "./handshake-messages.js";
import type { InitiationSettings, Refusal } from "./handshake-payloads.js";
import {
  cipherName,
  hostOf,
  watchAge,
  type DisconnectReason,
  type Machine,
  type MachineContext,
  type Remains,
} from "./machine.js";
import { ServerSchedule } from "./server-schedule.js";
import type { SessionKeys } from "./session-keys.js";
import { aliveNs, expiryNs, firstDeadlineNs, retentionNs } from "./session-times.js";
import { staleInitiation } from "./warnings.js";
import { sameTiming, timingOf, type Judgement } from "./wire-settings.js";

/** One initiation as read; `ResponderHandshake` is one. */
export interface Answer {
  readonly settings: InitiationSettings;
  readonly understood: boolean;
  accept(aead: AeadId): { message: Uint8Array; session: SessionKeys };
  refuse(verdict: Refusal, limit: number): Uint8Array;
}

export interface ServerConfig {
  /** AEADs of this end, as bits. */
  aeads: number;
  lingerNs: number;
  /** @throws {I405Error} if it doesn't authenticate. */
  read(stamp: number, message: Uint8Array): Answer;
  judge(wire: Wire, source: string): Judgement;
  /** How long an attempt of a client with this wire lasts. */
  attemptNs(wire: Wire, upDatagramLength: number, down: NativeTiming): number;
}

type HandshakeEvent = Extract<NativeEvent, { type: "handshake" }>;

/** An answer in the carousel: a response, accepted or not, or the versions spoken here. */
interface Pending {
  kind: HandshakeKind;
  stamp: number;
  message: Uint8Array;
  source: string;
  /** CLOCK_MONOTONIC at which it is given up. */
  endNs: bigint;
  /** null: nothing that could be confirmed. */
  offered: Session | null;
}

interface Session {
  generation: number;
  aead: AeadId;
  wire: Wire;
  serverTimeoutMs: number;
  /** CLOCK_BOOTTIME of its response. */
  madeAtNs: bigint;
}

/** The protocol's: how many attempts may be pending. */
const PENDING_KEPT = 2;
/** The protocol's: part of the slots that a handshake takes beside a session that is alive. */
const EVERY_BESIDE_SESSION = 8;
/** The protocol's: the versions are told in so many slots of this interval. No jitter, so that they can be counted. */
const VERSION_SLOTS = 20;
const VERSION_INTERVAL_NS = 100e6;
/** The protocol's: shortest timeout, in slots of the client. */
const TIMEOUT_SLOTS = 100;

export class ServerMachine implements Machine {
  readonly #context: MachineContext;
  readonly #config: ServerConfig;
  readonly #timers: Timers<"pending" | "alive" | "offer" | "age" | "retention">;
  /** Newest last. */
  #pending: Pending[] = [];
  #session: Session | null = null;
  #oldGeneration: number | null = null;
  #lastGeneration = 0;
  readonly #schedule: ServerSchedule;
  /** The schedule is the session's; false once an attempt with other settings took it over. */
  #scheduleIsSessions = false;
  /** When the cover after a silent, closed or outgrown session ends; null: there is none. */
  #coverEndNs: bigint | null = null;
  #stopped = false;

  constructor(context: MachineContext, config: ServerConfig) {
    this.#context = context;
    this.#config = config;
    this.#timers = new Timers(context.clock);
    this.#schedule = new ServerSchedule(context);
  }

  start(): void {
    // A server sends nothing before it is asked.
  }

  stop(): Remains {
    this.#stopped = true;
    this.#timers.clearAll();
    this.#dropPending(() => true);
    return { timing: this.#schedule.timing, session: this.#session !== null };
  }

  handle(event: NativeEvent): void {
    if (this.#stopped) return;
    switch (event.type) {
      case "handshake":
        if (event.kind === KIND_INITIATION) this.#readInitiation(event);
        break;
      case "otherVersion":
        if (this.#schedule.timing === null) this.#tellVersions(event);
        break;
      case "staleInitiation":
        this.#context.report.warning(staleInitiation(event.stamp, event.floorMs, this.#context.clock.wallMs()));
        break;
      case "opened":
        this.#confirm(event.generation, event.source);
        break;
      case "control":
        if (event.kind === CONTROL_CLOSE && event.generation === this.#session?.generation) this.#closedByPeer();
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

  #readInitiation(event: HandshakeEvent): void {
    const { clock } = this.#context;
    let answer: Answer;
    try {
      answer = this.#config.read(event.stamp, event.message);
    } catch (error) {
      // Wrapped under this pairing's key and still not the client's: silence, as to any stranger.
      if (error instanceof I405Error) return;
      throw error;
    }
    const { wire, refusal } = this.#config.judge(answer.settings.wire, event.source);
    const { message, offered } = this.#answer(answer, wire, refusal, event.datagramLength);

    const down = timingOf(wire.down, hostOf(event.source));
    const first = firstDeadlineNs(event.receivedNs, clock.monotonicNs(), wire.down);
    const endNs = first + BigInt(Math.ceil(this.#config.attemptNs(wire, event.datagramLength, down)));
    const { stamp, source } = event;
    this.#offer({ kind: KIND_RESPONSE, stamp, message, source, endNs, offered }, down, first);
  }

  /** The response's bytes; if it accepts, its session is installed, for receiving only. */
  #answer(
    answer: Answer,
    wire: Wire,
    refusal: Judgement["refusal"],
    receiveLength: number,
  ): Pick<Pending, "message" | "offered"> {
    const { native, clock } = this.#context;
    if (!answer.understood) return { message: answer.refuse("notUnderstood", 0), offered: null };
    if (refusal !== null) return { message: answer.refuse(refusal.verdict, refusal.limit), offered: null };
    const aead = chooseAead(answer.settings.aeads, this.#config.aeads);
    const { message, session: keys } = answer.accept(aead);
    const generation = (this.#lastGeneration += 1);
    const receiveIntervalNs = wire.up.intervalNs;
    native.install({ generation, aead, ...keys.forRole("server"), receiveLength, receiveIntervalNs });
    keys.destroy();
    const { serverTimeoutMs } = answer.settings;
    return { message, offered: { generation, aead, wire, serverTimeoutMs, madeAtNs: clock.boottimeNs() } };
  }

  /** Makes this the newest answer: its schedule, its end, and its place in the carousel. */
  #offer(pending: Pending, timing: NativeTiming, first: bigint): void {
    const { native, clock } = this.#context;
    this.#pending.push(pending);
    const kept = this.#pending.slice(-PENDING_KEPT);
    this.#dropPending((each) => !kept.includes(each));

    const before = this.#schedule.timing;
    if (before !== null && sameTiming(before, timing)) {
      this.#carry(pending);
    } else {
      this.#schedule.start(timing, pending.source, first);
      this.#scheduleIsSessions = false;
      if (before === null) {
        this.#carry(pending);
      } else {
        // Fragments are cut for one length: this answer waits for the schedule of its own.
        native.stopOffer();
        this.#timers.set("offer", Math.ceil(Number(first - clock.monotonicNs()) / 1e6), () => {
          this.#carry(pending);
        });
      }
    }
    this.#planEnd();
  }

  /** Puts an answer into the carousel: alone, or beside the data of a session that is alive. */
  #carry({ kind, stamp, message, source }: Pending): void {
    const { native } = this.#context;
    const alive = this.#sessionAlive();
    const every = alive ? EVERY_BESIDE_SESSION : 1;
    native.offer({ kind, version: PROTOCOL_VERSION, stamp, message, every, endpoint: source });
    this.#timers.clear("offer");
    if (alive) this.#watchAlive();
    else this.#timers.clear("alive");
  }

  /** Once the session is no longer alive, the answer under way takes every slot. */
  #watchAlive(): void {
    if (this.#session === null) return;
    this.#timers.set("alive", aliveNs(this.#session.wire) / 1e6, () => {
      const newest = this.#pending.at(-1);
      if (newest === undefined) return;
      if (this.#sessionAlive()) this.#watchAlive();
      else this.#carry(newest);
    });
  }

  #sessionAlive(): boolean {
    if (this.#session === null) return false;
    const { lastOpenedNs } = this.#context.native.stats();
    const sinceNs = this.#context.clock.monotonicNs() - lastOpenedNs;
    return lastOpenedNs !== 0n && Number(sinceNs) < aliveNs(this.#session.wire);
  }

  #dropPending(which: (pending: Pending) => boolean): void {
    const { native } = this.#context;
    const dropped = this.#pending.filter(which);
    if (dropped.length === 0) return;
    this.#pending = this.#pending.filter((each) => !dropped.includes(each));
    for (const { offered } of dropped) if (offered !== null) native.forget(offered.generation);
    if (this.#pending.length > 0) return;
    native.stopOffer();
    this.#timers.clear("pending");
    this.#timers.clear("alive");
    this.#timers.clear("offer");
  }

  /** Ends the schedule when nothing needs it any more, and takes that back when something does. */
  #planEnd(): void {
    const { clock } = this.#context;
    let endNs: bigint | null = this.#coverEndNs ?? 0n;
    for (const pending of this.#pending) if (pending.endNs > endNs) endNs = pending.endNs;
    if (this.#session !== null && this.#coverEndNs === null && this.#scheduleIsSessions) endNs = null;
    this.#schedule.planEnd(endNs);
    const newest = this.#pending.at(-1);
    if (newest === undefined) return;
    const leftMs = Math.ceil(Number(newest.endNs - clock.monotonicNs()) / 1e6);
    this.#timers.set("pending", Math.max(0, leftMs), () => {
      this.#dropPending(() => true);
    });
  }

  /** A datagram opened under a pending generation: the client holds its keys. */
  #confirm(generation: number, source: string): void {
    const pending = this.#pending.find((each) => each.offered?.generation === generation);
    const confirmed = pending?.offered;
    if (pending === undefined || confirmed === null || confirmed === undefined) return;
    const { native, clock, report } = this.#context;
    pending.offered = null;
    this.#dropPending(() => true);
    this.#schedule.move(source);
    native.sendUnder(generation, null);
    native.watchSilence(Math.max(confirmed.serverTimeoutMs * 1e6, TIMEOUT_SLOTS * confirmed.wire.up.intervalNs));

    const replaced = this.#session;
    if (replaced !== null) this.#keepOld(replaced);
    this.#session = confirmed;
    this.#coverEndNs = null;
    this.#scheduleIsSessions = true;
    // An end that was due may have come between the answer and its confirmation.
    const timing = timingOf(confirmed.wire.down, hostOf(source));
    if (this.#schedule.timing === null) this.#schedule.start(timing, source, null);
    this.#planEnd();
    const again = (ms: number, check: () => void): void => {
      this.#timers.set("age", ms, check);
    };
    watchAge(clock, confirmed.madeAtNs + BigInt(expiryNs(confirmed.wire)), again, () => {
      this.#outgrow("expired");
    });
    if (replaced !== null) report.disconnected("replaced");
    report.connected({ endpoint: source, wire: confirmed.wire, cipher: cipherName(confirmed.aead) });
  }

  /** The replaced session's key still opens what is under way. */
  #keepOld({ generation, wire }: Session): void {
    this.#forgetOld();
    this.#oldGeneration = generation;
    this.#timers.set("retention", retentionNs(wire) / 1e6, () => {
      this.#forgetOld();
    });
  }

  #forgetOld(): void {
    this.#timers.clear("retention");
    if (this.#oldGeneration !== null) this.#context.native.forget(this.#oldGeneration);
    this.#oldGeneration = null;
  }

  #silent(forNs: bigint): void {
    this.#coverFor(this.#config.lingerNs);
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

  /** The client closed: as with one's own close, cover for `linger`, then the end. */
  #closedByPeer(): void {
    this.#forgetSession();
    this.#coverFor(this.#config.lingerNs);
    this.#context.report.disconnected("peerClosed");
  }

  /** The keys are used up; the client is about to handshake, and the schedule waits for it as for a silent one. */
  #outgrow(reason: DisconnectReason): void {
    if (this.#session === null) return;
    const { serverTimeoutMs } = this.#session;
    this.#forgetSession();
    this.#coverFor(serverTimeoutMs * 1e6 + this.#config.lingerNs);
    this.#context.report.disconnected(reason);
  }

  #forgetSession(): void {
    if (this.#session === null) return;
    const { native } = this.#context;
    native.forget(this.#session.generation);
    native.watchSilence(null);
    this.#session = null;
    this.#timers.clear("age");
    this.#forgetOld();
  }

  #scheduleEnded(): void {
    if (!this.#schedule.ended()) return;
    this.#scheduleIsSessions = false;
    const reason: DisconnectReason = this.#coverEndNs === null ? "replaced" : "silent";
    this.#coverEndNs = null;
    this.#dropPending(() => true);
    if (this.#session === null) return;
    this.#forgetSession();
    this.#context.report.disconnected(reason);
  }

  /** Another version of the protocol: which ones are spoken here, in datagrams of the length that came. */
  #tellVersions({ stamp, source, datagramLength, receivedNs }: Extract<NativeEvent, { type: "otherVersion" }>): void {
    const timing: NativeTiming = { datagramLength, intervalNs: VERSION_INTERVAL_NS, jitterNs: 0, shape: "cos4" };
    const direction = {
      length: datagramLength,
      intervalNs: VERSION_INTERVAL_NS,
      jitterNs: 0,
      jitterShape: "cos4",
    } as const;
    const first = firstDeadlineNs(receivedNs, this.#context.clock.monotonicNs(), direction);
    // Half an interval after the last of them.
    const endNs = first + BigInt((VERSION_SLOTS - 0.5) * VERSION_INTERVAL_NS);
    const message = Uint8Array.of(PROTOCOL_VERSION, PROTOCOL_VERSION);
    this.#offer({ kind: KIND_WRONG_VERSION, stamp, message, source, endNs, offered: null }, timing, first);
  }
}
