/**
 * Joins the records of both ends to what an observer has seen: which datagram was which slot's, and how far from its
 * deadline it came.
 *
 * Records are matched by counter. Each end numbers generations for itself, but in the same order. The clocks of two
 * machines differ and drift, so a line is fitted to each stretch and taken away; on one machine that line is flat.
 */
import { robustLine } from "../grid.js";
import type { Seen, Stretch } from "../observation.js";
import type { Records } from "./series.js";

/** A stretch on the local clock, from the experiment's origin; and by the wall clock. */
export interface Span extends Stretch {
  fromNs: number;
  toNs: number;
}

/** Generations travel in 16 bits; all ones is a datagram under no session. */
const GENERATIONS = 2 ** 16;
const NO_SESSION = GENERATIONS - 1;
/** Counters end at 2^28 (docs/protocol.md). */
const COUNTERS = 2 ** 28;
/** Missed slots that are written out one by one at most: more of them say nothing more. */
const MOST_MISSED = 1000;

/** When the datagram of each slot was received, on the receiver's clock; NaN: not at all, or under no session. */
export function arrivalsOf(slots: Records, arrivals: Records): Float64Array {
  const [sent, received] = [generationsIn(slots), generationsIn(arrivals)];
  // A rekey at the edge of a stretch may show at one end only, so the lists meet at the front or at the back.
  const shifts = new Set([0, received.length - sent.length]);
  const candidates = [...shifts].map((shift) => {
    const partner = new Map(received.map((generation, index) => [generation, sent[index - shift]]));
    return matched(slots, arrivals, partner);
  });
  return candidates.reduce((best, one) => (spreadOf(slots, one) < spreadOf(slots, best) ? one : best));
}

function generationsIn({ generation }: Records): number[] {
  return [...new Set(Array.from(generation, (each) => each % GENERATIONS))].filter((each) => each !== NO_SESSION);
}

function matched(slots: Records, arrivals: Records, partner: ReadonlyMap<number, number | undefined>): Float64Array {
  const at = new Map<number, number>();
  arrivals.counter.forEach((counter, index) => {
    const generation = partner.get(arrivals.generation[index]! % GENERATIONS);
    if (generation !== undefined) at.set(generation * COUNTERS + counter, arrivals.timeNs[index]!);
  });
  return slots.counter.map((counter, index) => {
    const generation = slots.generation[index]! % GENERATIONS;
    return generation === NO_SESSION ? NaN : (at.get(generation * COUNTERS + counter) ?? NaN);
  });
}

/** How much the times from deadline to arrival scatter, by quartiles; Infinity where nothing matched. */
function spreadOf({ timeNs }: Records, arrivals: Float64Array): number {
  const delays = arrivals
    .map((at, index) => at - timeNs[index]!)
    .filter((delay) => !Number.isNaN(delay))
    .sort();
  const quartile = (share: number) => delays[Math.floor(share * (delays.length - 1))]!;
  return delays.length === 0 ? Infinity : quartile(0.75) - quartile(0.25);
}

/** A slot and when it was seen. */
interface Slot {
  deadlineNs: number;
  atNs: number;
  missed: number;
}

/** How times of sight are to be taken. */
export interface Sight {
  /** Deadlines and times of sight are on clocks of two machines. */
  twoClocks: boolean;
  /** Which of the two the experiment's origin is on. */
  local: "deadlines" | "sights";
}

/**
 * What was seen in a stretch.
 *
 * @param slots deadlines on their clock
 * @param atNs when each was seen, NaN if it wasn't
 * @param span on the local clock
 */
export function seenIn(slots: Records, atNs: Float64Array, span: Span, { twoClocks, local }: Sight): Seen {
  const all = Array.from(atNs, (at, index): Slot => {
    return { deadlineNs: slots.timeNs[index]!, atNs: at, missed: slots.missed[index]! };
  });
  all.sort((one, other) => one.deadlineNs - other.deadlineNs);
  const known = all.filter(({ atNs: at }) => !Number.isNaN(at));
  const deadlines = Float64Array.from(known, ({ deadlineNs }) => deadlineNs);
  const sights = Float64Array.from(known, ({ atNs: at }) => at);
  const middle = known.length >> 1;
  const start = { origin: (sights[middle] ?? 0) - (deadlines[middle] ?? 0), step: 1 };
  const line = twoClocks ? robustLine(deadlines, sights, start) : { origin: 0, step: 1 };
  const [times, errors]: [number[], number[]] = [[], []];
  for (const { deadlineNs, atNs: at, missed } of all) {
    // A slot that wasn't seen is put where it should have been seen.
    const error = at - line.origin - line.step * deadlineNs;
    const localNs = local === "deadlines" ? deadlineNs : line.origin + line.step * deadlineNs;
    if (localNs < span.fromNs || localNs >= span.toNs) continue;
    errors.push(error);
    if (!Number.isNaN(error)) times.push(localNs + error);
    for (let slot = 0; slot < Math.min(missed, MOST_MISSED); slot += 1) errors.push(NaN);
  }
  return {
    ...{ label: span.label, fromNs: span.fromNs, toNs: span.toNs },
    ...{ timesNs: Float64Array.from(times).sort(), errorsNs: Float64Array.from(errors) },
  };
}
