/** What a fake server does to believe where its client is: it asks, and waits for the echo (docs/protocol.md, "Sources"). */
import type { NativeEvent } from "../../lib/native/events.js";

/** Datagrams in a row from a new source after which a server's client is asked there. */
const RUN = 8;
/** A client that is believed to be somewhere is asked elsewhere in every so many slots. */
const EVERY_LATER = 8;

interface Asked {
  source: string;
  token: number;
  /** As in `believed`. */
  confirmed: number | null;
}

export class FakeAsking {
  readonly #emit: (event: NativeEvent) => void;
  #endpoint = "";
  #asked: Asked | null = null;
  #run: { source: string; length: number } = { source: "", length: 0 };
  #tokens = 0;
  #slot = 0;

  constructor(emit: (event: NativeEvent) => void) {
    this.#emit = emit;
  }

  moved(endpoint: string): void {
    this.#endpoint = endpoint;
    this.#asked = null;
    this.#run = { source: "", length: 0 };
  }

  ask(generation: number, source: string): void {
    this.#begin(source, generation);
  }

  forget(generation: number): void {
    if (this.#asked?.confirmed === generation) this.#asked = null;
  }

  #begin(source: string, confirmed: number | null): void {
    this.#asked = { source, confirmed, token: (this.#tokens += 1) };
  }

  /** A datagram under the current key. The run alone counts: nobody copies datagrams here. */
  opened(source: string): void {
    if (source === this.#endpoint || this.#asked?.confirmed != null) return;
    this.#run = { source, length: source === this.#run.source ? this.#run.length + 1 : 1 };
    if (this.#run.length === RUN) this.#begin(source, null);
  }

  /** Where the next data slot goes, and what it asks; null: to the endpoint. */
  next(): { source: string; token: number } | null {
    this.#slot += 1;
    const asked = this.#asked;
    if (asked === null || (asked.confirmed === null && this.#slot % EVERY_LATER !== 0)) return null;
    return asked;
  }

  /** Where the client is believed to be now, if that was asked. */
  echoed(token: number): { confirmed: number | null; source: string } | null {
    const asked = this.#asked;
    if (asked?.token !== token) return null;
    this.moved(asked.source);
    this.#emit({ type: "believed", confirmed: asked.confirmed, source: asked.source });
    return asked;
  }
}
