/** Quantiles by nearest rank, and the median. */

/** The least value that at least a share (0 to 1) of an ascending list doesn't exceed; 0 of an empty one. */
export function quantile(ascending: ArrayLike<number>, share: number): number {
  const rank = Math.min(Math.max(Math.ceil(share * ascending.length), 1), ascending.length);
  return ascending[rank - 1] ?? 0;
}

/** The mean of the middle two where there is no middle; 0 of an empty list, whose order doesn't matter. */
export function median(values: ArrayLike<number>): number {
  const ascending = Float64Array.from(values).sort();
  const [below, above] = [ascending.length - 1, ascending.length].map((twice) => ascending[twice >> 1]);
  return ((below ?? 0) + (above ?? 0)) / 2;
}
