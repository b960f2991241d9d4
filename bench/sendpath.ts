/** Ways to hand one datagram to the kernel, in turns: lateness on the wire and length of the call. */
import { CaptureRun } from "../lab/host/capture.js";
import { fitGrid } from "../lab/figures/grid.js";
import type { NetnsPair } from "../lab/host/netns.js";
import { flags, Program } from "../lab/host/program.js";
import { stolenSeconds, summarize, trim, type Summary } from "../lab/figures/stats.js";
import { testkit } from "../lab/host/testkit.js";
import { withPair } from "./lib/bench.js";
import { readOptions, Report, rounded } from "./lib/report.js";
import { median } from "./timing/figures.js";

const options = readOptions({
  /** Of each stretch. */
  seconds: 5,
  rounds: 3,
  intervalUs: 1000,
  length: 1500,
  cpu: 1,
  ways: "sendto,sendto+probe,send,send+probe,sendmsg,io-uring,packet,xdp",
  /** How long before the deadline `+probe` begins to warm the path. */
  probeUs: 20,
});
const report = new Report(options.json);
const PORT = 1407;

interface Stretch {
  latenessNs: number[];
  missed: number;
  callUs: Summary;
  stolen: number;
}

async function stretch(pair: NetnsPair, spec: string): Promise<Stretch> {
  const [way, probe] = spec.split("+");
  const capture = await CaptureRun.start(pair.b, { udpPort: PORT, snap: 0 });
  const stolen = stolenSeconds();
  const { seconds, intervalUs, length, cpu } = options;
  const rest = { to: `${pair.b.ipv4}:${PORT}`, seconds, intervalUs, length, cpu, interface: pair.a.device };
  const probeUs = probe === undefined ? 0 : options.probeUs;
  const program = new Program(pair.a, [testkit("sendpath"), way!, ...flags({ ...rest, probeUs })]);
  try {
    const { callUs } = await program.event<{ callUs: Summary }>("done");
    const times = (await capture.stop()).packets.filter(({ direction }) => direction === "in").map((one) => one.timeNs);
    // The first one made the neighbour known.
    const fit = fitGrid(times.slice(1), intervalUs * 1000);
    return { latenessNs: fit.latenessNs, missed: fit.missed, callUs, stolen: stolenSeconds() - stolen };
  } finally {
    await program.stop();
  }
}

await withPair(async (pair) => {
  const all = new Map<string, Stretch[]>();
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const way of options.ways.split(",")) {
      report.progress(`round ${round} of ${options.rounds}: ${way}`);
      try {
        all.set(way, [...(all.get(way) ?? []), await stretch(pair, way)]);
      } catch (error) {
        report.progress(`  ${way}: ${(error as Error).message}`);
      }
    }
  }
  const us = (ns: number) => rounded(ns / 1000);
  for (const [way, parts] of all) {
    const each = parts.map(({ latenessNs }) => [summarize(latenessNs), summarize(trim(latenessNs))] as const);
    report.add({
      way,
      sd: us(median(each.map(([, bulk]) => bulk.stddev))),
      sdAll: us(median(each.map(([whole]) => whole.stddev))),
      p50: us(median(each.map(([whole]) => whole.p50))),
      p99: us(median(each.map(([whole]) => whole.p99))),
      p999: us(median(each.map(([whole]) => whole.p999))),
      callP50: rounded(median(parts.map(({ callUs }) => callUs.p50))),
      callP99: rounded(median(parts.map(({ callUs }) => callUs.p99))),
      missed: parts.reduce((sum, { missed }) => sum + missed, 0),
      stolenS: rounded(parts.reduce((sum, { stolen }) => sum + stolen, 0)),
    });
  }
});
report.table(
  `Wire lateness after the most punctual datagram, us, medians over stretches; sd trimmed at p99.9; ${options.intervalUs} us slots`,
);
