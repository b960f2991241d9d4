/** The arithmetic behind tests and benches, against values that are known from elsewhere. */
import t from "tap";
import { parseArrivals, parseCapture } from "../../lab/host/capture.js";
import { errorsBySlot, fitGrid } from "../../lab/figures/grid.js";
import { flags } from "../../lab/host/program.js";
import {
  chiSquaredP,
  chiSquaredUniform,
  percentile,
  residentBytes,
  stolenSeconds,
  summarize,
  threadCpu,
  trim,
} from "../../lab/figures/stats.js";

/** Reproducible numbers in 0..1 (Park and Miller's generator). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

t.test("summaries use nearest ranks", (t) => {
  const values = Array.from({ length: 1000 }, (_, index) => 1000 - index);
  t.match(summarize(values), { count: 1000, mean: 500.5, p50: 500, p90: 900, p99: 990, p999: 999, max: 1000 });
  t.equal(summarize(values).stddev.toFixed(3), "288.675");
  t.equal(percentile([3], 0.5), 3);
  t.same(trim([5, 1, 9, 3], 0.75), [1, 3, 5]);
  t.end();
});

t.test("chi-squared agrees with the tables", (t) => {
  // Upper 5 % points, from the NIST/SEMATECH handbook's table 1.3.6.7.4.
  for (const [degrees, critical] of [
    [1, 3.841],
    [10, 18.307],
    [100, 124.342],
  ] as const) {
    t.equal(chiSquaredP(critical, degrees).toFixed(4), "0.0500");
  }
  t.equal(chiSquaredUniform([50, 50, 50]), 1);
  t.ok(chiSquaredUniform([80, 50, 20]) < 1e-6);
  t.end();
});

t.test("a grid is found, and lateness and missed slots with it", (t) => {
  const next = numbers(3);
  const interval = 1_000_000;
  const times: number[] = [];
  const expected: number[] = [];
  for (let slot = 0; slot < 5000; slot += 1) {
    // One slot in 500 is late by 3.4 intervals: it is sent at once, the three after it are skipped.
    const late = slot % 500 === 250 ? 3.4 * interval : slot === 0 ? 0 : next() * 60_000;
    times.push(123_456_789 + slot * interval + late);
    expected.push(late);
    if (late > interval) slot += 3;
  }
  const fit = fitGrid(times, interval);
  t.equal(fit.slots, 5000);
  t.equal(fit.missed, 30);
  t.equal(fit.latenessNs.length, 5000 - 30);
  const off = fit.latenessNs.map((late, index) => Math.abs(late - expected[index]!));
  t.ok(Math.max(...off) < 1, `off by ${Math.max(...off)} ns`);
  t.end();
});

t.test("a datagram that is late by nearly a whole interval does not move the grid", (t) => {
  const times = Array.from({ length: 1000 }, (_, slot) => slot * 1000 + 20 + (slot % 7) + (slot === 400 ? 800 : 0));
  const fit = fitGrid(times, 1000);
  t.equal(fit.missed, 0);
  t.equal(Math.round(Math.max(...fit.latenessNs)), 801);
  t.end();
});

t.test("a few that are much more punctual than all others are not late by an interval", (t) => {
  const interval = 1_000_000;
  // Nearly all are 30 us late, one in 200 is 12 us late.
  const late = (slot: number) => (slot % 200 === 7 ? 12_000 : 30_000 + (slot % 5) * 100);
  const fit = fitGrid(
    Array.from({ length: 2000 }, (_, slot) => slot * interval + late(slot)),
    interval,
  );
  t.equal(fit.missed, 0);
  t.equal(Math.round(Math.max(...fit.latenessNs)), 18_400);
  t.equal(Math.min(...fit.latenessNs), 0);
  t.end();
});

t.test("the grid is found where many are late by anything", (t) => {
  const next = numbers(5);
  const interval = 10_000_000;
  const times = Array.from({ length: 300 }, (_, slot) => {
    const late = next() < 0.3 ? next() * interval * 0.9 : 20_000 + next() * 30_000;
    return slot * interval + late;
  });
  const { latenessNs } = fitGrid(times, interval);
  t.equal(Math.min(...latenessNs), 0);
  t.ok(percentile(latenessNs, 0.5) < 35_000, `median ${percentile(latenessNs, 0.5)} ns`);
  t.end();
});

t.test("nothing is lost by waking just past a deadline", (t) => {
  // Slot 3 left before slot 4's deadline but was seen after it.
  const fit = fitGrid([0, 1000, 2000, 4001, 4002, 5000, 6000], 1000);
  t.equal(fit.missed, 0);
  t.equal(fit.slots, 7);
  t.same(fitGrid([], 1000), { latenessNs: [], slotOf: [], slots: 0, missed: 0 });
  t.end();
});

t.test("errors by slot have gaps where slots were missed", (t) => {
  // Slot 102 is late by 2.4 intervals: sent at once, slots 103 and 104 are skipped.
  const times = Array.from({ length: 110 }, (_, slot) => slot * 1000 + (slot % 10) + (slot === 102 ? 2400 : 0));
  const errors = errorsBySlot(fitGrid(Float64Array.from(times.toSpliced(103, 2)), 1000));
  t.equal(errors.length, 110);
  t.same([...errors.subarray(100, 107)].map(Math.round), [0, 1, 2402, NaN, NaN, 5, 6]);
  t.end();
});

t.test("this process can be looked at", (t) => {
  t.ok(stolenSeconds() >= 0);
  t.ok(residentBytes(process.pid) > 1 << 20);
  const threads = threadCpu(process.pid);
  t.ok(threads.some(({ tid, seconds }) => tid === process.pid && seconds > 0));
  t.end();
});

t.test("flags and files are refused when they are not what they should be", (t) => {
  t.same(flags({ meanMs: 5, list: true, count: undefined, abort: false, length: [1, 2] }), [
    "--mean-ms",
    "5",
    "--list",
    "--length",
    "1,2",
  ]);
  t.throws(() => parseCapture(Buffer.from("something else")), /not a capture/);
  t.throws(() => parseCapture(Buffer.concat([Buffer.from("i405cap1"), Buffer.alloc(67)])));
  const cut = Buffer.alloc(8 + 68);
  cut.write("i405cap1");
  cut.writeUInt16LE(1, 16);
  t.throws(() => parseCapture(cut), /cut off/);
  t.throws(() => parseArrivals(cut.subarray(0, 60), 9), /cut off/);
  t.throws(() => parseArrivals(Buffer.from("something else"), 9), /not a capture/);
  t.same(parseArrivals(Buffer.from("i405cap1"), 9), { startNs: 0n, timesNs: new Float64Array() });
  t.end();
});
