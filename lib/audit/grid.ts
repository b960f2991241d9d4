/**
 * Send errors read off a schedule without jitter: a grid of which every datagram has a slot.
 *
 * The clock of the capture and that of the sender differ by some parts in a million, so the grid's interval is fitted to
 * each stretch. That takes away what grows steadily over a stretch, and nothing else.
 */

/**
 * Share of an interval that a datagram may be early by. A datagram that is later than the rest of it counts for the
 * next slot.
 */
const EARLY = 0.25;
/** Rounds of fitting, each without what lies outside of so many times the median deviation. */
const [ROUNDS, OUTLIER] = [3, 6];
/** Points that the fit takes at most; more don't make it better. */
const MOST_POINTS = 20_000;

/**
 * Send errors slot by slot, as nanoseconds from the fitted grid. NaN stands for a slot without a datagram.
 *
 * @param timesNs ascending, of one stretch
 * @param intervalNs about the interval of the grid, to a hundredth or so
 */
export function gridErrors(timesNs: Float64Array, intervalNs: number): Float64Array {
  const first = timesNs[0];
  if (first === undefined) return new Float64Array(0);
  const { origin, step } = fit(timesNs, intervalNs);
  const placeOf = (time: number) => Math.floor((time - origin) / step + EARLY);
  const start = placeOf(first);
  const errors = new Float64Array(placeOf(timesNs.at(-1)!) - start + 1).fill(NaN);
  let before = start - 1;
  for (const time of timesNs) {
    const place = placeOf(time);
    // A late datagram belongs to the first slot after the last one; those behind it were skipped.
    const slot = Math.max(Math.min(before + 1, place), start);
    if (Number.isNaN(errors[slot - start])) errors[slot - start] = time - origin - slot * step;
    before = Math.max(place, before);
  }
  return errors;
}

/** Origin and step of the grid: a line through slot numbers and times. */
function fit(timesNs: Float64Array, intervalNs: number): Line {
  const slots = new Float64Array(timesNs.length);
  // Gaps in intervals, rounded: a late datagram's excess is taken back by the gap after it.
  for (let at = 1; at < timesNs.length; at += 1) {
    slots[at] = slots[at - 1]! + Math.round((timesNs[at]! - timesNs[at - 1]!) / intervalNs);
  }
  return robustLine(slots, timesNs, { origin: timesNs[0]!, step: intervalNs });
}

/** y = origin + step x. */
export interface Line {
  origin: number;
  step: number;
}

/**
 * A line through points. Outliers are left out, and the line goes through the median of the others and not their mean,
 * so that a few points can't pull it away.
 *
 * @param start a line close by
 */
export function robustLine(x: Float64Array, y: Float64Array, start: Line): Line {
  const every = Math.max(Math.ceil(x.length / MOST_POINTS), 1);
  let points = Array.from({ length: Math.ceil(x.length / every) }, (_, index) => index * every);
  let line = start;
  for (let round = 0; round < ROUNDS; round += 1) {
    line = leastSquares(points, x, y, line);
    const deviation = (at: number) => y[at]! - line.origin - x[at]! * line.step;
    const sorted = Float64Array.from(points, deviation).sort();
    const middle = sorted[sorted.length >> 1] ?? 0;
    const spread = Float64Array.from(sorted, (value) => Math.abs(value - middle)).sort()[sorted.length >> 1] ?? 0;
    line = { ...line, origin: line.origin + middle };
    points = points.filter((at) => Math.abs(deviation(at)) <= OUTLIER * spread + 1);
  }
  return line;
}

function leastSquares(points: readonly number[], x: Float64Array, y: Float64Array, before: Line): Line {
  if (points.length < 3) return before;
  const mean = (of: (at: number) => number) => points.reduce((sum, at) => sum + of(at), 0) / points.length;
  const residual = (at: number) => y[at]! - before.origin - x[at]! * before.step;
  const [middle, height] = [mean((at) => x[at]!), mean(residual)];
  let [xx, xy] = [0, 0];
  for (const at of points) {
    xx += (x[at]! - middle) ** 2;
    xy += (x[at]! - middle) * (residual(at) - height);
  }
  const slope = xx > 0 ? xy / xx : 0;
  return { step: before.step + slope, origin: before.origin + height - slope * middle };
}
