/** How long cover goes on after the end: fixed, or drawn anew at each end, so that the end tells nothing of its cause. */
import { randomInt } from "node:crypto";
import { describe, optionError } from "../common/errors.js";
import { parseDuration, type DurationRange } from "../common/units.js";

/** Both ends belong to it. */
export interface LingerRange {
  leastNs: number;
  mostNs: number;
}

const BOUNDS: DurationRange = { min: "1ns", max: "24h", zero: true };
/** What `randomInt` takes. */
const MOST_RANDOM = 2 ** 48 - 1;

/**
 * `"5min"`, or `"5min..30min"` for any time between the two.
 *
 * @throws {I405Error} `ERR_I405_OPTION`
 */
export function parseLinger(option: string, value: unknown): LingerRange {
  const parts = typeof value === "string" ? value.split("..") : [value];
  if (parts.length > 2) {
    throw optionError({ option, came: describe(value), expected: 'a duration, or two of them: "5min..30min"' });
  }
  const [leastNs = 0, mostNs = leastNs] = parts.map((part) =>
    parseDuration(option, typeof part === "string" ? part.trim() : part, BOUNDS),
  );
  if (mostNs < leastNs) {
    throw optionError({ option, came: describe(value), expected: "the shorter one first" });
  }
  return { leastNs, mostNs };
}

/** Uniform over the range, whole nanoseconds. */
export function drawLinger({ leastNs, mostNs }: LingerRange): number {
  const width = Math.min(mostNs - leastNs, MOST_RANDOM - 1);
  return leastNs + (width === 0 ? 0 : randomInt(width + 1));
}
