/** The demo's arithmetic: sums over samples, and whether two sets of intervals could come from one distribution. */

export interface Spread {
  count: number;
  mean: number;
  stddev: number;
}

/** One spread of several, from counts, means and standard deviations. */
export function pooled(parts: readonly Spread[]): Spread {
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  if (count === 0) return { count, mean: 0, stddev: 0 };
  const mean = parts.reduce((sum, part) => sum + part.mean * part.count, 0) / count;
  const squares = parts.reduce((sum, part) => sum + part.count * (part.stddev ** 2 + (part.mean - mean) ** 2), 0);
  return { count, mean, stddev: Math.sqrt(squares / count) };
}

/** Share of samples in each of `bins` equal bins; what lies outside counts in the first or last. */
export function histogram(samples: readonly number[], from: number, to: number, bins: number): number[] {
  const counts = Array<number>(bins).fill(0);
  for (const value of samples) {
    const bin = Math.floor(((value - from) / (to - from)) * bins);
    counts[Math.min(bins - 1, Math.max(0, bin))]! += 1;
  }
  return counts.map((count) => (samples.length === 0 ? 0 : count / samples.length));
}

export interface Comparison {
  /** Largest difference between the two cumulative shares, 0 to 1 (Kolmogorov and Smirnov). */
  difference: number;
  /** What two samples of one distribution exceed once in a hundred times. */
  chance: number;
}

/** Of the Kolmogorov distribution: it is exceeded with a probability of 1 %. */
const KOLMOGOROV_1_PERCENT = 1.628;

/** Null where there is too little to compare. */
export function compare(first: readonly number[], second: readonly number[]): Comparison | null {
  /** The limit is an approximation for large samples. */
  const FEWEST = 100;
  if (first.length < FEWEST || second.length < FEWEST) return null;
  const a = [...first].sort((x, y) => x - y);
  const b = [...second].sort((x, y) => x - y);
  let difference = 0;
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const value = Math.min(a[i]!, b[j]!);
    while (i < a.length && a[i]! <= value) i += 1;
    while (j < b.length && b[j]! <= value) j += 1;
    difference = Math.max(difference, Math.abs(i / a.length - j / b.length));
  }
  return { difference, chance: KOLMOGOROV_1_PERCENT * Math.sqrt((a.length + b.length) / (a.length * b.length)) };
}
