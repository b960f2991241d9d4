/**
 * n95: how many intervals an observer needs to tell two conditions apart, idle and busy for example, with 95 %
 * accuracy.
 *
 * The observer knows both distributions and is as good as anybody can be. With B the Bhattacharyya distance of the two
 * densities of gaps, the error after n intervals lies between (1 - sqrt(1 - exp(-2 n B))) / 2 and exp(-n B) / 2
 * (Kailath, "The divergence and Bhattacharyya distance measures in signal selection", 1967). Both at 5 % give 0.83 / B
 * <= n95 <= 2.30 / B; the lower bound is what is quoted.
 *
 * What goes in are *send errors* that were measured without jitter, or with known deadlines. The densities of gaps
 * under a jitter follow by convolution (gap-densities.ts). That resolves n95 far beyond the number of intervals that
 * were watched: a difference in the variance of the errors shows long before an observer of the jittered gaps could see
 * it.
 *
 * Two samples of one distribution are never equal, so the distance is too large by what chance alone gives. The block
 * bootstrap measures that amount, since resampling adds the same once more, and it is subtracted. If what is left can't
 * be distinguished from nothing, n95 is only known to be *at least* `low`.
 *
 * Reading order: gap-errors.ts, jitter-density.ts, gap-densities.ts, hellinger.ts, block-bootstrap.ts, this.
 */
import { describe, optionError } from "../common/errors.js";
import { BlockBootstrap } from "./block-bootstrap.js";
import { GapDensities, type Placed } from "./gap-densities.js";
import { bulkOf, gapErrors } from "./gap-errors.js";
import { bhattacharyya, squaredHellinger } from "./hellinger.js";
import { jitterDensity, type JitterDensity, type ShapeName } from "./jitter-density.js";
import { quantile } from "./quantile.js";

/** Probability of being wrong that is left, 5 %. */
const ERROR = 0.05;
/** n B below which no observer is right so often, 0.83: the lower bound of the error, solved for n B. */
export const LEAST = -Math.log(1 - (1 - 2 * ERROR) ** 2) / 2;
/** n95 is at most this many times what is quoted, 2.77: there the upper bound of the error has come down to it, too. */
export const N95_UPPER_FACTOR = -Math.log(2 * ERROR) / LEAST;

/** Distances below this are rounding of the transforms and of the grid: no n95 above 8 x 10^13 is claimed. */
const FINEST = 1e-14;
/** Fewest gaps of a condition: below, blocks are too few or too short to say anything. */
const FEWEST_GAPS = 100;
/** Blocks that a sample is cut into by default: enough for their spread, and each far longer than errors hang together. */
const BLOCKS = 64;

/** How two conditions are compared. */
export interface N95Options {
  /** Half width of the jitter, in the unit of the errors. Above 0. */
  jitter: number;
  /** Density of the jitter: a shape with a name, or any density. Default `cos4`. */
  shape?: ShapeName | JitterDensity;
  /** Quantile at which both tails of either sample are cut, above 0.5 to 1. Default 1: nothing is cut. */
  trim?: number;
  /** Resamples, at least 50; each takes about 3 ms, and 100,000 errors 2 ms more. Default 400. */
  resamples?: number;
  /**
   * Gaps in a block of the bootstrap, at least 1. A block must be longer than the distance over which errors depend on
   * each other. Default: a 64th of the gaps.
   */
  blockLength?: number;
  /** Probability that n95 lies in low..high, 0.5 to below 1. Default 0.95. */
  confidence?: number;
  /** The same seed gives the same interval. Default 1405. */
  seed?: number;
}

/** An n95 with its confidence interval, in intervals. */
export interface N95 {
  /** Lower end of the confidence interval. */
  low: number;
  /** The best guess; Infinity where no difference is left after the correction. */
  estimate: number;
  /** Upper end; Infinity if the distance can't be told from 0. */
  high: number;
  /** The distance can't be told from 0: say "at least `low`", and no more. */
  atLeast: boolean;
  /** Bhattacharyya distance per interval: corrected, never below 0. */
  distance: number;
  /** What chance alone adds to the distance at this number of errors; already subtracted. */
  bias: number;
  /** Gaps compared, of either condition. */
  gaps: [number, number];
}

function check(option: keyof N95Options, value: number, expected: string, ok: boolean): void {
  if (!ok || Number.isNaN(value)) throw optionError({ option, came: describe(value), expected });
}

/**
 * How many intervals it takes to tell `a` from `b`.
 *
 * @param a send errors of one condition, slot by slot: lateness in any unit, NaN for a missed slot and between stretches
 * @param b send errors of the other; a constant that is added to either changes nothing
 * @throws {I405Error} `ERR_I405_OPTION` for an option out of its range, or a sample of fewer than 100 gaps
 * @example
 * const { low, atLeast } = n95(idleNs, busyNs, { jitter: 250_000, trim: 0.999 });
 * console.log(`${atLeast ? "at least " : ""}${Math.round(low)} intervals`);
 */
export function n95(a: ArrayLike<number>, b: ArrayLike<number>, options: N95Options): N95 {
  const { jitter, shape = "cos4", trim = 1, resamples = 400, confidence = 0.95, seed = 1405 } = options;
  check("jitter", jitter, "a half width above 0", jitter > 0 && jitter < Infinity);
  check("trim", trim, "a quantile above 0.5, at most 1", trim > 0.5 && trim <= 1);
  check("resamples", resamples, "a whole number from 50", Number.isInteger(resamples) && resamples >= 50);
  check("confidence", confidence, "0.5 to below 1", confidence >= 0.5 && confidence < 1);
  const samples = [a, b].map((errors, index): Placed => {
    const gaps = gapErrors(trim < 1 ? bulkOf(errors, trim) : errors);
    if (gaps.length >= FEWEST_GAPS) return GapDensities.place(gaps, jitter);
    throw optionError({
      option: index === 0 ? "a" : "b",
      came: `${gaps.length} gaps`,
      expected: `at least ${FEWEST_GAPS}`,
      remedy: "Watch for longer",
    });
  }) as [Placed, Placed];
  const lengths = samples.map(({ cells }) => cells.length) as [number, number];
  const blockLengths = lengths.map((length) => options.blockLength ?? Math.ceil(length / BLOCKS));
  const longest = Math.min(...lengths);
  blockLengths.forEach((length) =>
    check("blockLength", length, `1 to ${longest}`, Number.isInteger(length) && length >= 1 && length <= longest),
  );

  const densities = new GapDensities(typeof shape === "string" ? jitterDensity(shape) : shape);
  samples.forEach((sample, side) => densities.add(side as 0 | 1, sample, 0, sample.cells.length));
  const measured = squaredHellinger(densities.masses());
  const bootstrap = new BlockBootstrap(seed);
  const resampled = Float64Array.from({ length: resamples }, () => {
    densities.clear();
    samples.forEach((sample, side) =>
      bootstrap.draw(sample.cells.length, blockLengths[side]!, (first, count) =>
        densities.add(side as 0 | 1, sample, first, count),
      ),
    );
    return squaredHellinger(densities.masses());
  }).sort();

  // Resampling adds to the distance what sampling has added before: what chance gives.
  const mean = resampled.reduce((sum, value) => sum + value, 0) / resamples;
  const bias = Math.max(mean - measured, 0);
  const corrected = Math.max(measured - bias, 0);
  const tail = (1 - confidence) / 2;
  const nearest = corrected - (mean - quantile(resampled, tail));
  const farthest = Math.min(corrected + (quantile(resampled, 1 - tail) - mean), 1);
  const intervals = (squared: number) => (squared > FINEST ? LEAST / bhattacharyya(squared) : Infinity);
  return {
    low: LEAST / bhattacharyya(Math.max(farthest, FINEST)),
    estimate: intervals(corrected),
    high: intervals(nearest),
    atLeast: nearest <= FINEST,
    distance: bhattacharyya(corrected),
    bias: bhattacharyya(bias),
    gaps: lengths,
  };
}
