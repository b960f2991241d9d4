/** What transmit timestamps say beside the wire, and what they cost: deviation of the call and software ones in turns. */
import { CaptureRun } from "../lab/host/capture.js";
import { fitGrid } from "../lab/figures/grid.js";
import { mean, summarize, threadCpu, trim } from "../lab/figures/stats.js";
import { sleep, withPair } from "./lib/bench.js";
import { readOptions, Report, rounded } from "./lib/report.js";
import { PORT, Tunnel } from "./lib/tunnel.js";

const options = readOptions({ seconds: 60, rounds: 3, intervalMs: 1, length: 1500, cpu: 1, mode: "dozy" });
const report = new Report(options.json);
/** Each source gets half of a round. */
const stretchS = options.seconds / options.rounds / 2;
/** Handshake and first slots are not part of a stretch, in seconds. */
const SETTLE_S = 2;
const us = (ns: number) => rounded(ns / 1000, 2);

await withPair(async (pair) => {
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const source of ["call", "software"]) {
      report.progress(`round ${round} of ${options.rounds}: ${source}`);
      const tunnel = await Tunnel.start(pair, {
        wire: { interval: `${options.intervalMs}ms`, length: options.length, jitter: "0" },
        clientMode: options.mode,
        clientCpu: options.cpu,
        serverMode: "sleepy",
        clientFlags: ["--deviation-source", source],
        deviation: "1s",
      });
      const { client } = tunnel;
      await sleep(SETTLE_S * 1000);
      const cpu = () => threadCpu(client.pid).reduce((sum, { seconds }) => sum + seconds, 0);
      const [from, cpuBefore] = [client.events.length, cpu()];
      const capture = await CaptureRun.start(pair.b, { udpPort: PORT, snap: 0 });
      await sleep(stretchS * 1000);
      const { packets } = await capture.stop();
      const [said, used] = [Tunnel.deviations(client, from, client.events.length), cpu() - cpuBefore];
      await tunnel.stop();
      const times = packets.filter(({ direction }) => direction === "in").map(({ timeNs }) => timeNs);
      const { latenessNs, missed } = fitGrid(times, options.intervalMs * 1e6);
      const wire = summarize(trim(latenessNs));
      report.add({
        round,
        source,
        slots: latenessNs.length,
        missed,
        saidMean: rounded(mean(said.map((each) => each.mean)), 2),
        saidP50: rounded(mean(said.map(({ p50 }) => p50)), 2),
        saidP99: rounded(mean(said.map(({ p99 }) => p99)), 2),
        wireSd: us(wire.stddev),
        wireP50: us(wire.p50),
        wireP99: us(wire.p99),
        clientCpu: rounded(used / stretchS, 4),
      });
    }
  }
});
report.table("Lateness, us: what the client says (mean over its reports), and on the wire, trimmed at p99.9");
