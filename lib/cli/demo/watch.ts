/** What was seen and what was sent, apart for quiet and busy stretches. No clock of its own: times are arguments. */
import type { Deviation } from "../../index.js";
import type { Spread } from "./figures.js";
import type { Sighting } from "./relay.js";

export type Condition = "quiet" | "busy";
export type Direction = "up" | "down";

/** After a change the waiting queue still empties or fills (50 ms), so this much is left out of the comparison, ms. */
const SETTLING_MS = 100;
/** One column of the history, ms. */
export const COLUMN_MS = 250;
/** Rates on the screen are means over this time, ms, and lag behind by as much, because sightings come in batches. */
const RATE_WINDOW_MS = 500;
const RATE_LAG_MS = 100;

interface Stretch {
  condition: Condition;
  fromMs: number;
}

export interface Seen {
  intervals: number[];
  datagrams: number;
  /** Time that counts, ms. */
  watchedMs: number;
}

/** Bytes over time, in columns of the history. */
class Meter {
  readonly columns: number[] = [];
  readonly #recent: { atMs: number; bytes: number }[] = [];

  constructor(readonly startMs: number) {}

  add(atMs: number, bytes: number): void {
    const column = Math.floor((atMs - this.startMs) / COLUMN_MS);
    if (column < 0) return;
    while (this.columns.length <= column) this.columns.push(0);
    this.columns[column]! += bytes;
    this.#recent.push({ atMs, bytes });
  }

  /** Bytes per second. */
  rate(nowMs: number): number {
    const toMs = nowMs - RATE_LAG_MS;
    const fromMs = Math.max(this.startMs, toMs - RATE_WINDOW_MS);
    while ((this.#recent[0]?.atMs ?? Infinity) < fromMs) this.#recent.shift();
    const sum = this.#recent.reduce((total, { atMs, bytes }) => (atMs < toMs ? total + bytes : total), 0);
    return toMs > fromMs ? (sum * 1000) / (toMs - fromMs) : 0;
  }
}

export class Watch {
  readonly inside: Record<Direction, Meter>;
  readonly wire: Record<Direction, Meter>;
  /** IP lengths on the wire. */
  readonly lengths = new Set<number>();
  readonly lateness: Record<Condition, (Spread & { max: number; missed: number })[]> = { quiet: [], busy: [] };
  readonly #stretches: Stretch[] = [];
  readonly #seen: Record<Direction, Record<Condition, Seen>> = { up: emptySeen(), down: emptySeen() };
  readonly #insideBytes: Record<Condition, number> = { quiet: 0, busy: 0 };
  readonly #lastMs: Partial<Record<Direction, number>> = {};

  constructor(readonly startMs: number) {
    this.inside = { up: new Meter(startMs), down: new Meter(startMs) };
    this.wire = { up: new Meter(startMs), down: new Meter(startMs) };
  }

  begin(condition: Condition, atMs: number): void {
    this.#stretches.push({ condition, fromMs: atMs });
  }

  /** The stretch at that time, if it has settled. */
  #settled(atMs: number): Stretch | undefined {
    const stretch = this.#stretches.findLast(({ fromMs }) => fromMs <= atMs);
    return stretch !== undefined && atMs >= stretch.fromMs + SETTLING_MS ? stretch : undefined;
  }

  saw({ direction, atMs, length }: Sighting): void {
    if (atMs < this.startMs) return;
    this.wire[direction].add(atMs, length);
    this.lengths.add(length);
    const lastMs = this.#lastMs[direction];
    this.#lastMs[direction] = atMs;
    const stretch = this.#settled(atMs);
    if (stretch === undefined || lastMs === undefined || this.#settled(lastMs) !== stretch) return;
    const seen = this.#seen[direction][stretch.condition];
    seen.intervals.push(atMs - lastMs);
    seen.datagrams += 1;
    seen.watchedMs += atMs - lastMs;
  }

  sent(direction: Direction, atMs: number, bytes: number): void {
    this.inside[direction].add(atMs, bytes);
    const stretch = this.#stretches.at(-1);
    if (direction === "up" && stretch !== undefined) this.#insideBytes[stretch.condition] += bytes;
  }

  /** A report over the `overMs` before `atMs`; one that spans a change belongs to neither. */
  late(deviation: Deviation, atMs: number, overMs: number): void {
    const stretch = this.#settled(atMs - overMs);
    if (stretch === undefined || this.#settled(atMs) !== stretch) return;
    const { count, mean, stddev, max, missed } = deviation;
    this.lateness[stretch.condition].push({ count, mean, stddev, max, missed });
  }

  seen(direction: Direction, condition: Condition): Seen {
    return this.#seen[direction][condition];
  }

  /** Bytes per second that went in upwards while it was so. */
  insideRate(condition: Condition, nowMs: number): number {
    const totalMs = this.#stretches.reduce((sum, stretch, place) => {
      if (stretch.condition !== condition) return sum;
      return sum + ((this.#stretches[place + 1]?.fromMs ?? nowMs) - stretch.fromMs);
    }, 0);
    return totalMs === 0 ? 0 : (this.#insideBytes[condition] * 1000) / totalMs;
  }
}

function emptySeen(): Record<Condition, Seen> {
  const seen = () => ({ intervals: [], datagrams: 0, watchedMs: 0 });
  return { quiet: seen(), busy: seen() };
}
