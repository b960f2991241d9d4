/** Resident memory of both sides over minutes, saturated both ways at 10,000 slots a second. */
import { residentBytes } from "../lab/figures/stats.js";
import { withPair, sleep } from "./lib/bench.js";
import { runLoads, type Load } from "./lib/load.js";
import { readOptions, Report, rounded } from "./lib/report.js";
import { CLIENT, SERVER, Tunnel } from "./lib/tunnel.js";

const options = readOptions({
  minutes: 10,
  minuteSeconds: 60,
  intervalMs: 0.1,
  length: 1500,
  inner: 1400,
  offer: 1.1,
  mode: "sleepy",
});
const report = new Report(options.json);

/** The minute from which growth counts. */
const FROM = 2;
const MIB = 1 << 20;

await withPair(async (pair) => {
  const wire = { interval: `${options.intervalMs * 1000}us`, length: options.length };
  const tunnel = await Tunnel.start(pair, { wire, clientMode: options.mode, serverMode: options.mode });
  const seconds = options.minutes * options.minuteSeconds + 1;
  const load = { wire: options, innerLength: options.inner, factor: options.offer, seconds };
  const up: Load = { ...load, from: pair.a, at: pair.b, to: `${SERVER}:9000` };
  const down: Load = { ...load, from: pair.b, at: pair.a, to: `${CLIENT}:9000` };
  const loads = runLoads([up, down]);
  const resident: [number, number][] = [];
  for (let minute = 1; minute <= options.minutes; minute += 1) {
    await sleep(options.minuteSeconds * 1000);
    const now: [number, number] = [residentBytes(tunnel.client.pid), residentBytes(tunnel.server.pid)];
    resident.push(now);
    report.add({ minute, client: rounded(now[0] / MIB), server: rounded(now[1] / MIB) });
  }
  const delivered = await loads;
  const { client, server } = await tunnel.stop();
  report.table("Resident memory, MiB");
  const from = resident[Math.min(FROM, resident.length) - 1]!;
  const to = resident.at(-1)!;
  [client, server].forEach((stats, index) => {
    report.add({
      side: index === 0 ? "client" : "server",
      growth: rounded((to[index]! - from[index]!) / MIB),
      sent: stats.slots.sent,
      missed: stats.slots.missed,
      carrying: stats.slots.carrying,
      delivered: delivered[index === 0 ? 1 : 0]!,
    });
  });
  report.table(`Growth from minute ${FROM} to minute ${options.minutes}, MiB`);
});
