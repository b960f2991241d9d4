/** spinny under the kernel's limit: slots missed beside a bare spinner's losses, both sides spinning, shortest slots. */
import { parseDuration } from "../lib/common/units.js";
import { CaptureRun } from "../lab/host/capture.js";
import { fitGrid } from "../lab/figures/grid.js";
import type { NetnsPair } from "../lab/host/netns.js";
import type { Program } from "../lab/host/program.js";
import { summarize, trim } from "../lab/figures/stats.js";
import { icmpPing } from "../lab/host/traffic.js";
import { yardstick, type Measured } from "../lab/host/yardstick.js";
import { withPair, sleep } from "./lib/bench.js";
import { readOptions, Report, rounded } from "./lib/report.js";
import { PORT, SERVER, Tunnel, type DeviationEvent, type TunnelSettings } from "./lib/tunnel.js";
import { callLateness } from "./timing/figures.js";

const options = readOptions({
  seconds: 60,
  intervalMs: 1,
  length: 1500,
  shortSeconds: 10,
  intervals: "50us,20us,15us,10us",
  ways: "one,both",
  limits: "as shipped,lifted",
  parts: "one-side,both-sides,shortest",
});
const report = new Report(options.json);
const parts = options.parts.split(",");
const [CLIENT_CPU, SERVER_CPU] = [1, 0] as const;
/** Handshake and first slots are not part of a stretch, in seconds. */
const SETTLE_S = 1;
/** Bare and tunnel take turns this often, in seconds. */
const STRETCH_S = 10;
/** A spinner's pause in every millisecond that keeps it off the limit, microseconds. */
const BREATHE_US = 80;
/** What counts as a loss of the machine's: a gap of this or of an interval, whichever is shorter, microseconds. */
const GAP_US = 50;

const us = (ns: number) => rounded(ns / 1000, 2);

/** The machine's own losses on a core: a bare SCHED_FIFO spinner that sends nothing. */
async function machineLoses(pair: NetnsPair, cpu: number, seconds: number, intervalUs: number): Promise<Measured> {
  const gapUs = Math.min(intervalUs, GAP_US);
  return await yardstick(pair.a, "spin", { intervalUs, seconds, cpu, fifo: true, breatheUs: BREATHE_US, gapUs });
}

async function oneSide(pair: NetnsPair): Promise<void> {
  const stretches = Math.max(1, Math.round(options.seconds / STRETCH_S));
  const [latenessNs, totals]: [number[], { slots: number; missed: number; losses: number }] = [
    [],
    { slots: 0, missed: 0, losses: 0 },
  ];
  for (let stretch = 1; stretch <= stretches; stretch += 1) {
    report.progress(`one side spinny, stretch ${stretch} of ${stretches}`);
    const wire = { interval: `${options.intervalMs}ms`, length: options.length, jitter: "0" };
    const settings = { wire, clientMode: "spinny", clientCpu: CLIENT_CPU, serverMode: "sleepy" };
    const tunnel = await Tunnel.start(pair, settings);
    await sleep(SETTLE_S * 1000);
    const capture = await CaptureRun.start(pair.b, { udpPort: PORT, snap: 0 });
    await sleep(STRETCH_S * 1000);
    const { packets } = await capture.stop();
    const arrivals = packets.filter(({ direction, destinationPort }) => direction === "in" && destinationPort === PORT);
    const fit = fitGrid(
      arrivals.map(({ timeNs }) => timeNs),
      options.intervalMs * 1e6,
    );
    await tunnel.stop();
    const { gapPercent = 0 } = await machineLoses(pair, CLIENT_CPU, STRETCH_S, Math.min(options.intervalMs, 1) * 1000);
    latenessNs.push(...fit.latenessNs);
    totals.slots += fit.slots;
    totals.missed += fit.missed;
    totals.losses += (gapPercent / 100) * fit.slots;
  }
  const [all, trimmed] = [summarize(latenessNs), summarize(trim(latenessNs))];
  report.add({
    slots: totals.slots,
    missed: totals.missed,
    machineLosses: rounded(totals.losses, 1),
    p50: us(all.p50),
    p99: us(all.p99),
    p999: us(all.p999),
    max: us(all.max),
    sd: us(all.stddev),
    trimmedSd: us(trimmed.stddev),
  });
  report.table(`One side spinny, ${options.intervalMs} ms, limit as shipped: slots missed on the wire; lateness, us`);
}

async function endsWithin(program: Program): Promise<number> {
  const start = performance.now();
  program.kill("SIGTERM");
  await program.exit;
  return rounded(performance.now() - start, 0);
}

async function bothSides(pair: NetnsPair): Promise<void> {
  report.progress("both sides spinny");
  const tunnel = await Tunnel.start(pair, {
    wire: { interval: `${options.intervalMs}ms`, length: options.length },
    clientMode: "spinny",
    serverMode: "spinny",
    clientCpu: CLIENT_CPU,
    serverCpu: SERVER_CPU,
  });
  await sleep(SETTLE_S * 1000);
  const pinged = await icmpPing(pair.a, { to: SERVER, length: 84, count: 100, meanMs: 50 });
  const ends = Promise.all([endsWithin(tunnel.client), endsWithin(tunnel.server)]);
  const [clientMs, serverMs] = await ends;
  report.add({ pings: pinged.sent, answered: pinged.received, clientEndsMs: clientMs, serverEndsMs: serverMs });
  await tunnel.stop().catch(() => undefined);
  report.table("Both sides spinny, each on its core: ping, and how long SIGTERM to both takes");
}

/** What the event of every second says of a stretch, the first one's part before it left out. */
function stretchOf(events: readonly DeviationEvent[]) {
  const inside = events.slice(1);
  const { missed, p50, p99 } = callLateness(inside) ?? { missed: 0, p50: NaN, p99: NaN };
  const sent = inside.reduce((sum, { count }) => sum + count, 0);
  return { slots: sent + missed, missed, p50: rounded(p50, 2), p99: rounded(p99, 2) };
}

/** The bare spinner's, before and after the tunnel: slots of the same length missed, and time lost. */
function bareOf(before: Measured, after: Measured) {
  const [slots, missed] = [before.slots + after.slots, before.missed + after.missed];
  const lost = ((before.gapPercent ?? 0) + (after.gapPercent ?? 0)) / 2;
  return { barePercent: rounded((100 * missed) / slots, 3), lostPercent: rounded(lost, 3) };
}

async function shortest(pair: NetnsPair, interval: string, ways: string, limit: string): Promise<void> {
  report.progress(`${interval}, ${ways} way${ways === "both" ? "s" : ""}, limit ${limit}`);
  const lift = limit === "lifted" ? ["--lift-rt-throttle"] : [];
  const fast = { interval, length: options.length };
  const settings: TunnelSettings = {
    wire: fast,
    down: ways === "both" ? fast : { interval: "10ms", length: options.length },
    clientMode: "spinny",
    serverMode: ways === "both" ? "spinny" : "sleepy",
    clientCpu: CLIENT_CPU,
    serverCpu: SERVER_CPU,
    deviation: "1s",
    clientFlags: lift,
    serverFlags: [...lift, "--max-up-speed", "1GiB/s", "--max-down-speed", "1GiB/s"],
  };
  const sides = ways === "both" ? (["client", "server"] as const) : (["client"] as const);
  const intervalUs = parseDuration("intervals", interval, { min: "1us", max: "1s" }) / 1000;
  const bare = async () => {
    const measured: Measured[] = [];
    for (const side of sides) {
      const cpu = side === "client" ? CLIENT_CPU : SERVER_CPU;
      measured.push(await machineLoses(pair, cpu, options.shortSeconds / 2, intervalUs));
    }
    return measured;
  };
  const before = await bare();
  const tunnel = await Tunnel.start(pair, settings);
  await sleep(SETTLE_S * 1000);
  const programs = { client: tunnel.client, server: tunnel.server };
  const from = { client: tunnel.client.events.length, server: tunnel.server.events.length };
  await sleep((options.shortSeconds + 1) * 1000);
  const seen = sides.map((side) =>
    stretchOf(Tunnel.deviations(programs[side], from[side], programs[side].events.length)),
  );
  const stats = await tunnel.stop();
  const after = await bare();
  sides.forEach((side, place) => {
    const { slots, missed, p50, p99 } = seen[place]!;
    const other = stats[side === "client" ? "server" : "client"];
    report.add({
      interval,
      ways,
      limit,
      side,
      slots,
      missed,
      percent: rounded((100 * missed) / slots, 3),
      ...bareOf(before[place]!, after[place]!),
      p50,
      p99,
      stalls: stats[side].throttleStalls,
      received: other.datagrams.opened,
    });
  });
}

await withPair(async (pair) => {
  if (parts.includes("one-side")) await oneSide(pair);
  if (parts.includes("both-sides")) await bothSides(pair);
  if (parts.includes("shortest")) {
    for (const interval of options.intervals.split(",")) {
      for (const ways of options.ways.split(",")) {
        for (const limit of options.limits.split(",")) await shortest(pair, interval, ways, limit);
      }
    }
    report.table(
      "Shortest slots, sealed: missed, by a bare spinner that sends nothing too; time lost in gaps; lateness at the call, us",
    );
  }
});
