/** n95 by its definition: numeric integration over all gaps, for independent normal send errors of two deviations. */
import type { JitterDensity } from "../../lib/statistics/jitter-density.js";
import { LEAST } from "../../lib/statistics/n95.js";

/** Cells per deviation of the smaller error, and deviations after which a normal density has ended. */
const [CELLS, REACH] = [8, 8];

/** @param sds of the send errors, in half widths of the jitter */
export function integratedN95(density: JitterDensity, sds: readonly [number, number]): number {
  const step = Math.min(...sds) / CELLS;
  const cells = Math.ceil((1 + 2 * REACH * Math.max(...sds)) / step);
  const jitter = Float64Array.from({ length: 2 * cells + 1 }, (_, at) => density((at - cells) * step));
  const total = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0);
  const [p, q] = sds.map((sd) => {
    // A gap has the difference of two errors.
    const s = sd * Math.SQRT2;
    const reach = Math.ceil((REACH * s) / step);
    const normal = Float64Array.from({ length: 2 * reach + 1 }, (_, at) =>
      Math.exp(-0.5 * (((at - reach) * step) / s) ** 2),
    );
    const mass = total(normal) * total(jitter);
    return jitter.map((_, at) => {
      let value = 0;
      for (let k = 0; k <= 2 * reach; k += 1) value += normal[k]! * (jitter[at + k - reach] ?? 0);
      return value / mass;
    });
  }) as [Float64Array, Float64Array];
  const distance = p.reduce((sum, each, at) => sum + (Math.sqrt(each) - Math.sqrt(q[at]!)) ** 2, 0) / 2;
  return LEAST / -Math.log1p(-distance);
}
