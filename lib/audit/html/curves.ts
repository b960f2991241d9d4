/** The data of the charts, from what was seen. */
import { quantile } from "../../statistics/quantile.js";
import { moments } from "../../statistics/two-sample.js";
import { autocorrelation, sendSpectrum } from "../effects/memory.js";
import type { Subject } from "../compare.js";
import { allErrors, allGaps, deadlinesKnown } from "../gaps.js";
import { labelsOf, seenAs } from "../observation.js";
import { sorted } from "../send-errors.js";
import { clipped, windowsOf } from "../windows.js";
import { colourOf } from "./colours.js";
import type { Curve } from "./chart.js";

/** More points don't show at the size of a chart. */
const [BINS, POINTS] = [80, 160];
/** Left out at either end of a distribution: one condition's stalls would make a line of all the others. */
const TAIL = 0.005;
/** A 95 % band of a normal deviate. */
const BAND = 1.96;

/** What the distribution charts are about: send errors where deadlines are known, gaps otherwise. Microseconds. */
export interface Values {
  label: string;
  colour: string;
  /** Ascending. */
  us: Float64Array;
}

export function valuesOf(subject: Subject): Values[] {
  return labelsOf(subject.observation).map((label, index) => {
    const seen = seenAs(subject.observation, label);
    const ns = deadlinesKnown(subject.observation) ? sorted(allErrors(seen)) : allGaps(seen).sort();
    return { label, colour: colourOf(index), us: ns.map((value) => value / 1000) };
  });
}

/** Where the bulk of all conditions lies. */
export function range(values: readonly Values[]): [number, number] {
  const full = values.filter(({ us }) => us.length > 0);
  return [
    Math.min(...full.map(({ us }) => quantile(us, TAIL))),
    Math.max(...full.map(({ us }) => quantile(us, 1 - TAIL))),
  ];
}

function counts(sorted: Float64Array, from: number, to: number): { width: number; counts: number[] } {
  const width = Math.max(to - from, 1e-6) / BINS;
  const bins = new Array<number>(BINS).fill(0);
  for (const value of sorted) {
    const bin = Math.floor((value - from) / width);
    if (bin >= 0 && bin < BINS) bins[bin]! += 1;
  }
  return { width, counts: bins };
}

/** Densities, overlaid. */
export function densities(values: readonly Values[]): Curve[] {
  const [from, to] = range(values);
  return values.map(({ label, colour, us }) => {
    const { width, counts: bins } = counts(us, from, to);
    const points = bins.map((count, bin): [number, number] => [from + (bin + 0.5) * width, count / us.length / width]);
    return { name: label, colour, points };
  });
}

/** Distribution of each condition less that of the reference, with the band that chance alone stays in. */
export function differences(values: readonly Values[], reference: string): Curve[] {
  const base = values.find(({ label }) => label === reference);
  if (base === undefined) return [];
  const [from, to] = range(values);
  const places = Array.from({ length: POINTS }, (_, point) => from + ((to - from) * point) / (POINTS - 1));
  const shares = (sorted: Float64Array) => {
    let below = 0;
    return places.map((place) => {
      while (below < sorted.length && sorted[below]! <= place) below += 1;
      return below / sorted.length;
    });
  };
  const origin = shares(base.us);
  return values
    .filter((each) => each !== base && each.us.length > 0)
    .flatMap(({ label, colour, us }): Curve[] => {
      const own = shares(us);
      const line = own.map((share, point): [number, number] => [places[point]!, share - origin[point]!]);
      const band = (sign: number) =>
        origin.map((share, point): [number, number] => {
          const error = Math.sqrt(share * (1 - share) * (1 / us.length + 1 / base.us.length));
          return [places[point]!, sign * BAND * error];
        });
      return [
        { name: label, colour, points: line },
        { name: `${label}, chance`, colour, points: band(1), dashed: true },
        { name: `${label}, chance`, colour, points: band(-1), dashed: true },
      ];
    });
}

/** Quantiles of each condition less the reference's, over the reference's. */
export function quantiles(values: readonly Values[], reference: string): Curve[] {
  const base = values.find(({ label }) => label === reference);
  if (base === undefined) return [];
  const shares = Array.from({ length: POINTS }, (_, point) => (point + 0.5) / POINTS);
  return values
    .filter((each) => each !== base && each.us.length > 0)
    .map(({ label, colour, us }) => {
      const points = shares.map((share): [number, number] => [
        quantile(base.us, share),
        quantile(us, share) - quantile(base.us, share),
      ]);
      return { name: label, colour, points, dots: true };
    });
}

/** Scatter of send errors or gaps over time, window by window. Seconds, microseconds. */
export function overTime(subject: Subject): Curve[] {
  const { observation, clip } = subject;
  const startNs = Math.min(...observation.seen.map(({ fromNs }) => fromNs));
  return labelsOf(observation).map((label, index) => {
    const points = seenAs(observation, label).flatMap((seen): [number, number][] => {
      const windows = windowsOf([seen]);
      const every = Math.max(Math.ceil(windows.length / POINTS), 1);
      return windows
        .filter((_, place) => place % every === 0)
        .map(({ gaps, fromNs }) => [
          (seen.fromNs - startNs + fromNs) / 1e9,
          Math.sqrt(clipped(gaps, clip).variance) / 1000,
        ]);
    });
    return { name: label, colour: colourOf(index), points, dots: true };
  });
}

/** Power over frequency. */
export function spectra({ observation, schedule }: Subject): Curve[] {
  return labelsOf(observation).map((label, index) => {
    const { power, stepHz } = sendSpectrum(seenAs(observation, label), schedule);
    // Several lines together towards high frequencies, evenly on a logarithmic axis.
    const points: [number, number][] = [];
    for (let from = 0; from < power.length;) {
      const to = Math.max(from + 1, Math.floor((from + 1) * 1.05));
      const part = power.subarray(from, to);
      points.push([((from + 1 + Math.min(to, power.length)) / 2) * stepHz, Math.max(moments(part).mean, 1e-12)]);
      from = to;
    }
    return { name: label, colour: colourOf(index), points };
  });
}

/** Correlation over the lag. */
export function correlations({ observation, clip }: Subject): Curve[] {
  return labelsOf(observation).map((label, index) => {
    const { values } = autocorrelation(seenAs(observation, label), clip);
    return { name: label, colour: colourOf(index), points: [...values].map((value, lag) => [lag + 1, value]) };
  });
}
