/** Densities to compare beside those that have a name (lib/statistics/jitter-density.ts). */
import { JITTER_SHAPES, jitterDensity, type JitterDensity } from "../../lib/statistics/jitter-density.js";

const inside =
  (density: JitterDensity): JitterDensity =>
  (x) =>
    Math.abs(x) < 1 ? density(x) : 0;

const cosine = (power: number): JitterDensity => inside((x) => Math.cos((Math.PI / 2) * x) ** power);

/**
 * Of least information (information.ts) among exp of a polynomial in x^2 times a power of the cosine: that power, then
 * the coefficients. `--search` starts from them.
 */
export const LEAST_INFORMATION = [3.9942, -1.234, 1.1722, -0.5555, 0.1285] as const;

/** One of that family. */
export function family([power = 4, ...coefficients]: readonly number[]): JitterDensity {
  const base = cosine(power);
  return inside((x) => {
    let exponent = 0;
    coefficients.forEach((coefficient, at) => (exponent += coefficient * x ** (2 * at + 2)));
    return base(x) * Math.exp(exponent);
  });
}

export const SHAPES: Record<string, JitterDensity> = {
  ...Object.fromEntries(JITTER_SHAPES.map((name) => [name, jitterDensity(name)])),
  cos3: cosine(3),
  cos5: cosine(5),
  cos6: cosine(6),
  "least information": family(LEAST_INFORMATION),
};
