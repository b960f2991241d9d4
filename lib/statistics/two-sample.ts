/**
 * Were two samples drawn from one distribution? Each test gives the probability of what was seen, or of more, if they
 * were.
 *
 * All three suppose independent values. Two gaps in a row share a send error, which makes the tests of gaps a little
 * too careful and never too bold.
 */
import jstat from "jstat";

/** A test's statistic and its p-value. */
export interface Tested {
  statistic: number;
  p: number;
}

/** Share of Kolmogorov's distribution above `x` (Kolmogorov 1933): also of the greatest excursion of a bridge. */
export function kolmogorovP(x: number): number {
  // The series doesn't settle for small arguments, where the answer is 1 to all digits.
  if (x < 0.2) return 1;
  let sum = 0;
  for (let k = 1; k <= 100; k += 1) sum += 2 * (k % 2 === 1 ? 1 : -1) * Math.exp(-2 * k * k * x * x);
  return Math.min(Math.max(sum, 0), 1);
}

/** Kolmogorov and Smirnov's test. @param a ascending @param b ascending */
export function kolmogorovSmirnov(a: Float64Array, b: Float64Array): Tested {
  let [i, j, distance] = [0, 0, 0];
  while (i < a.length && j < b.length) {
    const value = Math.min(a[i]!, b[j]!);
    while (i < a.length && a[i] === value) i += 1;
    while (j < b.length && b[j] === value) j += 1;
    distance = Math.max(distance, Math.abs(i / a.length - j / b.length));
  }
  const n = Math.sqrt((a.length * b.length) / (a.length + b.length));
  // Stephens' correction makes the limit good from few values on.
  return { statistic: distance, p: kolmogorovP(distance * (n + 0.12 + 0.11 / n)) };
}

/**
 * Anderson and Darling's test of two samples (Pettitt, Biometrika 63, 1976), which looks at the tails more. Its limit
 * distribution is that of the test of one sample. That distribution follows Marsaglia and Marsaglia, Journal of
 * Statistical Software 9, 2004, "Evaluating the Anderson-Darling distribution", and is good to six digits.
 *
 * @param a ascending
 * @param b ascending
 */
export function andersonDarling(a: Float64Array, b: Float64Array): Tested {
  const [m, n] = [a.length, b.length];
  const total = m + n;
  let [i, j, sum] = [0, 0, 0];
  while (i < m || j < n) {
    const value = Math.min(a[i] ?? Infinity, b[j] ?? Infinity);
    const before = i + j;
    while (i < m && a[i] === value) i += 1;
    while (j < n && b[j] === value) j += 1;
    const rank = i + j;
    // Equal values count as many times as there are of them.
    if (rank < total) sum += ((rank - before) * (i * total - rank * m) ** 2) / (rank * (total - rank));
  }
  const statistic = sum / (m * n);
  return { statistic, p: andersonDarlingP(statistic) };
}

/** Beyond, the polynomial is no longer fitted; p is below 1e-10 there. */
const MOST_STATISTIC = 25;

function andersonDarlingP(statistic: number): number {
  const z = Math.min(statistic, MOST_STATISTIC);
  if (z <= 0.01) return 1;
  const polynomial = (...coefficients: number[]) => coefficients.reduceRight((sum, each) => sum * z + each, 0);
  if (z < 2) {
    const body = polynomial(2.00012, 0.247105, -0.0649821, 0.0347962, -0.011672, 0.00168691);
    return Math.min(Math.max(1 - (Math.exp(-1.2337141 / z) / Math.sqrt(z)) * body, 0), 1);
  }
  return -Math.expm1(-Math.exp(polynomial(1.0776, -2.30695, 0.43424, -0.082433, 0.008056, -0.0003146)));
}

/** Probability of a chi-squared variable of so many degrees to be above `x`. */
export function chiSquaredP(x: number, degrees: number): number {
  if (degrees < 1) return 1;
  return Math.max(1 - jstat.chisquare.cdf(x, degrees), 0);
}

/** Chi-squared test of two sets of counts. Places with fewer than 5 expected in either are put together. */
export function chiSquared(one: ArrayLike<number>, other: ArrayLike<number>): Tested & { degrees: number } {
  const sum = (counts: ArrayLike<number>) => Float64Array.from(counts).reduce((all, count) => all + count, 0);
  const [a, b] = [sum(one), sum(other)];
  const share = Math.min(a, b) / (a + b);
  const places: [number, number][] = [];
  const rare: [number, number] = [0, 0];
  for (let at = 0; at < one.length; at += 1) {
    if ((one[at]! + other[at]!) * share >= 5) places.push([one[at]!, other[at]!]);
    else {
      rare[0] += one[at]!;
      rare[1] += other[at]!;
    }
  }
  if ((rare[0] + rare[1]) * share >= 1) places.push(rare);
  let statistic = 0;
  for (const [x, y] of places) statistic += (x * Math.sqrt(b / a) - y * Math.sqrt(a / b)) ** 2 / (x + y);
  const degrees = places.length - 1;
  return { statistic, p: chiSquaredP(statistic, degrees), degrees };
}

/** Welch's test of two means. */
export function welch(a: ArrayLike<number>, b: ArrayLike<number>): Tested {
  const [one, other] = [moments(a), moments(b)];
  const [u, v] = [one.variance / one.count, other.variance / other.count];
  if (!(u + v > 0)) return { statistic: 0, p: 1 };
  const t = (other.mean - one.mean) / Math.sqrt(u + v);
  const degrees = (u + v) ** 2 / (u ** 2 / (one.count - 1) + v ** 2 / (other.count - 1));
  return { statistic: t, p: Math.min(2 * jstat.studentt.cdf(-Math.abs(t), degrees), 1) };
}

/** Two-sided p-value of a standard normal deviate. */
export function normalP(z: number): number {
  return Math.min(2 * jstat.normal.cdf(-Math.abs(z), 0, 1), 1);
}

/** Mean and unbiased variance. */
export function moments(values: ArrayLike<number>): { count: number; mean: number; variance: number } {
  let [mean, square] = [0, 0];
  for (let at = 0; at < values.length; at += 1) {
    const difference = values[at]! - mean;
    mean += difference / (at + 1);
    square += difference * (values[at]! - mean);
  }
  return { count: values.length, mean, variance: values.length > 1 ? square / (values.length - 1) : 0 };
}

/** Holm's correction: p-values that hold although several tests were made, in the order given. */
export function holm(ps: readonly number[]): number[] {
  const order = ps.map((p, index) => ({ p, index })).sort((one, other) => one.p - other.p);
  const adjusted = new Array<number>(ps.length);
  let least = 0;
  order.forEach(({ p, index }, rank) => {
    least = Math.max(least, Math.min(p * (ps.length - rank), 1));
    adjusted[index] = least;
  });
  return adjusted;
}
