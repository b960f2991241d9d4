/** An end's half of a session: what it seals with, what it opens with, what came. */
import { PayloadReader, PayloadWriter, type ControlBlock } from "./aggfrag.js";
import type { PlainSession } from "./key-schedule.js";
import { openData, sealData } from "./wire.js";

/** A datagram that opened. */
export interface Opened {
  counter: number;
  /** The highest counter before it; -1 at first. */
  before: number;
  /** Whole control blocks that it brought. A copy brings none. */
  controls: readonly ControlBlock[];
}

export class Channel {
  readonly reader = new PayloadReader();
  readonly writer = new PayloadWriter();
  /** Counters of the datagrams that opened, as they came. */
  readonly counters: number[] = [];
  /** Payloads that opened, as they came. */
  readonly payloads: Buffer[] = [];
  readonly #session: PlainSession;
  readonly #out: "up" | "down";
  readonly #aeadId: number;
  #counter = 0;
  #highest = -1;
  readonly #seen = new Set<number>();

  constructor(session: PlainSession, out: "up" | "down", aeadId: number) {
    this.#session = session;
    this.#out = out;
    this.#aeadId = aeadId;
  }

  /** The next datagram of n bytes. */
  seal(n: number, every: readonly Buffer[] = [], rekey: Buffer | null = null): Buffer {
    return this.sealPayload(this.writer.next(n - 20, every, rekey));
  }

  /** One that holds these control blocks and nothing of what is tunnelled. */
  sealAlone(n: number, every: readonly Buffer[]): Buffer {
    return this.sealPayload(this.writer.alone(n - 20, every));
  }

  /** A payload that the test made itself. */
  sealPayload(payload: Buffer): Buffer {
    return sealData(this.#session[this.#out], this.#aeadId, this.#counter++, payload);
  }

  /** The counter of the next datagram; writing it leaves some out, or goes back. */
  get counter(): number {
    return this.#counter;
  }

  set counter(counter: number) {
    this.#counter = counter;
  }

  /** Null: it doesn't open. The blocks of one that was there before are not read again. */
  open(datagram: Buffer): Opened | null {
    const keys = this.#session[this.#out === "up" ? "down" : "up"];
    const opened = openData(keys, this.#aeadId, datagram);
    if (opened === null) return null;
    const { counter, payload } = opened;
    const before = this.#highest;
    this.#highest = Math.max(before, counter);
    if (this.#seen.has(counter)) return { counter, before, controls: [] };
    this.#seen.add(counter);
    if (counter !== (this.counters.at(-1) ?? -1) + 1) this.reader.gap();
    this.counters.push(counter);
    this.payloads.push(payload);
    const known = this.reader.controls.length;
    this.reader.read(payload);
    return { counter, before, controls: this.reader.controls.slice(known) };
  }
}
