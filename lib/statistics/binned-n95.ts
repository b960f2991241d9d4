/**
 * n95 from gaps alone, for when deadlines are not known. It compares histograms of the two conditions.
 *
 * Bins hold about equal numbers of gaps, and are finer towards both ends, where the edges of a jitter's density are. A
 * histogram of K bins makes two samples of one distribution look different: the squared Hellinger distance is too large
 * by about (K - 1) / 8 x (1/N + 1/M). The bootstrap over blocks measures that, also where neighbouring gaps depend on
 * each other, and it is subtracted. Unlike n95.ts, this can't see far beyond the number of gaps that were watched.
 */
import { BlockBootstrap } from "./block-bootstrap.js";
import { bhattacharyya } from "./hellinger.js";
import { LEAST, type N95 } from "./n95.js";
import { quantile } from "./quantile.js";

/** Blocks that each sample is cut into, resamples of them, and the seed that makes results repeatable. */
const [BLOCKS, RESAMPLES, SEED] = [64, 400, 1405];
/** Most bins between the tails, and gaps of the smaller sample that a bin must have. */
const [MOST_BINS, PER_BIN] = [48, 50];
/** Shares at which the tails are cut. */
const TAILS = [0.0005, 0.001, 0.002, 0.005, 0.01];
/** Fewest gaps of a condition. */
export const FEWEST_GAPS = 200;

/** Options of {@link binnedN95}. */
export interface BinnedOptions {
  /** Quantile at which both tails are cut, above 0.5 to 1. Default 1: nothing is cut. */
  trim?: number;
  /** Probability that n95 lies in low..high. Default 0.95. */
  confidence?: number;
}

/**
 * @param a gaps of one condition in the order they were seen
 * @param b gaps of the other
 * @returns null if there are fewer than {@link FEWEST_GAPS} of either
 */
export function binnedN95(a: Float64Array, b: Float64Array, { trim = 1, confidence = 0.95 }: BinnedOptions = {}) {
  const samples = [a, b].map((gaps) => (trim < 1 ? between(gaps, trim) : gaps)) as [Float64Array, Float64Array];
  if (samples.some(({ length }) => length < FEWEST_GAPS)) return null;
  const edges = binEdges(samples);
  const bins = edges.length + 1;
  const blocks = samples.map((gaps) => histograms(gaps, edges));
  const totals = blocks.map((each) => sum(each, bins));
  const measured = distance(totals[0]!, totals[1]!);
  const bootstrap = new BlockBootstrap(SEED);
  const resampled = Float64Array.from({ length: RESAMPLES }, () => {
    const [one, other] = blocks.map((each) => {
      const total = new Float64Array(bins);
      bootstrap.draw(each.length, 1, (first) => each[first]!.forEach((count, bin) => (total[bin]! += count)));
      return total;
    });
    return distance(one!, other!);
  }).sort();
  const mean = resampled.reduce((all, each) => all + each, 0) / RESAMPLES;
  const expected = ((bins - 1) / 8) * (1 / samples[0].length + 1 / samples[1].length);
  // Blocks of a short sample say less about the bias than the formula does, and gaps that hang together more.
  const bias = Math.max(mean - measured, expected, 0);
  const corrected = Math.max(measured - bias, 0);
  const tail = (1 - confidence) / 2;
  // A distance near 0 is skewed: its spread is that of the formula's chi-squared at least.
  const chance = 2 * (expected / (bins - 1)) * Math.sqrt(2 * (bins - 1));
  const nearest = corrected - Math.max(mean - quantile(resampled, tail), chance);
  const farthest = Math.min(corrected + Math.max(quantile(resampled, 1 - tail) - mean, chance), 1);
  const result: N95 = {
    low: LEAST / bhattacharyya(Math.min(farthest, 1 - Number.EPSILON)),
    estimate: corrected > 0 ? LEAST / bhattacharyya(Math.min(corrected, 1 - Number.EPSILON)) : Infinity,
    high: nearest > 0 ? LEAST / bhattacharyya(Math.min(nearest, 1 - Number.EPSILON)) : Infinity,
    atLeast: nearest <= 0,
    distance: bhattacharyya(Math.min(corrected, 1 - Number.EPSILON)),
    bias: bhattacharyya(Math.min(bias, 1 - Number.EPSILON)),
    gaps: [samples[0].length, samples[1].length],
  };
  return result;
}

function between(gaps: Float64Array, quantile: number): Float64Array {
  const sorted = gaps.slice().sort();
  const rank = Math.max(Math.ceil(quantile * sorted.length), 1);
  const [lowest, highest] = [sorted[sorted.length - rank]!, sorted[rank - 1]!];
  return gaps.filter((gap) => gap >= lowest && gap <= highest);
}

/** Quantiles of both samples together, each sample counting alike. Ascending, each once. */
export function binEdges(samples: readonly Float64Array[], most = MOST_BINS): Float64Array {
  const least = Math.min(...samples.map(({ length }) => length));
  const bins = Math.max(Math.min(most, Math.floor(least / PER_BIN)), 4);
  const middle = Array.from({ length: bins - 1 }, (_, bin) => (bin + 1) / bins);
  const tails = TAILS.filter((share) => share * least >= PER_BIN / 2);
  const shares = [...tails, ...middle, ...tails.map((share) => 1 - share)];
  // As many of each, evenly taken, so that a long stretch doesn't place the edges alone.
  const pooled = new Float64Array(least * samples.length);
  samples.forEach((gaps, index) => {
    for (let at = 0; at < least; at += 1) {
      pooled[index * least + at] = gaps[Math.floor((at * gaps.length) / least)]!;
    }
  });
  pooled.sort();
  return Float64Array.from(new Set(shares.map((share) => pooled[Math.floor(share * pooled.length)]!))).sort();
}

/** How many values lie in each bin, block by block. */
function histograms(gaps: Float64Array, edges: Float64Array): Float64Array[] {
  return Array.from({ length: BLOCKS }, (_, block) => {
    const from = Math.floor((block * gaps.length) / BLOCKS);
    return histogram(gaps.subarray(from, Math.floor(((block + 1) * gaps.length) / BLOCKS)), edges);
  });
}

/** How many values lie in each bin: below the first edge, between two, at the last or above. */
export function histogram(values: Float64Array, edges: Float64Array): Float64Array {
  const counts = new Float64Array(edges.length + 1);
  for (const value of values) {
    let [low, high] = [0, edges.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (edges[middle]! <= value) low = middle + 1;
      else high = middle;
    }
    counts[low]! += 1;
  }
  return counts;
}

function sum(histograms: readonly Float64Array[], bins: number): Float64Array {
  const total = new Float64Array(bins);
  for (const each of histograms) each.forEach((count, bin) => (total[bin]! += count));
  return total;
}

/** Squared Hellinger distance of two histograms. */
function distance(one: Float64Array, other: Float64Array): number {
  const [n, m] = [one, other].map((counts) => counts.reduce((all, count) => all + count, 0)) as [number, number];
  let sum = 0;
  for (let bin = 0; bin < one.length; bin += 1) sum += (Math.sqrt(one[bin]! / n) - Math.sqrt(other[bin]! / m)) ** 2;
  return Math.min(sum / 2, 1);
}
