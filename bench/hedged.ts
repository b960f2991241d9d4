/** Hedged against single dispatch while a program of higher priority takes one core at a time, in random bursts. */
import { CaptureRun } from "../lab/host/capture.js";
import { fitGrid } from "../lab/figures/grid.js";
import type { NetnsPair } from "../lab/host/netns.js";
import { here, Program } from "../lab/host/program.js";
import { stolenSeconds, summarize } from "../lab/figures/stats.js";
import { testkit } from "../lab/host/testkit.js";
import { withPair, sleep } from "./lib/bench.js";
import { readOptions, Report, rounded } from "./lib/report.js";
import { PORT, Tunnel } from "./lib/tunnel.js";

const options = readOptions({
  /** Of each stretch. */
  seconds: 10,
  rounds: 3,
  intervalUs: 1000,
  length: 300,
  mode: "dozy",
  /** Part of the time in which the thief has one of the two cores; 0: no thief. */
  share: 0.4,
  /** Afterwards: this many slots hedged under the thief, counted and not captured. 0: none. */
  longSlots: 0,
  longIntervalUs: 50,
});
const report = new Report(options.json);

/** Later than this a slot is late: what the tunnel's own counter uses. */
const LATE_NS = 50_000;
/** Of the server, which is not measured: seldom enough to leave both cores to the client. */
const DOWN_INTERVAL = "10ms";

type Dispatchers = 1 | 2;

async function start(pair: NetnsPair, dispatchers: Dispatchers, intervalUs: number): Promise<Tunnel> {
  const cores = dispatchers === 2 ? "0,1" : "1";
  return await Tunnel.start(pair, {
    wire: { interval: `${intervalUs}us`, length: options.length, jitter: "0" },
    down: { interval: DOWN_INTERVAL, length: options.length },
    clientMode: options.mode,
    clientFlags: ["--dispatchers", String(dispatchers), "--cpu", cores],
  });
}

async function underThief(seconds: number, during: () => Promise<void>): Promise<number> {
  if (options.share === 0) {
    await during();
    return 0;
  }
  const argv = [testkit("thief"), "--seconds", String(seconds), "--share", String(options.share)];
  const thief = new Program(here, argv);
  try {
    await thief.event("ready");
    await during();
    return (await thief.event<{ bursts: number }>("done")).bursts;
  } finally {
    await thief.stop();
  }
}

async function stretch(pair: NetnsPair, dispatchers: Dispatchers): Promise<void> {
  const tunnel = await start(pair, dispatchers, options.intervalUs);
  await sleep(1000);
  const capture = await CaptureRun.start(pair.b, { udpPort: PORT, snap: 0 });
  const stolen = stolenSeconds();
  const bursts = await underThief(options.seconds, () => sleep(options.seconds * 1000));
  const stolenS = stolenSeconds() - stolen;
  const { packets } = await capture.stop();
  const { client, server } = await tunnel.stop();
  const times = packets
    .filter(({ direction, destinationPort }) => direction === "in" && destinationPort === PORT)
    .map(({ timeNs }) => timeNs);
  const fit = fitGrid(times, options.intervalUs * 1000);
  const { p99, p999, max } = summarize(fit.latenessNs);
  report.add({
    dispatchers,
    bursts,
    slots: fit.slots,
    late: fit.latenessNs.filter((latenessNs) => latenessNs > LATE_NS).length,
    missed: fit.missed,
    clientMissed: client.slots.missed,
    clientLate: client.slots.late,
    p99Us: rounded(p99 / 1000),
    p999Us: rounded(p999 / 1000),
    maxUs: rounded(max / 1000, 0),
    hedged: client.slots.hedged,
    emergency: client.slots.emergency,
    twice: server.datagrams.replayed,
    stolenS: rounded(stolenS),
  });
}

/** Ten million slots take minutes; what counts is that sent and missed add up and that the peer sees nothing twice. */
async function long(pair: NetnsPair): Promise<void> {
  const seconds = (options.longSlots * options.longIntervalUs) / 1e6;
  report.progress(`${options.longSlots} slots of ${options.longIntervalUs} us: ${Math.ceil(seconds)} s`);
  const tunnel = await start(pair, 2, options.longIntervalUs);
  const bursts = await underThief(seconds, () => sleep(seconds * 1000));
  const { client, server } = await tunnel.stop();
  report.add({
    bursts,
    slots: client.slots.sent + client.slots.missed,
    sent: client.slots.sent,
    missed: client.slots.missed,
    late: client.slots.late,
    hedged: client.slots.hedged,
    emergency: client.slots.emergency,
    arrived: server.datagrams.received,
    beyondSent: Math.max(0, server.datagrams.received - client.slots.sent),
    twice: server.datagrams.replayed,
  });
}

await withPair(async (pair) => {
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const dispatchers of [1, 2] as const) {
      report.progress(`round ${round} of ${options.rounds}: ${dispatchers}`);
      await stretch(pair, dispatchers);
    }
  }
  report.table(
    `On the wire at ${options.intervalUs} us; late: more than 50 us; twice: datagrams that the peer saw again`,
  );
  if (options.longSlots > 0) await long(pair);
  report.table("A long run of two dispatchers: beyondSent and twice have to be 0");
});
