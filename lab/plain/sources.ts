/**
 * Whom a server believes, as docs/protocol.md has it ("Sources"), before it knows where its client is: sources of a
 * response, and the candidates at the confirmation.
 */
import { randomBytes } from "node:crypto";
import { CHALLENGE_BYTES } from "./aggfrag.js";
import type { Source } from "./end.js";

/** So many sources get the response, and so many others may be candidates beside them. */
export const MOST_SOURCES = 4;

export function nameOf({ address, port }: Source): string {
  return `${address}:${port}`;
}

export function newChallenge(): Buffer {
  return randomBytes(CHALLENGE_BYTES);
}

/** Sources take turns: it is the one's whose last turn is the longest ago. */
export class Turns {
  readonly #last = new Map<string, number>();
  #now = 0;

  next<T extends Source>(sources: readonly T[]): T | null {
    const last = (source: Source) => this.#last.get(nameOf(source)) ?? 0;
    const [next] = [...sources].sort((one, other) => last(one) - last(other));
    if (next === undefined) return null;
    this.#last.set(nameOf(next), ++this.#now);
    return next;
  }
}

interface Counted {
  source: Source;
  nonces: Set<string>;
  order: number;
}

/** Counts of distinct nonces under one stamp, by source. */
export class NonceCounts {
  readonly #counted = new Map<string, Counted>();

  count(source: Source, datagram: Buffer): void {
    const name = nameOf(source);
    const counted = this.#counted.get(name) ?? { source, nonces: new Set(), order: randomBytes(4).readUInt32BE() };
    counted.nonces.add(datagram.toString("latin1", 4, 20));
    this.#counted.set(name, counted);
  }

  /** Where the response goes: counts with the same number of bits are equal, and then chance decides. */
  get targets(): Source[] {
    const bits = ({ nonces }: Counted) => nonces.size.toString(2).length;
    return [...this.#counted.values()]
      .sort((one, other) => bits(other) - bits(one) || one.order - other.order)
      .slice(0, MOST_SOURCES)
      .map(({ source }) => source);
  }
}

export interface Candidate {
  source: Source;
  challenge: Buffer;
  /** Datagrams that opened from there. */
  opened: number;
}

/** Who may be the client at the confirmation. */
export class Candidates {
  readonly #answered: Candidate[];
  readonly #others = new Map<string, Candidate>();
  readonly #turns = new Turns();

  constructor(answered: readonly Source[]) {
    this.#answered = answered.map(candidate);
  }

  /** A datagram from there opened under the session's key, a copy perhaps. */
  opened(source: Source): void {
    const name = nameOf(source);
    if (this.#answered.some((each) => nameOf(each.source) === name)) return;
    const other = this.#others.get(name) ?? candidate(source);
    other.opened += 1;
    this.#others.set(name, other);
  }

  /** Of the others those from which the most came; of those with as many, the earliest. */
  get all(): Candidate[] {
    const others = [...this.#others.values()].sort((one, other) => other.opened - one.opened);
    return [...this.#answered, ...others.slice(0, MOST_SOURCES)];
  }

  /** Whose slot it is. */
  next(): Candidate {
    const { all } = this;
    const next = this.#turns.next(all.map(({ source }) => source))!;
    return all.find(({ source }) => source === next)!;
  }

  /** The source that this echo makes believed. */
  believed(echo: Buffer): Source | null {
    return this.all.find(({ challenge }) => challenge.equals(echo))?.source ?? null;
  }
}

function candidate(source: Source): Candidate {
  return { source, challenge: newChallenge(), opened: 0 };
}
