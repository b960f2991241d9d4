/** The asking end of an audit: one question at a time, repeated until it is answered. */
import { I405Error } from "../../common/errors.js";
import type { I405Tunnel } from "../../index.js";
import { decode, encode, MOST_CHUNKS, recordsIn, VERSION, type Message } from "./messages.js";
import { longestInner, messageIn, packetOf, roomIn } from "./packets.js";
import type { Pattern } from "./patterns.js";
import { MOST_RECORDS, RECORD, Series, type SeriesName } from "./series.js";

/** How often a question is repeated at first, ms; slow wires make it longer. */
const REPEAT_MS = 250;
/** Intervals that a question and its answer take at most, both directions summed, with what waits before them. */
const REPEAT_INTERVALS = 20;
/** How long the other end is waited for, ms: it may have been saturated. */
const PATIENCE_MS = 15_000;
/** How long to wait for somebody who may not be an auditor at all, ms. */
const HELLO_MS = 4_000;

export type AskingTunnel = Pick<I405Tunnel, "connection" | "write" | "on" | "removeListener">;

/** What the other end has of a stretch. */
export type Done = Extract<Message, { type: "done" }>;

export class Asking {
  readonly #tunnel: AskingTunnel;
  readonly #signal: AbortSignal;
  #heard: (message: Message) => void = () => undefined;
  readonly #onPacket = (packet: Uint8Array) => {
    const bytes = messageIn("server", packet);
    const message = bytes === null ? null : decode(bytes);
    if (message !== null) this.#heard(message);
  };

  /** @param signal ends what is being waited for */
  constructor(tunnel: AskingTunnel, signal: AbortSignal) {
    this.#tunnel = tunnel;
    this.#signal = signal;
    tunnel.on("packet", this.#onPacket);
  }

  close(): void {
    this.#tunnel.removeListener("packet", this.#onPacket);
  }

  /** Whether the other end answers audits. */
  async answers(): Promise<boolean> {
    const welcome = await this.#ask({ type: "hello", version: VERSION }, HELLO_MS, (message) =>
      message.type === "welcome" ? message : undefined,
    );
    if (welcome === null) return false;
    if (welcome.version === VERSION) return true;
    throw new I405Error(
      "ERR_I405_AUDIT_PEER",
      `the other end answers audits of version ${welcome.version}, this is version ${VERSION}. ` +
        "Install the same version of i405 at both ends",
    );
  }

  /** Begins a stretch: from here on the other end sends this, and remembers what it receives and sends. */
  async start(stretch: number, pattern: Pattern, seed: number): Promise<void> {
    await this.#done({ type: "start", stretch, pattern, seed }, (done) => done.running);
  }

  /** Ends it. */
  async stop(stretch: number): Promise<Done> {
    return await this.#done({ type: "stop", stretch }, (done) => !done.running);
  }

  async #done(message: Extract<Message, { type: "start" | "stop" }>, fits: (done: Done) => boolean): Promise<Done> {
    const answer = await this.#ask(message, PATIENCE_MS, (heard) =>
      heard.type === "done" && heard.stretch === message.stretch && fits(heard) ? heard : undefined,
    );
    return answer ?? this.#gaveUp(`it was asked to ${message.type} a stretch`);
  }

  /** Fetches what it remembers of a stretch that has ended. */
  async fetch(stretch: number, series: SeriesName, records: number): Promise<Series> {
    const { connection } = this.#tunnel;
    const each = connection === null ? 1 : recordsIn(roomIn(longestInner(connection.wire.down)));
    const total = Math.min(records, MOST_RECORDS);
    const chunks = new Map<number, Uint8Array>();
    const firsts = Array.from({ length: Math.ceil(total / each) }, (_, index) => index * each);
    for (let at = 0; at < firsts.length; at += MOST_CHUNKS) {
      const wanted = new Set(firsts.slice(at, at + MOST_CHUNKS));
      const question = (): Message => ({ type: "get", stretch, series, each, firsts: [...wanted] });
      const complete = await this.#ask(question, PATIENCE_MS, (heard) => {
        if (heard.type !== "chunk" || heard.stretch !== stretch || heard.series !== series) return undefined;
        const expected = Math.min(each, total - heard.first) * RECORD;
        if (heard.records.length === expected && wanted.delete(heard.first)) chunks.set(heard.first, heard.records);
        return wanted.size === 0 ? true : undefined;
      });
      if (complete === null) this.#gaveUp(`${wanted.size} parts of its records are missing`);
    }
    const fetched = new Series();
    for (const first of firsts) fetched.decode(chunks.get(first)!);
    return fetched;
  }

  /** Null: no answer in time. */
  #ask<Answer>(
    message: Message | (() => Message),
    patienceMs: number,
    take: (heard: Message) => Answer | undefined,
  ): Promise<Answer | null> {
    const repeatMs = Math.max(REPEAT_MS, this.#intervalMs() * REPEAT_INTERVALS);
    // What finds no room is said again all the same.
    const say = () =>
      this.#tunnel.write(packetOf("client", encode(typeof message === "function" ? message() : message)));
    return new Promise((resolve, reject) => {
      const settle = (how: () => void) => {
        clearInterval(repeat);
        clearTimeout(patience);
        this.#signal.removeEventListener("abort", aborted);
        this.#heard = () => undefined;
        how();
      };
      const aborted = () => settle(() => reject(new I405Error("ERR_I405_ABORTED", "the audit was ended")));
      const again = () => {
        try {
          say();
        } catch (error) {
          // The tunnel is over.
          settle(() => reject(error instanceof Error ? error : new Error(String(error))));
        }
      };
      const repeat = setInterval(again, repeatMs);
      const patience = setTimeout(() => settle(() => resolve(null)), Math.max(patienceMs, 4 * repeatMs));
      this.#signal.addEventListener("abort", aborted);
      this.#heard = (heard) => {
        const answer = take(heard);
        if (answer !== undefined) settle(() => resolve(answer));
      };
      if (this.#signal.aborted) aborted();
      else again();
    });
  }

  #intervalMs(): number {
    const wire = this.#tunnel.connection?.wire;
    return wire === undefined ? 0 : (wire.up.intervalNs + wire.down.intervalNs) / 1e6;
  }

  #gaveUp(what: string): never {
    throw new I405Error(
      "ERR_I405_AUDIT_PEER",
      `the other end no longer answers: ${what}. Look whether \`i405 audit --listen-addr\` still runs there`,
    );
  }
}
