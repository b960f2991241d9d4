/** CPU of each side at 1 ms both ways, idle and saturated, beside a bare sleeping sender with a receiver. */
import { stolenSeconds, threadCpu } from "../lab/figures/stats.js";
import { udpSink } from "../lab/host/traffic.js";
import { startYardstick } from "../lab/host/yardstick.js";
import type { Program } from "../lab/host/program.js";
import { withPair, sleep } from "./lib/bench.js";
import { runLoads, type Load } from "./lib/load.js";
import { readOptions, Report, rounded } from "./lib/report.js";
import { CLIENT, SERVER, Tunnel } from "./lib/tunnel.js";

const options = readOptions({ seconds: 20, intervalMs: 1, length: 1500, inner: 1400, offer: 1.1, mode: "sleepy" });
const report = new Report(options.json);

/** Set-up and handshake are not part of the figure, in seconds. */
const SETTLE_S = 2;

/** Share of one core that each program uses over a while, and the busiest threads. */
async function measure(programs: Program[], condition: string, names: string[], during: () => Promise<unknown>) {
  const [before, stolen, start] = [programs.map(({ pid }) => threadCpu(pid)), stolenSeconds(), performance.now()];
  await during();
  const seconds = (performance.now() - start) / 1000;
  programs.forEach(({ pid }, index) => {
    const used = threadCpu(pid).map(({ tid, name, seconds: total }) => ({
      name,
      share: (total - (before[index]!.find((thread) => thread.tid === tid)?.seconds ?? 0)) / seconds,
    }));
    const busiest = used.filter(({ share }) => share >= 0.002).sort((one, other) => other.share - one.share);
    report.add({
      condition,
      side: names[index]!,
      cpu: rounded(
        used.reduce((sum, { share }) => sum + share, 0),
        4,
      ),
      stolen: rounded((stolenSeconds() - stolen) / seconds, 4),
      threads: busiest.map(({ name, share }) => `${name} ${share.toFixed(3)}`).join(", "),
    });
  });
}

await withPair(async (pair) => {
  const { a, b } = pair;
  const bare = {
    intervalUs: options.intervalMs * 1000,
    length: options.length,
    seconds: options.seconds + 4 * SETTLE_S,
  };
  const sinks = await Promise.all([udpSink(a, { listen: `${a.ipv4}:9` }), udpSink(b, { listen: `${b.ipv4}:9` })]);
  const senders = [
    startYardstick(a, "sleep", { ...bare, to: sinks[1].local, fifo: true }),
    startYardstick(b, "sleep", { ...bare, to: sinks[0].local, fifo: true }),
  ];
  await sleep(SETTLE_S * 1000);
  const names = ["bare sender", "bare receiver"];
  await measure([senders[0]!, sinks[0].program], "bare", names, () => sleep(options.seconds * 1000));
  await Promise.all([...senders.map((sender) => sender.stop()), ...sinks.map((sink) => sink.stop())]);

  const wire = { interval: `${options.intervalMs}ms`, length: options.length };
  const tunnel = await Tunnel.start(pair, { wire, clientMode: options.mode, serverMode: options.mode });
  const both = [tunnel.client, tunnel.server];
  await sleep(SETTLE_S * 1000);
  await measure(both, "idle", ["client", "server"], () => sleep(options.seconds * 1000));
  const load = { wire: options, innerLength: options.inner, factor: options.offer, seconds: options.seconds };
  const up: Load = { ...load, from: a, at: b, to: `${SERVER}:9000` };
  const down: Load = { ...load, from: b, at: a, to: `${CLIENT}:9000` };
  await measure(both, "saturated up", ["client", "server"], () => runLoads([up]));
  await measure(both, "saturated both ways", ["client", "server"], () => runLoads([up, down]));
  await tunnel.stop();
});
report.table(`CPU, shares of one core, ${options.mode}`);
