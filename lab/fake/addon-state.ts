/**
 * What the commands to an addon leave in force, by the rules of `crates/i405-rt/src/tunnel/handle.rs`. Tests assert this
 * and not the commands, because many orders of commands come to the same. An order that doesn't is refused here, so that
 * every test that moves a machine is a test of it. The addon itself takes some of what is refused: keys of zeros, one
 * generation too many, a generation that it never had, a rekey's block that goes on under the next keys. Its machine has
 * a fault then.
 */
import { isDeepStrictEqual } from "node:util";
import { I405Error } from "../../lib/common/errors.js";
import type { NativeControl, NativeOffer, NativeSchedule, NativeSession } from "../../lib/native/tunnel.js";

/** How many generations that nothing was sent under yet the receiver has places for (`keyring.rs`). */
const PENDING_PLACES = 3;

export interface InForce {
  /** The newest schedule, with the address and the length that its slots have now. null: none, or it ended. */
  schedule: NativeSchedule | null;
  /** How many schedules were begun. A redirected one is the same one. */
  schedules: number;
  /** When the schedule ends; null: it doesn't. */
  endNs: bigint | null;
  /** Generations that were installed and not forgotten, oldest first. */
  installed: number[];
  /** null: a throwaway key. `announce`: the stamp that is announced. */
  sending: { generation: number; announce: number | null } | null;
  offer: NativeOffer | null;
  /** Stamps of the responses that are handed over. */
  stamps: number[];
  /** Who is challenged, and for which generation. */
  asked: { generation: number; source: string } | null;
  /** Silence that is told; null: none. */
  silenceNs: number | null;
  /** The control block that is repeated. */
  control: NativeControl | null;
  /** Whether close was said. */
  closed: boolean;
}

export class AddonState {
  readonly inForce: InForce = {
    schedule: null,
    schedules: 0,
    endNs: null,
    installed: [],
    sending: null,
    offer: null,
    stamps: [],
    asked: null,
    silenceNs: null,
    control: null,
    closed: false,
  };
  /** What each of them was installed with. Keys are copies, as the addon takes them. */
  readonly sessions = new Map<number, NativeSession>();
  /** Those that nothing was sent under yet. */
  #pending: number[] = [];
  #newest = 0;
  #seen: InForce = { ...this.inForce };
  /** What began anew since it was last looked at, though it may be the same as before. */
  readonly #anew = new Set<keyof InForce>();

  /**
   * What became different since the last call, or began anew. A command that changes nothing is not in it; a carousel,
   * challenges, a measurement of silence or a repetition that begins again is.
   */
  changes(): Partial<InForce> {
    const [before, now] = [this.#seen, this.inForce];
    const names = Object.keys(now) as (keyof InForce)[];
    const changed = names.filter((name) => this.#anew.has(name) || !isDeepStrictEqual(before[name], now[name]));
    this.#seen = { ...now };
    this.#anew.clear();
    return Object.fromEntries(changed.map((name) => [name, now[name]]));
  }

  /** Its end is planned afterwards: an end from before is the old schedule's. */
  startSchedule(schedule: NativeSchedule): void {
    this.#set({ schedule: { ...schedule }, schedules: this.inForce.schedules + 1, endNs: null });
  }

  endAt(instantNs: bigint | null): void {
    if (this.inForce.schedule !== null) this.#set({ endNs: instantNs });
  }

  /** Fragments are cut for the newest schedule's length. */
  offer(offer: NativeOffer): void {
    if (this.inForce.schedules === 0) refuse("offer: there is no schedule yet that could carry a message");
    this.#begin({ offer: structuredClone(offer) });
  }

  stopOffer(): void {
    this.#set({ offer: null });
  }

  expectStamps(stamps: number[]): void {
    this.#set({ stamps: [...stamps] });
  }

  /** The addon would let the oldest pending generation go; a machine forgets it first, so that both have the same. */
  install(session: NativeSession): void {
    const { generation } = session;
    if (generation <= this.#newest) refuse(`install: generation ${generation} is not above ${this.#newest}`);
    for (const { key } of [session.send, session.receive]) {
      if (key.every((byte) => byte === 0)) refuse(`install: the keys of generation ${generation} are zeroed already`);
    }
    if (this.#pending.length === PENDING_PLACES) {
      refuse(`install: generation ${generation} would push out ${this.#pending[0]}, which was not forgotten`);
    }
    this.#newest = generation;
    this.#pending.push(generation);
    this.sessions.set(generation, structuredClone(session));
    this.#tellInstalled();
  }

  /** A block that is repeated is about the keys of the session before; under new ones the peer would take it for theirs. */
  sendUnder(generation: number, announceStamp: number | null): void {
    if (!this.#pending.includes(generation)) {
      refuse(`sendUnder: generation ${generation} is not installed, or already sent under`);
    }
    if (this.inForce.control !== null) {
      refuse(`sendUnder: generation ${generation} would repeat a control block of the session before it`);
    }
    this.#pending = this.#pending.filter((each) => each !== generation);
    this.#set({ sending: { generation, announce: announceStamp } });
  }

  /** The addon doesn't mind a generation that it never had; here that is a machine that mixed up two. */
  forget(generation: number): void {
    if (generation < 1 || generation > this.#newest) refuse(`forget: generation ${generation} was never installed`);
    this.sessions.delete(generation);
    this.#pending = this.#pending.filter((each) => each !== generation);
    if (this.inForce.sending?.generation === generation) this.#set({ sending: null });
    if (this.inForce.asked?.generation === generation) this.#set({ asked: null });
    this.#tellInstalled();
  }

  moveEndpoint(endpoint: string): void {
    this.#lead({ endpoint });
    this.#set({ asked: null });
  }

  ask(generation: number, source: string): void {
    if (!this.sessions.has(generation)) refuse(`ask: generation ${generation} is not installed`);
    this.#begin({ asked: { generation, source } });
  }

  /** The message in the carousel was cut for what the schedule was before: it has to be offered again. */
  redirect(endpoint: string, datagramLength: number): void {
    if (this.inForce.schedules === 0) refuse("redirect: there is no schedule yet that could be redirected");
    this.#lead({ endpoint, datagramLength });
    this.#set({ offer: null });
  }

  watchSilence(timeoutNs: number | null): void {
    if (timeoutNs === null) this.#set({ silenceNs: null });
    else this.#begin({ silenceNs: timeoutNs });
  }

  repeatControl(control: NativeControl | null): void {
    if (control === null) {
      this.#set({ control: null });
      return;
    }
    if (this.inForce.schedules === 0) refuse("repeatControl: there is no schedule yet that could carry a block");
    this.#begin({ control: structuredClone(control) });
  }

  sendClose(): void {
    this.#set({ closed: true });
  }

  /** Event: a datagram opened under this generation, so that its stamp is announced no longer. */
  opened(generation: number): void {
    if (this.inForce.sending?.generation === generation) this.#set({ sending: { generation, announce: null } });
  }

  /** Event: the addon has moved already. The first time it took back an end as well. */
  believed(confirmed: number | null, source: string): void {
    this.moveEndpoint(source);
    if (confirmed !== null) this.endAt(null);
  }

  /** Event: no more slots. */
  scheduleEnded(): void {
    this.#set({ schedule: null, endNs: null });
  }

  #lead(to: Partial<NativeSchedule>): void {
    const { schedule } = this.inForce;
    if (schedule !== null) this.#set({ schedule: { ...schedule, ...to } });
  }

  #tellInstalled(): void {
    this.#set({ installed: [...this.sessions.keys()] });
  }

  #set(values: Partial<InForce>): void {
    Object.assign(this.inForce, values);
  }

  #begin(values: Partial<InForce>): void {
    this.#set(values);
    for (const name of Object.keys(values) as (keyof InForce)[]) this.#anew.add(name);
  }
}

function refuse(why: string): never {
  throw new I405Error("ERR_I405_ARGUMENT", why);
}
