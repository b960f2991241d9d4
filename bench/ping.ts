/** Ping through an idle tunnel, over several connections, at random times. */
import { icmpPing } from "../lab/host/traffic.js";
import { mean, percentile } from "../lab/figures/stats.js";
import { withPair } from "./lib/bench.js";
import { readOptions, Report, rounded } from "./lib/report.js";
import { SERVER, Tunnel } from "./lib/tunnel.js";

const options = readOptions({
  connections: 10,
  count: 100,
  meanMs: 30,
  intervalMs: 1,
  length: 1500,
  mode: "sleepy",
  jitter: "",
});
const report = new Report(options.json);
const all: number[] = [];

await withPair(async (pair) => {
  for (let connection = 1; connection <= options.connections; connection += 1) {
    // The phase between the two schedules is drawn anew with every connection.
    const tunnel = await Tunnel.start(pair, {
      wire: { interval: `${options.intervalMs}ms`, length: options.length, jitter: options.jitter || undefined },
      clientMode: options.mode,
      serverMode: options.mode,
    });
    const pinged = await icmpPing(pair.a, { to: SERVER, count: options.count, meanMs: options.meanMs, list: true });
    await tunnel.stop();
    const times = (pinged.rttsUs ?? []).map((us) => us / 1000);
    all.push(...times);
    report.add({
      connection: String(connection),
      received: pinged.received,
      lost: pinged.lost,
      mean: rounded(mean(times), 3),
      p50: rounded(percentile(times, 0.5), 3),
      p95: rounded(percentile(times, 0.95), 3),
      max: rounded(percentile(times, 1), 3),
    });
  }
});
report.add({
  connection: "all",
  received: all.length,
  lost: options.connections * options.count - all.length,
  mean: rounded(mean(all), 3),
  p50: rounded(percentile(all, 0.5), 3),
  p95: rounded(percentile(all, 0.95), 3),
  max: rounded(percentile(all, 1), 3),
});
report.table("Ping through an idle tunnel, milliseconds");
