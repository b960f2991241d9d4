/**
 * A server's answers to initiations, until one is confirmed or they are given up (docs/protocol.md, "Confirmed"). It
 * knows which are pending, and keeps the newest of them in the carousel.
 */
import type { Wire } from "../../index.js";
import { PROTOCOL_VERSION } from "../handshake/messages.js";
import type { SessionRoot } from "../handshake/session-keys.js";
import { Timers } from "../native/clock.js";
import type { AeadId, HandshakeKind } from "../native/protocol-ids.js";
import type { NativeTiming } from "../native/tunnel.js";
import type { MachineContext } from "./machine.js";
import type { ServerSchedule } from "./server-schedule.js";
import { aliveNs } from "./times.js";
import { sameTiming } from "./wire-settings.js";

/** A session whose keys are installed, for receiving at least. */
export interface Offered {
  generation: number;
  aead: AeadId;
  wire: Wire;
  /** Timing of the schedule on which its response was sent. */
  timing: NativeTiming;
  serverTimeoutMs: number;
  /** CLOCK_BOOTTIME of its response. */
  madeAtNs: bigint;
  root: SessionRoot;
  receiveLength: number;
}

/** An answer in the carousel: a response, accepted or not, or the versions spoken here. */
export interface Pending {
  kind: HandshakeKind;
  stamp: number;
  message: Uint8Array;
  source: string;
  /** CLOCK_MONOTONIC at which it is given up. */
  endNs: bigint;
  /** null: nothing that could be confirmed. */
  offered: Offered | null;
}

/** The protocol's: how many attempts may be pending. */
const PENDING_KEPT = 2;
/** The protocol's: part of the slots that a handshake takes beside a session that is alive. */
const EVERY_BESIDE_SESSION = 8;

export class ServerAnswers {
  readonly #context: MachineContext;
  readonly #schedule: ServerSchedule;
  /** The session that is up at the same time. */
  readonly #session: () => Pick<Offered, "wire" | "timing"> | null;
  readonly #timers: Timers<"pending" | "alive" | "offer">;
  /** Newest last. */
  #pending: Pending[] = [];

  constructor(
    context: MachineContext,
    schedule: ServerSchedule,
    session: () => Pick<Offered, "wire" | "timing"> | null,
  ) {
    this.#context = context;
    this.#schedule = schedule;
    this.#session = session;
    this.#timers = new Timers(context.clock);
  }

  /** CLOCK_MONOTONIC until which the answers need a schedule; 0: they need none. */
  get endNs(): bigint {
    return this.#pending.reduce((latest, { endNs }) => (endNs > latest ? endNs : latest), 0n);
  }

  /** Makes room for one more: the oldest is given up. */
  makeRoom(): void {
    const kept = this.#pending.slice(-(PENDING_KEPT - 1));
    this.#drop((each) => !kept.includes(each));
  }

  /**
   * Makes this the newest answer, with its schedule and its place in the carousel. True: the schedule began anew for
   * it.
   */
  add(pending: Pending, timing: NativeTiming, first: bigint): boolean {
    const { native, clock } = this.#context;
    this.makeRoom();
    this.#pending.push(pending);
    this.#timers.set("pending", Math.max(0, Math.ceil(Number(pending.endNs - clock.monotonicNs()) / 1e6)), () => {
      this.drop();
    });
    const before = this.#schedule.timing;
    if (before !== null && sameTiming(before, timing)) {
      this.#carry(pending);
      return false;
    }
    this.#schedule.start(timing, pending.source, first);
    if (before?.datagramLength !== timing.datagramLength) {
      // Fragments are cut for one length: none of them leaves before this schedule begins, and then its first slot has one.
      this.#carry(pending);
    } else {
      // This answer waits for a schedule of its own.
      native.stopOffer();
      this.#timers.set("offer", Math.ceil(Number(first - clock.monotonicNs()) / 1e6), () => {
        this.#carry(pending);
      });
    }
    return true;
  }

  /**
   * A datagram opened under this generation.
   *
   * @returns What was offered with it, which is no longer pending, and when its attempt ends. null: the generation is
   *   none of the pending ones.
   */
  confirm(generation: number): { offered: Offered; endNs: bigint } | null {
    const pending = this.#pending.find((each) => each.offered?.generation === generation);
    const offered = pending?.offered ?? null;
    if (pending === undefined || offered === null) return null;
    pending.offered = null;
    this.drop();
    return { offered, endNs: pending.endNs };
  }

  drop(): void {
    this.#drop(() => true);
  }

  #drop(which: (pending: Pending) => boolean): void {
    const { native } = this.#context;
    const dropped = this.#pending.filter(which);
    if (dropped.length === 0) return;
    this.#pending = this.#pending.filter((each) => !dropped.includes(each));
    for (const { offered } of dropped) {
      if (offered === null) continue;
      native.forget(offered.generation);
      offered.root.destroy();
    }
    if (this.#pending.length > 0) return;
    native.stopOffer();
    this.#timers.clearAll();
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
    const session = this.#session();
    if (session === null) return;
    this.#timers.set("alive", aliveNs(session.wire) / 1e6, () => {
      const newest = this.#pending.at(-1);
      if (newest === undefined) return;
      if (this.#sessionAlive()) this.#watchAlive();
      else this.#carry(newest);
    });
  }

  /** Whether slots are of any use to the session. In those of another length its client opens nothing. */
  #sessionAlive(): boolean {
    const session = this.#session();
    if (session === null || session.timing.datagramLength !== this.#schedule.timing?.datagramLength) return false;
    const { lastOpenedNs } = this.#context.native.stats();
    const sinceNs = this.#context.clock.monotonicNs() - lastOpenedNs;
    return lastOpenedNs !== 0n && Number(sinceNs) < aliveNs(session.wire);
  }
}
