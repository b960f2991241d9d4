/** n95 against numeric integration of its definition, and what it says where there is nothing to find. */
import t, { type Test } from "tap";
import jStat from "jstat";
import { gapErrors, bulkOf } from "../../lib/statistics/gap-errors.js";
import { bhattacharyya, squaredHellinger } from "../../lib/statistics/hellinger.js";
import { n95, N95_UPPER_FACTOR, type N95, type N95Options } from "../../lib/statistics/n95.js";

/** Reproducible numbers in 0..1 (Park and Miller's generator). */
function numbers(seed: number): () => number {
  let state = seed * 7919 + 1;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

/** Normal deviates (Box and Muller). */
function normal(seed: number, count: number, sd: number): Float64Array {
  const next = numbers(seed);
  return Float64Array.from(
    { length: count },
    () => sd * Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next()),
  );
}

type Shape = "cos4" | "uniform";

/** Density of a gap, its mean taken away: jitter of half width j plus a normal gap error of deviation s. */
function gapDensity(shape: Shape, j: number, s: number, x: number): number {
  const cdf = (value: number) => jStat.normal.cdf(value, 0, 1);
  if (shape === "uniform") return (cdf((x + j) / s) - cdf((x - j) / s)) / (2 * j);
  // The integral over the gap error u, by the trapezoid rule.
  let sum = 0;
  const step = s / 10;
  for (let u = -8 * s; u <= 8 * s; u += step) {
    if (Math.abs(x - u) >= j) continue;
    const jitter = (4 / (3 * j)) * Math.cos((Math.PI * (x - u)) / (2 * j)) ** 4;
    sum += jitter * Math.exp(-(u * u) / (2 * s * s));
  }
  return (sum * step) / (s * Math.sqrt(2 * Math.PI));
}

/** 0.83 / B for independent normal send errors of two deviations, by integration over all gaps. */
function integrated(shape: Shape, j: number, [one, other]: readonly [number, number]): number {
  const [s, r] = [one * Math.SQRT2, other * Math.SQRT2];
  const reach = j + 8 * Math.max(s, r);
  const step = Math.min(s, r) / 10;
  let sum = 0;
  for (let x = -reach; x <= reach; x += step) {
    sum += (Math.sqrt(gapDensity(shape, j, s, x)) - Math.sqrt(gapDensity(shape, j, r, x))) ** 2;
  }
  return 0.8304 / -Math.log1p((-sum * step) / 2);
}

function near(t: Test, value: number, expected: number, factor: number, what: string): void {
  t.ok(value <= expected * factor && value >= expected / factor, `${what}: ${value}, expected about ${expected}`);
}

const MS = 1_000_000;
const US = 1000;
const COUNT = 100_000;
/** Samples of each kind. `npm run bench -- audit-controls` draws many more. */
const RUNS = 8;

t.test("numeric integration gives the design's values", (t) => {
  // 10 ms +-25 %, errors of sd 20 us against 5 us.
  const uniform = integrated("uniform", 2.5 * MS, [20 * US, 5 * US]);
  t.ok(uniform > 300 && uniform < 3000, `uniform ${uniform}`);
  const smooth = integrated("cos4", 2.5 * MS, [20 * US, 5 * US]);
  near(t, smooth, 2.5e6, 1.1, "cos^4, low end");
  near(t, smooth * N95_UPPER_FACTOR, 7e6, 1.1, "cos^4, high end");
  // The first term of its expansion: B = 4 (pi / 2j)^4 (difference of the variances of gap errors)^2.
  const first = 4 * (Math.PI / 5000) ** 4 * (2 * (20 ** 2 - 5 ** 2)) ** 2;
  near(t, smooth, 0.8304 / first, 1.1, "cos^4, first term");
  t.end();
});

t.test("estimates agree with integration", (t) => {
  for (const [shape, jitter, sds] of [
    ["cos4", 2.5 * MS, [20 * US, 5 * US]],
    ["uniform", 2.5 * MS, [20 * US, 5 * US]],
    ["cos4", 0.25 * MS, [5 * US, 5.3 * US]],
    ["cos4", 0.25 * MS, [20 * US, 1 * US]],
    ["cos4", 25 * US, [5 * US, 2 * US]],
    ["uniform", 0.25 * MS, [3 * US, 2 * US]],
  ] as const) {
    const expected = integrated(shape, jitter, sds);
    const name = `${shape}, half width ${jitter / US} us, sd ${sds.map((sd) => sd / US).join(" and ")} us`;
    let [close, inside] = [0, 0];
    let last: N95 | undefined;
    for (let seed = 1; seed <= RUNS; seed += 1) {
      const [a, b] = sds.map((sd, index) => normal(2 * seed + index, COUNT, sd)) as [Float64Array, Float64Array];
      last = n95(a, b, { jitter, shape, resamples: 60, seed });
      if (last.estimate < expected * 1.5 && last.estimate > expected / 1.5) close += 1;
      if (last.low <= expected && last.high >= expected) inside += 1;
    }
    t.ok(
      close >= RUNS - 1,
      `${name}: ${close} of ${RUNS} within a factor of 1.5 of ${expected}, the last ${JSON.stringify(last)}`,
    );
    t.ok(inside >= RUNS - 2, `${name}: ${inside} of ${RUNS} intervals contain it`);
  }
  t.end();
});

/** Errors that hang together for a hundred slots or so. */
function sluggish(seed: number, sd: number): Float64Array {
  let state = 0;
  return normal(seed, COUNT, sd).map((fresh) => (state = 0.99 * state + Math.sqrt(1 - 0.99 ** 2) * fresh));
}

t.test("two samples of the same distribution", (t) => {
  const options: N95Options = { jitter: 0.25 * MS, resamples: 60 };
  for (const [name, draw] of [
    ["independent errors", (seed: number) => normal(seed, COUNT, 5 * US)],
    ["errors that hang together", (seed: number) => sluggish(seed, 5 * US)],
  ] as const) {
    let atLeast = 0;
    let lowest = Infinity;
    for (let seed = 1; seed <= RUNS; seed += 1) {
      const found = n95(draw(seed), draw(seed + 100), options);
      if (found.atLeast) atLeast += 1;
      lowest = Math.min(lowest, found.low);
    }
    t.ok(atLeast >= RUNS - 1, `${name}: at least, in ${atLeast} of ${RUNS}`);
    t.ok(lowest > 1e6, `${name}: at least ${lowest}`);
  }
  t.end();
});

t.test("a constant delay is no difference", (t) => {
  const errors = normal(1, 10_000, 5 * US);
  const found = n95(
    errors,
    errors.map((error) => error + 40 * US),
    { jitter: 0.25 * MS },
  );
  t.ok(found.atLeast);
  t.equal(found.estimate, Infinity);
  t.ok(found.low > 1e6, `at least ${found.low}`);
  t.end();
});

t.test("the tails count, unless they are cut", (t) => {
  const calm = normal(1, COUNT, 5 * US);
  // One slot in 2,000 is late by a millisecond: two gaps in 2,000 lie where no interval does.
  const stalling = normal(2, COUNT, 5 * US).map((error, slot) => error + (slot % 2000 === 1000 ? MS : 0));
  const all = n95(calm, stalling, { jitter: 0.25 * MS });
  near(t, all.estimate, 0.83 / -Math.log1p(-0.001 / 2), 1.1, "all slots");
  t.notOk(all.atLeast);
  const bulk = n95(calm, stalling, { jitter: 0.25 * MS, trim: 0.999 });
  t.ok(bulk.low > 1e6, `bulk: ${JSON.stringify(bulk)}`);
  t.end();
});

t.test("the same seed gives the same interval", (t) => {
  const [a, b] = [normal(1, 5000, 5 * US), normal(2, 5000, 9 * US)];
  const options = { jitter: 0.25 * MS, resamples: 50 };
  t.same(n95(a, b, options), n95(a, b, options));
  t.not(n95(a, b, options).low, n95(a, b, { ...options, seed: 2 }).low);
  const { low, estimate, high } = n95(a, b, options);
  t.ok(low < estimate && estimate < high, `${low} ${estimate} ${high}`);
  t.same(
    n95(a, b, { ...options, shape: (x) => (Math.abs(x) < 1 ? Math.cos((Math.PI / 2) * x) ** 4 : 0) }),
    n95(a, b, options),
    "a shape may be any density",
  );
  t.end();
});

t.test("gap errors skip what is missing, and the bulk is without both tails", (t) => {
  t.same([...gapErrors([1, 4, NaN, 5, 5, 3])], [3, 0, -2]);
  t.same([...gapErrors([])], []);
  const ramp = Array.from({ length: 10 }, (_, index) => index);
  t.same(
    [...bulkOf([...ramp, NaN], 0.9)],
    [NaN, 1, 2, 3, 4, 5, 6, 7, 8, NaN, NaN].map((v, i) => (i === 0 ? NaN : v)),
  );
  t.same([...bulkOf(ramp, 1)], ramp);
  t.end();
});

t.test("distances", (t) => {
  t.equal(squaredHellinger(Float64Array.of(1, 0, 0, 1)), 1);
  t.equal(squaredHellinger(Float64Array.of(0.5, 0.5, 0.5, 0.5, -1e-20, 0)), 0);
  const [p, q] = [0.3, 0.6];
  const direct = -Math.log(Math.sqrt(p * q) + Math.sqrt((1 - p) * (1 - q)));
  t.equal(bhattacharyya(squaredHellinger(Float64Array.of(p, q, 1 - p, 1 - q))).toFixed(12), direct.toFixed(12));
  t.end();
});

t.test("what can't be compared is refused", (t) => {
  const errors = normal(1, 1000, US);
  const refused = (options: N95Options, option: string) =>
    t.throws(() => n95(errors, errors, options), { code: "ERR_I405_OPTION", option });
  refused({ jitter: 0 }, "jitter");
  refused({ jitter: NaN }, "jitter");
  refused({ jitter: MS, trim: 0.5 }, "trim");
  refused({ jitter: MS, resamples: 10 }, "resamples");
  refused({ jitter: MS, confidence: 1 }, "confidence");
  refused({ jitter: MS, blockLength: 1000 }, "blockLength");
  t.throws(() => n95(errors.subarray(0, 100), errors, { jitter: MS }), { code: "ERR_I405_OPTION", option: "a" });
  t.throws(() => n95(errors, new Float64Array(1000).fill(NaN), { jitter: MS }), {
    code: "ERR_I405_OPTION",
    option: "b",
  });
  t.end();
});
