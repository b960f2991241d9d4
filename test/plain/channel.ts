/** An end's half of a session: what it seals with, what it opens with, what came. */
import { PayloadReader, PayloadWriter } from "./aggfrag.js";
import type { PlainSession } from "./key-schedule.js";
import { openData, sealData } from "./wire.js";

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

  constructor(session: PlainSession, out: "up" | "down", aeadId: number) {
    this.#session = session;
    this.#out = out;
    this.#aeadId = aeadId;
  }

  /** The next datagram of n bytes. */
  seal(n: number, front: readonly Buffer[] = []): Buffer {
    return this.sealPayload(this.writer.next(n - 20, front));
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

  /** Whether the datagram opens; if so its blocks are read. */
  open(datagram: Buffer): boolean {
    const keys = this.#session[this.#out === "up" ? "down" : "up"];
    const opened = openData(keys, this.#aeadId, datagram);
    if (opened === null) return false;
    if (opened.counter !== (this.counters.at(-1) ?? -1) + 1) this.reader.gap();
    this.counters.push(opened.counter);
    this.payloads.push(opened.payload);
    this.reader.read(opened.payload);
    return true;
  }
}
