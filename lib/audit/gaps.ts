/** Gaps between datagrams, stretch by stretch; none goes over a seam. */
import type { Observation, Seen } from "./observation.js";

/** Gaps of one stretch, nanoseconds, in order. */
export function gapsOf(timesNs: Float64Array): Float64Array {
  const gaps = new Float64Array(Math.max(timesNs.length - 1, 0));
  for (let at = 0; at < gaps.length; at += 1) gaps[at] = timesNs[at + 1]! - timesNs[at]!;
  return gaps;
}

/** Gaps of several stretches one after another. */
export function allGaps(seen: readonly Seen[]): Float64Array {
  return concat(seen.map(({ timesNs }) => gapsOf(timesNs)));
}

/** Send errors of several stretches, with a seam between them. */
export function allErrors(seen: readonly Seen[]): Float64Array {
  return concat(seen.flatMap(({ errorsNs }) => [errorsNs ?? new Float64Array(0), Float64Array.of(NaN)]));
}

/** Every stretch knows its deadlines. */
export function deadlinesKnown({ seen }: Observation): boolean {
  return seen.every(({ errorsNs }) => errorsNs !== undefined);
}

export function concat(parts: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
