/** Short spans of a stretch, and what an observer could compute of each. */
import { gapsOf } from "./gaps.js";
import type { Seen } from "./observation.js";

/** Gaps that a window has: enough for a variance to within a tenth. */
const GAPS_PER_WINDOW = 200;

/** One window: gaps in a row. */
export interface Window {
  /** Which stretch of its condition, and where in it, nanoseconds. */
  stretch: number;
  fromNs: number;
  gaps: Float64Array;
}

/** Windows of so many gaps each; what is left over at the end of a stretch is dropped. */
export function windowsOf(seen: readonly Seen[], gapsEach = GAPS_PER_WINDOW): Window[] {
  return seen.flatMap(({ timesNs, fromNs }, stretch) => {
    const gaps = gapsOf(timesNs);
    return Array.from({ length: Math.floor(gaps.length / gapsEach) }, (_, index) => ({
      stretch,
      fromNs: timesNs[index * gapsEach]! - fromNs,
      gaps: gaps.subarray(index * gapsEach, (index + 1) * gapsEach),
    }));
  });
}

/** Gaps are cut here before their variance is taken, because single stalls have effects of their own. */
export interface Clip {
  low: number;
  high: number;
}

/** Cut at this share on both sides. */
const CLIPPED = 0.001;

/** @param gaps of all conditions together; sorted in place */
export function clipOf(gaps: Float64Array): Clip {
  const sorted = gaps.sort();
  const at = (share: number) => sorted[Math.min(Math.floor(share * sorted.length), sorted.length - 1)] ?? 0;
  return { low: at(CLIPPED), high: at(1 - CLIPPED) };
}

/** Mean and variance of gaps, each cut at the clip. */
export function clipped(gaps: Float64Array, { low, high }: Clip): { mean: number; variance: number } {
  let [sum, square] = [0, 0];
  const middle = (low + high) / 2;
  for (const gap of gaps) {
    const value = Math.min(Math.max(gap, low), high) - middle;
    sum += value;
    square += value * value;
  }
  const mean = sum / gaps.length;
  return { mean: mean + middle, variance: Math.max(square / gaps.length - mean * mean, 0) };
}

/** Names of {@link features}, in order. */
export const FEATURES = [
  ...["mean", "spread", "skewness", "tailedness", "echo 1", "echo 2", "echo 3", "smooth spread"],
  ...["smallest", "10 %", "median", "90 %", "largest", "long gaps", "short gaps", "same as before"],
] as const;

/** Gaps that are added up for the smooth spread. */
const SMOOTH = 8;

/** What a learned attacker sees of a window. Nothing in it depends on where the window lies. */
export function features({ gaps }: Window, clip: Clip): Float64Array {
  const count = gaps.length;
  const { mean, variance } = clipped(gaps, clip);
  const sd = Math.sqrt(variance) || 1;
  const deviations = gaps.map((gap) => (Math.min(Math.max(gap, clip.low), clip.high) - mean) / sd);
  const moment = (power: number) => deviations.reduce((sum, value) => sum + value ** power, 0) / count;
  const echo = (lag: number) => {
    let sum = 0;
    for (let at = lag; at < count; at += 1) sum += deviations[at]! * deviations[at - lag]!;
    return sum / (count - lag);
  };
  let smooth = 0;
  for (let at = 0; at + SMOOTH <= count; at += SMOOTH) {
    smooth += deviations.subarray(at, at + SMOOTH).reduce((sum, value) => sum + value, 0) ** 2;
  }
  const sorted = gaps.slice().sort();
  let same = 0;
  for (let at = 1; at < count; at += 1) if (Math.abs(deviations[at]! - deviations[at - 1]!) < 0.1) same += 1;
  return Float64Array.of(
    ...[mean, Math.log(variance + 1), moment(3), moment(4), echo(1), echo(2), echo(3), Math.log(smooth + 1e-9)],
    ...[sorted[0]!, sorted[Math.floor(0.1 * count)]!, sorted[count >> 1]!, sorted[Math.floor(0.9 * count)]!],
    ...[sorted[count - 1]!, gaps.filter((gap) => gap > clip.high).length],
    ...[gaps.filter((gap) => gap < clip.low).length, same],
  );
}
