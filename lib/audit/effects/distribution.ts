/** Do the gaps of two conditions have one distribution? As a whole, in the tails, in rate and in spread. */
import { binEdges, histogram } from "../../statistics/binned-n95.js";
import { andersonDarling, chiSquared, kolmogorovSmirnov, welch } from "../../statistics/two-sample.js";
import { allGaps } from "../gaps.js";
import type { Seen } from "../observation.js";
import type { Schedule } from "../schedule.js";
import { clipped, windowsOf, type Clip } from "../windows.js";
import { percent, short, us, type Effect } from "./effect.js";

/** Windows that a condition needs for a test over windows. */
const FEWEST_WINDOWS = 6;
/** Windows of 1 s to 1 min, in seconds. */
const WINDOW_S = [1, 2, 5, 10, 20, 30, 60];
/** Gaps that a window must have for its variance to mean something. */
const FEWEST_GAPS = 30;
/** A gap is late if it is longer than the longest that is drawn by more than this share of an interval. */
const LATE = 0.5;

/** Kolmogorov-Smirnov, chi-squared and Anderson-Darling over all gaps. */
export function gapEffects(a: readonly Seen[], b: readonly Seen[]): Effect[] {
  const [one, other] = [allGaps(a).sort(), allGaps(b).sort()];
  if (Math.min(one.length, other.length) < 50) return [];
  const ks = kolmogorovSmirnov(one, other);
  const ad = andersonDarling(one, other);
  const edges = binEdges([one, other]);
  const chi = chiSquared(histogram(one, edges), histogram(other, edges));
  const what = "the distribution of gaps differs";
  return [
    {
      effect: "gaps",
      measure: ks.statistic,
      p: ks.p,
      words: `${what}, by up to ${percent(ks.statistic)} of the gaps (Kolmogorov-Smirnov)`,
    },
    {
      effect: "gaps",
      measure: chi.statistic / Math.max(chi.degrees, 1),
      p: chi.p,
      words: `${what} (chi-squared ${short(chi.statistic)}, ${chi.degrees} degrees)`,
    },
    {
      effect: "tails",
      measure: ad.statistic,
      p: ad.p,
      words: `${what}, tails included (Anderson-Darling ${short(ad.statistic)})`,
    },
  ];
}

/** Mean gap, and variance over windows of several lengths. */
export function windowEffects(a: readonly Seen[], b: readonly Seen[], schedule: Schedule, clip: Clip): Effect[] {
  const effects: Effect[] = [];
  const [first, second] = [a, b].map((seen) =>
    allGaps(seen).map((gap) => Math.min(Math.max(gap, clip.low), clip.high)),
  );
  const rate = welch(first!, second!);
  const mean = (gaps: Float64Array) => gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  const shift = mean(second!) - mean(first!);
  effects.push({
    effect: "rate",
    measure: shift,
    p: rate.p,
    words: `gaps are ${us(Math.abs(shift))} ${shift > 0 ? "longer" : "shorter"} on average`,
  });
  for (const seconds of WINDOW_S) {
    const gapsEach = Math.round((seconds * 1e9) / schedule.intervalNs);
    if (gapsEach < FEWEST_GAPS) continue;
    const [one, other] = [a, b].map((seen) =>
      windowsOf(seen, gapsEach).map(({ gaps }) => Math.log(clipped(gaps, clip).variance + 1)),
    ) as [number[], number[]];
    if (Math.min(one.length, other.length) < FEWEST_WINDOWS) break;
    const { p } = welch(one, other);
    const average = (logs: number[]) => logs.reduce((sum, log) => sum + log, 0) / logs.length;
    const ratio = Math.exp((average(other) - average(one)) / 2);
    effects.push({
      effect: "spread",
      measure: ratio,
      p,
      words: `gaps scatter ${short(ratio)} times as much, over windows of ${seconds} s`,
    });
  }
  return effects;
}

/** Slots that were skipped or sent late: gaps longer than any that is drawn. */
export function lateCount(gaps: Float64Array, { intervalNs, jitterNs }: Schedule): number {
  const longest = intervalNs + jitterNs + LATE * intervalNs;
  return gaps.reduce((count, gap) => count + (gap > longest ? 1 : 0), 0);
}

/** Gaps longer than any that is drawn: more of them under one condition? */
export function skippedEffect(a: readonly Seen[], b: readonly Seen[], schedule: Schedule): Effect[] {
  const [one, other] = [allGaps(a), allGaps(b)];
  const [late, otherLate] = [lateCount(one, schedule), lateCount(other, schedule)];
  if (late + otherLate === 0) return [];
  const { p } = chiSquared([late, one.length - late], [otherLate, other.length - otherLate]);
  const [share, otherShare] = [late / one.length, otherLate / other.length];
  const words = `skipped or very late slots: ${percent(share)} of the gaps against ${percent(otherShare)}`;
  return [{ effect: "skipped", measure: otherShare - share, p, words }];
}
