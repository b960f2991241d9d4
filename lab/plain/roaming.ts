/** Where a client is that was believed before, as docs/protocol.md has it ("Sources", "Later"). */
import type { Opened } from "./channel.js";
import type { Source } from "./end.js";
import { MOST_SOURCES, nameOf, newChallenge, Turns } from "./sources.js";

/** Datagrams in a row that make a run complete. */
const RUN = 8;
/** Challenges that one source gets at most, and all sources together in a window. */
const MOST_EACH = 16;
const MOST_TOGETHER = 32;
const WINDOW_MS = 10_000;
/** One slot in so many is for sources other than the endpoint. */
const SHARE = 8;

/** A source other than the endpoint. */
interface Other {
  source: Source;
  /** Datagrams of the run, and after it, that came from there. */
  counted: number;
  challenge: Buffer;
  /** Datagrams with the challenge. */
  sent: number;
  /** Whether there was one, so that an echo counts. */
  stands: boolean;
}

/** What a slot is for: `alone` is a challenge with nothing of what is tunnelled. */
export interface Slot {
  to: Source;
  challenge: Buffer | null;
  alone: boolean;
}

export class Roaming {
  #endpoint: Source;
  /** The first counter of the run, and how many it has. */
  #run: { first: number; length: number } | null = null;
  #others = new Map<string, Other>();
  /** The endpoint's own challenge, while others are challenged. */
  #own: Buffer | null = null;
  /** When a source was first challenged, and how often since. It outlives a run. */
  readonly #sent = new Map<string, { firstMs: number; count: number }>();
  /** When each of the challenges left. */
  #times: { nowMs: number; to: string }[] = [];
  #sinceChallenge = SHARE - 1;
  readonly #turns = new Turns();

  constructor(endpoint: Source) {
    this.#endpoint = endpoint;
  }

  get endpoint(): Source {
    return this.#endpoint;
  }

  /** A datagram opened under the current key. */
  opened(source: Source, { counter, before }: Opened): void {
    if (nameOf(source) === nameOf(this.#endpoint)) {
      if (this.#run !== null && counter >= this.#run.first) this.#heardFromEndpoint();
      return;
    }
    if (counter > before) {
      this.#run ??= { first: counter, length: 0 };
      this.#run.length += 1;
    }
    if (this.#run === null || counter < this.#run.first) return;
    const name = nameOf(source);
    const other = this.#others.get(name) ?? newOther(source);
    other.counted += 1;
    this.#others.set(name, other);
  }

  /** Counters begin anew; challenges stand. */
  rekeyed(): void {
    this.#run = null;
  }

  /** Whether the client is somewhere else now. */
  echo(body: Buffer): boolean {
    if (this.#own?.equals(body) === true) {
      this.#heardFromEndpoint();
      return false;
    }
    const believed = [...this.#others.values()].find(({ challenge, stands }) => stands && challenge.equals(body));
    if (believed === undefined) return false;
    this.#endpoint = believed.source;
    this.#times = this.#times.filter(({ to }) => to !== nameOf(believed.source));
    this.#sent.delete(nameOf(believed.source));
    this.#end();
    return true;
  }

  slot(nowMs: number): Slot {
    const other = this.#sinceChallenge >= SHARE - 1 ? this.#next(nowMs) : null;
    if (other === null) {
      this.#sinceChallenge += 1;
      return { to: this.#endpoint, challenge: this.#own, alone: false };
    }
    this.#sinceChallenge = 0;
    other.sent += 1;
    other.stands = true;
    this.#own ??= newChallenge();
    const since = this.#sent.get(nameOf(other.source)) ?? { firstMs: nowMs, count: 0 };
    since.count += 1;
    this.#sent.set(nameOf(other.source), since);
    this.#times.push({ nowMs, to: nameOf(other.source) });
    return { to: other.source, challenge: other.challenge, alone: true };
  }

  /** Who is challenged now. */
  #next(nowMs: number): Other | null {
    if (this.#run === null || this.#run.length < RUN) return null;
    this.#times = this.#times.filter((time) => time.nowMs > nowMs - WINDOW_MS);
    if (this.#times.length >= MOST_TOGETHER) return null;
    for (const other of this.#others.values()) {
      const since = this.#sent.get(nameOf(other.source));
      if (since === undefined || nowMs - since.firstMs < WINDOW_MS) continue;
      // Counted anew, with what comes from now on.
      this.#sent.delete(nameOf(other.source));
      other.sent = other.counted = 0;
    }
    const due = [...this.#others.values()]
      .sort((one, other) => other.counted - one.counted)
      .slice(0, MOST_SOURCES)
      .filter(({ sent, counted }) => sent < counted)
      .filter(({ source }) => (this.#sent.get(nameOf(source))?.count ?? 0) < MOST_EACH);
    const next = this.#turns.next(due.map(({ source }) => source));
    return due.find(({ source }) => source === next) ?? null;
  }

  /** The client is heard from the endpoint: who was challenged has had its chance for now. */
  #heardFromEndpoint(): void {
    for (const since of this.#sent.values()) since.count = MOST_EACH;
    this.#end();
  }

  #end(): void {
    this.#run = null;
    this.#others = new Map();
    this.#own = null;
  }
}

function newOther(source: Source): Other {
  return { source, counted: 0, challenge: newChallenge(), sent: 0, stands: false };
}
