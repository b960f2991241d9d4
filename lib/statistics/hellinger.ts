/** How far apart two distributions are. */

/**
 * Squared Hellinger distance, 0 (equal) to 1 (nothing in common): half the sum of (sqrt(p) - sqrt(q))^2.
 *
 * It is computed from the differences, because 1 minus the sum of sqrt(p q) would lose all digits below 1e-16.
 *
 * @param masses probabilities, interleaved p, q; what rounding has left below 0 counts as 0
 */
export function squaredHellinger(masses: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < masses.length; at += 2) {
    const p = Math.max(masses[at]!, 0);
    const q = Math.max(masses[at + 1]!, 0);
    const roots = Math.sqrt(p) + Math.sqrt(q);
    if (roots > 0) sum += ((p - q) / roots) ** 2;
  }
  return Math.min(sum / 2, 1);
}

/** Bhattacharyya distance, minus the logarithm of the sum of sqrt(p q), of a squared Hellinger distance. */
export function bhattacharyya(squaredHellinger: number): number {
  return -Math.log1p(-squaredHellinger);
}
