/** Bytes of handshake and data datagrams: uniform at every position, and of no use to tell one kind from the other. */
import { randomBytes } from "node:crypto";
import { CaptureRun } from "../lab/host/capture.js";
import type { NetnsPair } from "../lab/host/netns.js";
import { chiSquaredTwoSample, chiSquaredUniform, coinP, uniformP } from "../lab/figures/stats.js";
import { udpSink } from "../lab/host/traffic.js";
import { withPair } from "./lib/bench.js";
import { bayesHits, logisticHits, shuffled, type Sample } from "./lib/classifier.js";
import { runLoads } from "./lib/load.js";
import { readOptions, Report, rounded } from "./lib/report.js";
import { LonelyClient, PORT, SERVER, Tunnel } from "./lib/tunnel.js";

const options = readOptions({ count: 10_000, intervalMs: 1, length: 1500 });
const report = new Report(options.json);
const settings = { wire: { interval: `${options.intervalMs}ms`, length: options.length }, clientMode: "sleepy" };

/** Payloads that went up while the capture ran, exactly as many as asked for. */
function upwards(packets: Awaited<ReturnType<CaptureRun["finished"]>>["packets"]): Buffer[] {
  return packets.filter(({ direction }) => direction === "in").map(({ payload }) => payload);
}

async function handshakes(pair: NetnsPair): Promise<Buffer[]> {
  // Somebody listens on the port, so that no ICMP comes back, but nobody answers.
  const sink = await udpSink(pair.b, { listen: `${pair.b.ipv4}:${PORT}` });
  const capture = await CaptureRun.start(pair.b, { udpPort: PORT, count: options.count });
  const client = new LonelyClient(pair, settings);
  const { packets } = await capture.finished();
  await client.stop();
  await sink.stop();
  return upwards(packets);
}

async function data(pair: NetnsPair): Promise<Buffer[]> {
  const tunnel = await Tunnel.start(pair, settings);
  // Both directions are captured; half of the time with traffic inside.
  const capture = await CaptureRun.start(pair.b, { udpPort: PORT, count: 2 * options.count + 200 });
  const seconds = (options.count * options.intervalMs) / 2000;
  const load = { from: pair.a, at: pair.b, to: `${SERVER}:9000`, wire: options, innerLength: 400, factor: 1.2 };
  await runLoads([{ ...load, seconds }]);
  const { packets } = await capture.finished();
  await tunnel.stop();
  return upwards(packets).slice(0, options.count);
}

/** How often each value occurs at each position. */
function countsByPosition(payloads: readonly Buffer[]): number[][] {
  const length = Math.min(...payloads.map((payload) => payload.length));
  const counts = Array.from({ length }, () => new Array<number>(256).fill(0));
  for (const payload of payloads) counts.forEach((count, place) => (count[payload[place]!]! += 1));
  return counts;
}

/** p-values of many tests are themselves uniform if nothing is there, and the smallest is no smaller than it may be. */
function describe(test: string, ps: number[]): void {
  const smallest = Math.min(...ps);
  report.add({
    test,
    tests: ps.length,
    uniformP: rounded(uniformP(ps), 4),
    smallestP: Number(smallest.toExponential(2)),
    // Bonferroni: the chance that the smallest of so many is this small.
    smallestCorrectedP: rounded(Math.min(1, smallest * ps.length), 4),
    below5Percent: rounded(ps.filter((p) => p < 0.05).length / ps.length, 4),
  });
}

await withPair(async (pair) => {
  report.progress(`capturing ${options.count} handshake datagrams, then as many with data`);
  const kinds = [await handshakes(pair), await data(pair)] as const;
  const [first, second] = kinds.map(countsByPosition) as [number[][], number[][]];
  report.add({ kind: "handshake", datagrams: kinds[0].length, positions: first.length });
  report.add({ kind: "data", datagrams: kinds[1].length, positions: second.length });
  report.table("Captured");

  describe("handshake: each position uniform", first.map(chiSquaredUniform));
  describe("data: each position uniform", second.map(chiSquaredUniform));
  // What the same tests say where nothing can be found.
  const random = countsByPosition(kinds[0].map((payload) => randomBytes(payload.length)));
  describe("control, random bytes: each position uniform", random.map(chiSquaredUniform));
  describe(
    "each position alike in both",
    first.map((counts, place) => chiSquaredTwoSample(counts, second[place]!)),
  );
  report.table("Chi-squared, 256 values per position; uniformP: Kolmogorov-Smirnov over the p-values");

  const sum = (counts: number[][]) =>
    counts[0]!.map((_, value) => counts.reduce((total, place) => total + place[value]!, 0));
  report.add({
    test: "all bytes alike in both (two-sample chi-squared)",
    p: rounded(chiSquaredTwoSample(sum(first), sum(second)), 4),
  });
  report.table("Two samples");

  const samples = shuffled(
    kinds.flatMap((payloads, kind) => payloads.map((bytes): Sample => ({ bytes, kind: kind as 0 | 1 }))),
  );
  const half = samples.length >> 1;
  const [train, test] = [samples.slice(0, half), samples.slice(half)];
  for (const [classifier, hits] of [
    ["logistic regression: byte histogram, bits of the first 32 bytes", logisticHits(train, test)],
    ["naive Bayes: value at every position", bayesHits(train, test)],
  ] as const) {
    report.add({
      classifier,
      tested: test.length,
      accuracy: rounded(hits / test.length, 4),
      p: rounded(coinP(hits, test.length), 4),
    });
  }
  report.table("Trained on one half, tested on the other; p: as many hits by tossing a coin");
});
