/**
 * What an optimal observer gains from one interval when the variance of the send errors changes.
 *
 * An interval is drawn with density f and seen with the difference of two send errors: its variance changes by twice
 * the errors', and that of neighbours is correlated by minus once. To second order the log likelihood ratio's variance
 * per interval is D^2 (J + I^2), D the difference of the errors' variances in squared half widths,
 *
 *     I = integral of f'^2 / f        Fisher's information, from neighbours
 *     J = integral of f''^2 / f       from the intervals alone
 *
 * and the Bhattacharyya distance is an eighth of it. J is finite only where f ends as a power above the third: an edge,
 * a kink or a parabola's end shows a small change far better than this, and only integration tells how much.
 */
import type { JitterDensity } from "../../lib/statistics/jitter-density.js";

/** Cells of the numeric integrals over one half width. */
const CELLS = 4000;
/** Step of the differences, of what is left to the end of the support. */
const STEP = 1e-4;

export interface Information {
  /** Of neighbouring intervals. */
  fisher: number;
  /** Of single intervals. */
  curvature: number;
}

/** For a smooth density that is positive inside its support and even. */
export function information(density: JitterDensity): Information {
  const [sums, log] = [{ mass: 0, fisher: 0, curvature: 0 }, (x: number) => Math.log(density(x))];
  for (let cell = 0; cell < CELLS; cell += 1) {
    const x = (cell + 0.5) / CELLS;
    const step = STEP * (1 - x);
    const [before, at, after] = [log(x - step), log(x), log(x + step)];
    const slope = (after - before) / (2 * step);
    const bend = (after - 2 * at + before) / step ** 2;
    const mass = Math.exp(at);
    sums.mass += mass;
    sums.fisher += mass * slope ** 2;
    sums.curvature += mass * (bend + slope ** 2) ** 2;
  }
  return { fisher: sums.fisher / sums.mass, curvature: sums.curvature / sums.mass };
}

/** What counts: to be made small. */
export function total({ fisher, curvature }: Information): number {
  return curvature + fisher ** 2;
}
