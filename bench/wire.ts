/** Lateness on the wire at jitter 0, idle and saturated, of each poll mode, a bare sleeper and a bare spinner in turns. */
import { CaptureRun, type Capture } from "../lab/host/capture.js";
import { fitGrid } from "../lab/figures/grid.js";
import type { NetnsPair } from "../lab/host/netns.js";
import { stolenSeconds, summarize, trim } from "../lab/figures/stats.js";
import { yardstick, type Measured } from "../lab/host/yardstick.js";
import { udpSend, udpSink } from "../lab/host/traffic.js";
import { withPair, sleep } from "./lib/bench.js";
import { runLoads } from "./lib/load.js";
import { readOptions, Report, rounded, type Row } from "./lib/report.js";
import { offeredPps, PORT, SERVER, Tunnel } from "./lib/tunnel.js";

const options = readOptions({
  seconds: 60,
  rounds: 4,
  intervalMs: 1,
  length: 1500,
  inner: 1400,
  offer: 2,
  cpu: 1,
  modes: "sleepy,dozy,spinny",
});
const report = new Report(options.json);
const intervalNs = options.intervalMs * 1e6;
const stretchS = options.seconds / options.rounds;

/** Port of the bare sleeper, and a network whose packets the kernel drops, to offer it the same load. */
const BARE_PORT = 1406;
const NOWHERE = "10.140.9.0/24";

/** Handshake and first slots are not part of a stretch, in seconds. */
const SETTLE_S = 1;

/** What one stretch gave; a condition has one per round. */
interface Stretch {
  latenessNs: number[];
  slots: number;
  missed: number;
  stolen: number;
}

const stretches = new Map<string, Stretch[]>();
const accounts: Row[] = [];
const spinners: Measured[] = [];

function keep(who: string, condition: string, stretch: Stretch): void {
  const key = `${who}\t${condition}`;
  stretches.set(key, [...(stretches.get(key) ?? []), stretch]);
}

function arrivals({ packets }: Capture, port: number): number[] {
  return packets
    .filter(({ direction, destinationPort }) => direction === "in" && destinationPort === port)
    .map(({ timeNs }) => timeNs);
}

/** Captures what arrives at the server's side of the cable while something goes on. */
async function captured(pair: NetnsPair, port: number, during: () => Promise<unknown>): Promise<Stretch> {
  const capture = await CaptureRun.start(pair.b, { udpPort: port, snap: 0 });
  const stolen = stolenSeconds();
  await during();
  const times = arrivals(await capture.stop(), port);
  return { ...fitGrid(times, intervalNs), stolen: stolenSeconds() - stolen };
}

async function tunnelRound(pair: NetnsPair, mode: string): Promise<void> {
  // Everything from before the first slot to after the last, for the account.
  const whole = await CaptureRun.start(pair.b, { udpPort: PORT, snap: 0 });
  const tunnel = await Tunnel.start(pair, {
    wire: { interval: `${options.intervalMs}ms`, length: options.length, jitter: "0" },
    clientMode: mode,
    clientCpu: options.cpu,
    serverMode: "sleepy",
  });
  await sleep(SETTLE_S * 1000);
  keep(mode, "idle", await captured(pair, PORT, () => sleep(stretchS * 1000)));
  const load = { from: pair.a, at: pair.b, to: `${SERVER}:9000`, wire: options, innerLength: options.inner };
  const saturated = () => runLoads([{ ...load, factor: options.offer, seconds: stretchS }]);
  keep(mode, "saturated", await captured(pair, PORT, saturated));
  const { client } = await tunnel.stop();
  const fit = fitGrid(arrivals(await whole.stop(), PORT), intervalNs);
  accounts.push({
    mode,
    elapsedSlots: fit.slots,
    sent: client.slots.sent,
    missed: client.slots.missed,
    unaccounted: fit.slots - client.slots.sent - client.slots.missed,
    sendErrors: client.slots.sendErrors,
    onWire: fit.latenessNs.length,
    missedOnWire: fit.missed,
    throttleStalls: client.throttleStalls,
  });
}

async function bareRound(pair: NetnsPair): Promise<void> {
  const settings = { intervalUs: options.intervalMs * 1000, seconds: stretchS, cpu: options.cpu, fifo: true };
  const to = `${pair.b.ipv4}:${BARE_PORT}`;
  // Without a listener ICMP comes back, and the next send fails with it instead of sending.
  const sink = await udpSink(pair.b, { listen: to });
  const sleeper = () => yardstick(pair.a, "sleep", { ...settings, to, length: options.length });
  keep("bare sleeper", "idle", await captured(pair, BARE_PORT, sleeper));
  const pps = offeredPps(options, options.inner, options.offer);
  const load = () =>
    udpSend(pair.a, { to: NOWHERE.replace("0/24", "1:9"), length: options.inner, pps, seconds: stretchS });
  keep("bare sleeper", "loaded", await captured(pair, BARE_PORT, () => Promise.all([sleeper(), load()])));
  await sink.stop();
  // 8 % of the interval as a pause keeps it off the kernel's real-time throttle.
  spinners.push(await yardstick(pair.a, "spin", { ...settings, breatheUs: options.intervalMs * 80 }));
}

await withPair(async (pair) => {
  // A cable whose other end is down: the kernel takes packets for it and drops them.
  pair.a.ip([
    "link add nowhere0 type veth peer name nowhere1",
    "link set nowhere0 arp off up",
    `route add ${NOWHERE} dev nowhere0`,
  ]);
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const mode of options.modes.split(",")) {
      report.progress(`round ${round} of ${options.rounds}: ${mode}`);
      await tunnelRound(pair, mode);
    }
    report.progress(`round ${round} of ${options.rounds}: bare`);
    await bareRound(pair);
  }
});

const us = (ns: number) => rounded(ns / 1000, 2);
for (const [key, parts] of stretches) {
  const [who, condition] = key.split("\t") as [string, string];
  const latenessNs = parts.flatMap((part) => part.latenessNs);
  const [all, trimmed] = [summarize(latenessNs), summarize(trim(latenessNs))];
  report.add({
    who,
    condition,
    sent: all.count,
    missed: parts.reduce((sum, { missed }) => sum + missed, 0),
    sd: us(all.stddev),
    p50: us(all.p50),
    p90: us(all.p90),
    p99: us(all.p99),
    p999: us(all.p999),
    max: us(all.max),
    trimmedSd: us(trimmed.stddev),
    trimmedP99: us(trimmed.p99),
    sdByRound: parts.map(({ latenessNs: part }) => us(summarize(trim(part)).stddev)).join(" "),
    stolenS: rounded(
      parts.reduce((sum, { stolen }) => sum + stolen, 0),
      2,
    ),
  });
}
report.table("Lateness on the wire, us after the most punctual datagram of each stretch; trimmed at p99.9");
for (const account of accounts) report.add(account);
report.table("Every slot of the client's schedule, per round: elapsed = sent + missed");
for (const { slots, missed, gapPercent, gapSlots, gapsUs, latenessUs } of spinners) {
  report.add({
    slots,
    missed,
    gapSlots: gapSlots!,
    gapPercent: gapPercent!,
    gaps: gapsUs!.count,
    longestGapUs: rounded(gapsUs!.max, 0),
    latenessP99Us: rounded(latenessUs.p99, 2),
  });
}
report.table("What the machine itself loses: a bare SCHED_FIFO spinner on the same core, gaps above 50 us");
