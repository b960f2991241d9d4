/**
 * From send errors to gap errors.
 *
 * The *send error* of a slot is how far from its deadline it was sent or seen, but for an unknown constant, so lateness
 * will do. A *gap error* is how far the gap between two slots in a row is from the interval that was drawn: the
 * difference of their send errors. NaN stands for a missed slot, or for the seam between two stretches. No gap is taken
 * over it.
 */

/** The gap errors of a sequence of send errors, in its unit and order; shorter where slots are missing. */
export function gapErrors(errors: ArrayLike<number>): Float64Array {
  const gaps = new Float64Array(Math.max(errors.length - 1, 0));
  let count = 0;
  for (let slot = 1; slot < errors.length; slot += 1) {
    const gap = errors[slot]! - errors[slot - 1]!;
    if (!Number.isNaN(gap)) gaps[count++] = gap;
  }
  return gaps.subarray(0, count);
}

/**
 * Send errors without both tails. What lies above the quantile, or below the one as far from the other end, becomes
 * NaN, as if those slots had been missed.
 *
 * @param quantile 0.5 to 1, nearest rank; 0.999 cuts a thousandth at each end, 1 cuts nothing
 */
export function bulkOf(errors: ArrayLike<number>, quantile: number): Float64Array {
  const all = Float64Array.from(errors);
  const sorted = all.filter((error) => !Number.isNaN(error)).sort();
  const rank = Math.max(Math.ceil(quantile * sorted.length), 1);
  const highest = sorted[rank - 1] ?? NaN;
  const lowest = sorted[sorted.length - rank] ?? NaN;
  return all.map((error) => (error >= lowest && error <= highest ? error : NaN));
}
