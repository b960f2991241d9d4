/** What gaps have to do with gaps before them: autocorrelation, periodic lines, changes in the middle of a stretch. */
import jstat from "jstat";
import { spectrum, strongestLine, type Spectrum } from "../../statistics/spectrum.js";
import { kolmogorovP, normalP } from "../../statistics/two-sample.js";
import { gapsOf } from "../gaps.js";
import type { Seen } from "../observation.js";
import type { Schedule } from "../schedule.js";
import { clipped, windowsOf, type Clip } from "../windows.js";
import { short, us, type Effect } from "./effect.js";

/** Lags of the autocorrelation that are looked at. */
const LAGS = 20;
/** Samples per segment of a spectrum. */
const SEGMENT = 1024;
/** Windows of a stretch below which no change in it is looked for. */
const FEWEST_WINDOWS = 12;

/** Correlation of gaps with those so many places before, and how many pairs it is of. */
export function autocorrelation(seen: readonly Seen[], clip: Clip): { values: Float64Array; count: number } {
  const sums = new Float64Array(LAGS + 1);
  let count = 0;
  for (const { timesNs } of seen) {
    const gaps = gapsOf(timesNs);
    const { mean } = clipped(gaps, clip);
    const values = gaps.map((gap) => Math.min(Math.max(gap, clip.low), clip.high) - mean);
    count += values.length;
    for (let lag = 0; lag <= LAGS; lag += 1) {
      for (let at = lag; at < values.length; at += 1) sums[lag]! += values[at]! * values[at - lag]!;
    }
  }
  return { values: sums.subarray(1).map((sum) => sum / (sums[0]! || 1)), count };
}

/** Does the autocorrelation of two conditions differ at some lag? */
export function autocorrelationEffect(a: readonly Seen[], b: readonly Seen[], clip: Clip): Effect[] {
  const [one, other] = [autocorrelation(a, clip), autocorrelation(b, clip)];
  if (Math.min(one.count, other.count) < 10 * LAGS) return [];
  // Two gaps in a row share a send error, so lag 1 scatters less than Bartlett's 1/n says, never more.
  const error = Math.sqrt(1 / one.count + 1 / other.count);
  let worst = 0;
  const z = (lag: number) => (other.values[lag]! - one.values[lag]!) / error;
  for (let lag = 1; lag < LAGS; lag += 1) if (Math.abs(z(lag)) > Math.abs(z(worst))) worst = lag;
  const p = -Math.expm1(LAGS * Math.log1p(-Math.min(normalP(z(worst)), 1 - 1e-12)));
  const [from, to] = [one.values[worst]!, other.values[worst]!];
  const words = `gaps depend on the gap ${worst + 1} before: correlation ${short(from)} against ${short(to)}`;
  return [{ effect: "autocorrelation", measure: to - from, p, words }];
}

/**
 * Spectrum of how far the stream of datagrams is behind: what is sent in each bin of four intervals, less what a steady
 * stream sends. A stall shows as bins without datagrams.
 */
export function sendSpectrum(seen: readonly Seen[], { intervalNs }: Schedule): Spectrum {
  const binNs = 4 * intervalNs;
  const longest = Math.max(...seen.map(({ timesNs }) => ((timesNs.at(-1) ?? 0) - (timesNs[0] ?? 0)) / binNs));
  // Short stretches get shorter segments; a power of two that leaves a few of them.
  const size = Math.max(64, Math.min(SEGMENT * 4, 2 ** Math.floor(Math.log2(Math.max(longest / 2, 1)))));
  const series = seen.map(({ timesNs }) => {
    const first = timesNs[0] ?? 0;
    const bins = new Float64Array(Math.floor(((timesNs.at(-1) ?? 0) - first) / binNs));
    // Each datagram is shared between the bins on both sides, so that a bin's edge doesn't count it in or out as a
    // whole.
    for (const time of timesNs) {
      const place = (time - first) / binNs;
      const bin = Math.floor(place);
      const part = place - bin;
      if (bin < bins.length) bins[bin]! += 1 - part;
      if (bin + 1 < bins.length) bins[bin + 1]! += part;
    }
    // Datagrams before the first and behind the last would have had a share in the bins at the ends.
    return bins.subarray(1, -1);
  });
  return spectrum(series, 1e9 / binNs, size);
}

/** A period in the sending, under one condition. */
export function periodEffect(seen: readonly Seen[], schedule: Schedule): Effect[] {
  const found = strongestLine(sendSpectrum(seen, schedule));
  if (found === null) return [];
  const words = `sending is disturbed every ${short(1 / found.hz)} s (${short(found.hz)} Hz), ${short(found.ratio)} times as much as around it`;
  return [{ effect: "spectrum", measure: found.hz, p: found.p, words }];
}

/** Does the spectrum of two conditions differ somewhere? */
export function spectrumEffect(a: readonly Seen[], b: readonly Seen[], schedule: Schedule): Effect[] {
  const [one, other] = [sendSpectrum(a, schedule), sendSpectrum(b, schedule)];
  if (one.power.length !== other.power.length || Math.min(one.segments, other.segments) < 4) return [];
  let best = { p: 1, line: 0, ratio: 1 };
  one.power.forEach((power, line) => {
    const ratio = other.power[line]! / power;
    const above = 1 - jstat.centralF.cdf(Math.max(ratio, 1 / ratio), 2 * other.segments, 2 * one.segments);
    if (2 * above < best.p) best = { p: 2 * above, line, ratio };
  });
  const p = -Math.expm1(one.power.length * Math.log1p(-Math.min(Math.max(best.p, 0), 1 - 1e-12)));
  const hz = (best.line + 1) * one.stepHz;
  const words = `the sending wavers ${short(best.ratio)} times as much at ${short(hz)} Hz`;
  return [{ effect: "spectrum", measure: best.ratio, p, words }];
}

/** Does the scatter of gaps change in the middle of a stretch? The greatest excursion of the cumulated variance. */
export function changePointEffect(seen: readonly Seen[], clip: Clip): Effect[] {
  let best: { p: number; atNs: number; stretch: number; before: number; after: number } | undefined;
  let tried = 0;
  for (const [stretch, one] of seen.entries()) {
    const windows = windowsOf([one]);
    if (windows.length < FEWEST_WINDOWS) continue;
    tried += 1;
    const logs = windows.map(({ gaps }) => Math.log(clipped(gaps, clip).variance + 1));
    const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
    // Taken from the differences of neighbours, so that the change doesn't hide itself.
    const noise = logs.slice(1).reduce((sum, log, at) => sum + (log - logs[at]!) ** 2, 0) / (2 * (logs.length - 1));
    let [excursion, greatest, place] = [0, 0, 1];
    logs.forEach((log, at) => {
      excursion += log - mean;
      if (Math.abs(excursion) > greatest) [greatest, place] = [Math.abs(excursion), at + 1];
    });
    const p = noise > 0 ? kolmogorovP(greatest / Math.sqrt(noise * logs.length)) : 1;
    if (p >= (best?.p ?? 2)) continue;
    const sd = (part: number[]) => Math.exp(part.reduce((sum, log) => sum + log, 0) / part.length / 2);
    const atNs = windows[Math.min(place, windows.length - 1)]!.fromNs;
    best = { p, atNs, stretch, before: sd(logs.slice(0, place)), after: sd(logs.slice(place)) };
  }
  if (best === undefined) return [];
  const p = -Math.expm1(tried * Math.log1p(-Math.min(best.p, 1 - 1e-12)));
  const words = `the scatter of gaps changes ${short(best.atNs / 1e9)} s into stretch ${best.stretch + 1}, from ${us(best.before)} to ${us(best.after)}`;
  return [{ effect: "change-points", measure: best.after / best.before, p, words }];
}
