/** From the send errors of stretches to figures: per stretch, over stretches, and against idle. */
import { percentile, summarize, trim } from "../../lab/figures/stats.js";
import type { DeviationEvent } from "../lib/tunnel.js";

/** Lateness of one stretch, microseconds. */
export interface Lateness {
  /** Trimmed at p99.9: what the hypervisor takes now and then decides the other one. */
  sd: number;
  sdUntrimmed: number;
  p1: number;
  p50: number;
  p90: number;
  p99: number;
  p999: number;
  max: number;
  /** Slots that were sent. */
  sent: number;
  missed: number;
}

const US = 1000;

/** On the wire, from send errors by slot; null if nothing was seen. */
export function wireLateness(errorsNs: Float64Array): Lateness | null {
  const sent = [...errorsNs.filter((error) => !Number.isNaN(error))];
  if (sent.length === 0) return null;
  const all = summarize(sent);
  return {
    sd: summarize(trim(sent)).stddev / US,
    sdUntrimmed: all.stddev / US,
    p1: percentile(sent, 0.01) / US,
    p50: all.p50 / US,
    p90: all.p90 / US,
    p99: all.p99 / US,
    p999: all.p999 / US,
    max: all.max / US,
    sent: sent.length,
    missed: errorsNs.length - sent.length,
  };
}

/** Middle of a list; the mean of the middle two of an even number. NaN for an empty one. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/**
 * At the call, from the deviation events of a stretch, one a second or so: medians of their quantiles, the deviation of
 * all of them together, the greatest maximum. Trimming needs single slots, which they don't have.
 */
export function callLateness(events: readonly DeviationEvent[]): Lateness | null {
  const full = events.filter(({ count }) => count > 0);
  if (full.length === 0) return null;
  const count = full.reduce((sum, event) => sum + event.count, 0);
  const over = (pick: (event: DeviationEvent) => number) =>
    full.reduce((sum, event) => sum + event.count * pick(event), 0) / count;
  const mean = over((event) => event.mean);
  const middle = (pick: (event: DeviationEvent) => number) => median(full.map(pick));
  return {
    sd: middle(({ stddev }) => stddev),
    sdUntrimmed: Math.sqrt(over((event) => event.stddev ** 2 + (event.mean - mean) ** 2)),
    p1: middle(({ p1 }) => p1),
    p50: middle(({ p50 }) => p50),
    p90: middle(({ p90 }) => p90),
    p99: middle(({ p99 }) => p99),
    p999: middle(({ p999 }) => p999),
    max: Math.max(...full.map(({ max }) => max)),
    sent: count,
    missed: full.reduce((sum, { missed }) => sum + missed, 0),
  };
}

/** Medians over the stretches of a condition; the greatest maximum, and the sums of the sent and the missed. */
export function overStretches(parts: readonly (Lateness | null)[]): Lateness | null {
  const seen = parts.filter((part) => part !== null);
  if (seen.length === 0) return null;
  const middle = (pick: (part: Lateness) => number) => median(seen.map(pick));
  return {
    sd: middle(({ sd }) => sd),
    sdUntrimmed: middle(({ sdUntrimmed }) => sdUntrimmed),
    p1: middle(({ p1 }) => p1),
    p50: middle(({ p50 }) => p50),
    p90: middle(({ p90 }) => p90),
    p99: middle(({ p99 }) => p99),
    p999: middle(({ p999 }) => p999),
    max: Math.max(...seen.map(({ max }) => max)),
    sent: seen.reduce((sum, { sent }) => sum + sent, 0),
    missed: seen.reduce((sum, { missed }) => sum + missed, 0),
  };
}

/** Stretches one after another, with a seam that no gap is taken over. */
export function joined(stretches: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(stretches.reduce((sum, { length }) => sum + length + 1, 0)).fill(NaN);
  let at = 0;
  for (const stretch of stretches) {
    all.set(stretch, at);
    at += stretch.length + 1;
  }
  return all;
}
