/** The autocorrelation of gaps, against gaps that are made to depend on one before. */
import t from "tap";
import { autocorrelationEffect } from "../../lib/audit/effects/memory.js";
import type { Seen } from "../../lib/audit/observation.js";
import { randomSource } from "../../lab/random.js";

const COUNT = 20_000;
const GAP_NS = 1_000_000;
const CLIP = { low: 0, high: 2 * GAP_NS };

/** Gaps of 1 ms with errors of up to 50 us, half of each the error of the gap `lag` before; 0: independent. */
function stretch(seed: number, lag: number): Seen {
  const next = randomSource(seed);
  const errors = Array.from({ length: COUNT }, () => (next() - 0.5) * 100_000);
  const timesNs = new Float64Array(COUNT + 1);
  errors.forEach((error, index) => {
    const before = lag > 0 && index >= lag ? errors[index - lag]! / 2 : 0;
    timesNs[index + 1] = timesNs[index]! + GAP_NS + error + before;
  });
  return { label: `lag ${lag}`, fromNs: 0, toNs: timesNs[COUNT]!, timesNs };
}

t.test("each lag from 1 to 20 is found, and named", async (t) => {
  for (let lag = 1; lag <= 20; lag += 1) {
    const [found] = autocorrelationEffect([stretch(1, 0)], [stretch(2, lag)], CLIP);
    t.match(found?.words, new RegExp(`^gaps depend on the gap ${lag} before:`));
    // An error and half of the one before it: 0.5 / 1.25.
    t.ok(Math.abs(found!.measure - 0.4) < 0.05, `correlation ${found!.measure}`);
    t.ok(found!.p < 1e-9, `p ${found!.p}`);
  }
});

t.test("independent gaps, and too few of them", async (t) => {
  const [found] = autocorrelationEffect([stretch(1, 0)], [stretch(2, 0)], CLIP);
  t.ok(found!.p > 0.01, `p ${found!.p}`);
  const short = { ...stretch(1, 0), timesNs: stretch(1, 0).timesNs.subarray(0, 100) };
  t.same(autocorrelationEffect([short], [short], CLIP), []);
});
