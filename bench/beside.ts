/**
 * What a tunnel costs others: how fast another program's stream over the same cable is beside one way to send and beside
 * another, in pairs of neighbours.
 */
import { spawnSync } from "node:child_process";
import type { NetnsPair } from "../lab/host/netns.js";
import { percentile, stolenSeconds } from "../lab/figures/stats.js";
import { Program } from "../lab/host/program.js";
import { withPair, sleep } from "./lib/bench.js";
import { readOptions, Report, rounded } from "./lib/report.js";
import { Tunnel } from "./lib/tunnel.js";

const options = readOptions({
  pairs: 9,
  seconds: 5,
  intervalMs: 1,
  length: 1500,
  mode: "dozy",
  /** Flags of the second of each pair, with commas; the first has none of them. */
  against: "--send-by,kernel",
  /** Core of the client's timed thread, and of the stream. */
  cpu: 1,
  otherCpu: 0,
});
const report = new Report(options.json);
const SETTLE_MS = 1000;

/** Bits a second of a TCP stream of iperf3's from the client's machine to the server's, outside of the tunnel. */
async function stream({ a, b }: NetnsPair): Promise<number> {
  const pinned = ["--affinity", String(options.otherCpu)];
  const server = new Program(b, ["iperf3", "--server", "--one-off", "--bind", b.ipv4, ...pinned]);
  await sleep(300);
  const seconds = String(options.seconds);
  const client = new Program(a, ["iperf3", "--client", b.ipv4, "--time", seconds, "--json", ...pinned]);
  await client.exit;
  await server.stop();
  const found = JSON.parse(client.lines.join("\n")) as { end: { sum_received: { bits_per_second: number } } };
  return found.end.sum_received.bits_per_second;
}

async function beside(pair: NetnsPair, flags: readonly string[]): Promise<number> {
  const wire = { interval: `${options.intervalMs}ms`, length: options.length };
  const tunnel = await Tunnel.start(pair, {
    wire,
    clientMode: options.mode,
    clientCpu: options.cpu,
    clientFlags: flags,
  });
  try {
    await sleep(SETTLE_MS);
    return await stream(pair);
  } finally {
    await tunnel.stop();
  }
}

if (spawnSync("iperf3", ["--version"]).error !== undefined) {
  console.error("this bench needs iperf3: sudo apt-get install iperf3");
  process.exit(1);
}
await withPair(async (pair) => {
  const stolen = stolenSeconds();
  const against = options.against.split(",");
  const ratios: number[] = [];
  for (let turn = 0; turn < options.pairs; turn += 1) {
    const both = { plain: 0, other: 0 };
    const order = turn % 2 === 0 ? (["plain", "other"] as const) : (["other", "plain"] as const);
    for (const which of order) both[which] = await beside(pair, which === "plain" ? [] : against);
    const { plain, other } = both;
    ratios.push(other / plain);
    report.add({
      pair: turn + 1,
      gbps: rounded(plain / 1e9),
      gbpsAgainst: rounded(other / 1e9),
      percent: rounded((100 * other) / plain, 1),
    });
  }
  report.table(`A stream beside ${options.mode}, and beside ${options.mode} ${against.join(" ")}`);
  const percent = (share: number) => rounded(100 * percentile(ratios, share), 1);
  report.add({
    pairs: ratios.length,
    p25: percent(0.25),
    median: percent(0.5),
    p75: percent(0.75),
    stolenS: rounded(stolenSeconds() - stolen),
  });
  report.table("The second's speed, percent of the first's");
});
