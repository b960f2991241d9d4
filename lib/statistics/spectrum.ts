/** Power at each frequency, averaged over segments (Welch, 1967), and how large the largest line is by chance. */
import FFT from "fft.js";
import { chiSquaredP } from "./two-sample.js";

/** An averaged periodogram. */
export interface Spectrum {
  /** Hertz per step; `power[i]` is at (i + 1) steps. */
  stepHz: number;
  power: Float64Array;
  /** Segments that were averaged. */
  segments: number;
}

/**
 * @param series evenly sampled, of any number of stretches; each is cut into segments that don't overlap
 * @param rateHz samples per second
 * @param size samples per segment, a power of two
 */
export function spectrum(series: readonly Float64Array[], rateHz: number, size: number): Spectrum {
  const fft = new FFT(size);
  const [input, output] = [new Float64Array(2 * size), new Float64Array(2 * size)];
  const power = new Float64Array(size / 2 - 1);
  let segments = 0;
  for (const values of series) {
    for (let from = 0; from + size <= values.length; from += size) {
      const segment = values.subarray(from, from + size);
      const mean = segment.reduce((sum, value) => sum + value, 0) / size;
      input.fill(0);
      // Hann's window: what is not periodic in the segment stays near its frequency.
      segment.forEach((value, at) => {
        input[2 * at] = (value - mean) * Math.sin((Math.PI * (at + 0.5)) / size) ** 2;
      });
      fft.transform(output, input);
      for (let line = 0; line < power.length; line += 1) {
        power[line]! += output[2 * line + 2]! ** 2 + output[2 * line + 3]! ** 2;
      }
      segments += 1;
    }
  }
  if (segments > 0) power.forEach((sum, line) => (power[line] = sum / segments));
  return { stepHz: rateHz / size, power, segments };
}

/** A line that stands out of a spectrum. */
export interface Line {
  hz: number;
  /** Times the median around it. */
  ratio: number;
  p: number;
}

/** As a part of the greatest power: below it a line is rounding, which is all that a perfectly regular series has. */
const LEAST_POWER = 1e-12;
/** Lines on either side that the median is taken of. */
const AROUND = 50;

/**
 * The line that stands out most from its surroundings. If several stand out alike, as harmonics do, it is the lowest.
 *
 * @returns null without enough lines to compare with, or if there is no power at all
 */
export function strongestLine({ power, stepHz, segments }: Spectrum): Line | null {
  const most = power.reduce((sofar, value) => Math.max(sofar, value), 0);
  if (segments === 0 || power.length < 20 || most === 0) return null;
  const ratios = Float64Array.from(power, (value, line) => {
    const around = power.slice(Math.max(line - AROUND, 0), line + AROUND + 1).sort();
    return value / Math.max(around[around.length >> 1]!, LEAST_POWER * most);
  });
  const greatest = ratios.reduce((most, ratio) => Math.max(most, ratio), 0);
  // The window spreads a line over its neighbours; the fundamental of a comb is its lowest tooth.
  let first = ratios.findIndex((ratio) => ratio >= greatest / 4);
  while (ratios[first + 1]! > ratios[first]!) first += 1;
  const ratio = ratios[first]!;
  const degrees = 2 * segments;
  // The median of chi-squared over its degrees (Wilson and Hilferty).
  const median = (1 - 2 / (9 * degrees)) ** 3;
  const p = chiSquaredP(greatest * median * degrees, degrees);
  // Corrected for as many lines as there are. Neighbours share a little, so this is careful.
  return {
    hz: centre(power, first) * stepHz,
    ratio,
    p: -Math.expm1(power.length * Math.log1p(-Math.min(p, 1 - 1e-12))),
  };
}

/** Where a peak lies between lines, judged by its neighbours' power; counted from 1. */
function centre(power: Float64Array, line: number): number {
  let [sum, weighted] = [0, 0];
  for (let at = Math.max(line - 1, 0); at <= Math.min(line + 1, power.length - 1); at += 1) {
    sum += power[at]!;
    weighted += power[at]! * (at + 1);
  }
  return weighted / sum;
}
