/** New keys every few seconds under iperf3: nothing lost inside, and rekey seconds against the others on the wire. */
import { spawnSync } from "node:child_process";
import { gapErrors } from "../lib/statistics/gap-errors.js";
import { kolmogorovSmirnov } from "../lib/statistics/two-sample.js";
import { CaptureRun, type Capture, type WirePacket } from "../lab/host/capture.js";
import { fitGrid } from "../lab/figures/grid.js";
import type { NetnsPair } from "../lab/host/netns.js";
import { Program } from "../lab/host/program.js";
import { stddev, summarize } from "../lab/figures/stats.js";
import { tcpSink, tcpSource, udpSend, udpSink } from "../lab/host/traffic.js";
import { withPair, sleep } from "./lib/bench.js";
import { readOptions, Report, rounded } from "./lib/report.js";
import { CLIENT, offeredPps, PORT, SERVER, Tunnel } from "./lib/tunnel.js";

const options = readOptions({
  seconds: 60,
  /** From one rekey to the next, in seconds. */
  rekeyS: 2,
  intervalMs: 1,
  length: 1500,
  inner: 1400,
  mode: "dozy",
  /** Part of the wire up that the counted packets take; down is kept full by a stream. */
  offer: 0.7,
  /** Random choices of seconds, against which the real one is held. */
  shuffles: 500,
});
const report = new Report(options.json);
const intervalNs = options.intervalMs * 1e6;

/** A second's windows. Half a second is much longer than a rekey takes, and short enough to leave others between. */
const WINDOW_NS = 500e6;
/** The client says that it is done: its messages were on the way before that. */
const BEFORE_NS = 300e6;
const AFTER_NS = 100e6;

/** A stream from server to client for as long as it takes, by iperf3 where it is installed. */
async function fillDown(pair: NetnsPair): Promise<() => Promise<void>> {
  if (spawnSync("iperf3", ["--version"]).error === undefined) {
    const server = new Program(pair.a, ["iperf3", "--server", "--one-off", "--bind", CLIENT]);
    await sleep(500);
    const seconds = String(options.seconds + 1);
    const client = new Program(pair.b, ["iperf3", "--client", CLIENT, "--time", seconds, "--json"]);
    return async () => {
      await Promise.all([client.stop(), server.stop()]);
    };
  }
  report.progress("without iperf3 the stream is the test kit's");
  const sink = await tcpSink(pair.a, { listen: `${CLIENT}:5001` });
  const bytes = Math.ceil((options.seconds + 1) * (1000 / options.intervalMs) * options.length);
  const source = tcpSource(pair.b, { to: sink.local, bytes });
  return async () => {
    await source.stop();
  };
}

/** Instants of the client's rekeys on the capture's clock. */
function rekeysOf(tunnel: Tunnel, { startNs }: Capture): number[] {
  return tunnel.client.events
    .filter(({ event }) => event === "rekeyed")
    .map(({ time }) => Number(BigInt(Date.parse(String(time))) * 1_000_000n - startNs));
}

/** Whether each window of this length has a rekey in it. */
function windowsWith(rekeys: readonly number[], endNs: number): boolean[] {
  return Array.from({ length: Math.floor(endNs / WINDOW_NS) }, (_, index) => {
    const [from, to] = [index * WINDOW_NS, (index + 1) * WINDOW_NS];
    return rekeys.some((atNs) => atNs + AFTER_NS > from && atNs - BEFORE_NS < to);
  });
}

/** Gap errors of each window. */
function byWindow(packets: readonly WirePacket[], windows: number): Float64Array[] {
  const times = packets.map(({ timeNs }) => timeNs);
  const { latenessNs } = fitGrid(times, intervalNs);
  const errors: number[][] = Array.from({ length: windows }, () => []);
  times.forEach((timeNs, index) => {
    errors[Math.floor(timeNs / WINDOW_NS)]?.push(latenessNs[index] ?? NaN);
  });
  return errors.map(gapErrors);
}

/** How far apart two lists of gap errors are, whatever lies between them in time. */
function distance(one: readonly number[], other: readonly number[]): number {
  const [a, b] = [one, other].map((values) => Float64Array.from(values).sort()) as [Float64Array, Float64Array];
  return kolmogorovSmirnov(a, b).statistic;
}

function audit(name: string, packets: readonly WirePacket[], rekeys: readonly number[], endNs: number): void {
  const chosen = windowsWith(rekeys, endNs);
  const gaps = byWindow(packets, chosen.length);
  const joined = (which: readonly boolean[], wanted: boolean) =>
    gaps.filter((_, index) => which[index] === wanted).flatMap((each) => [...each]);
  const [rekey, others] = [joined(chosen, true), joined(chosen, false)];
  const found = distance(rekey, others);
  const shuffled = Array.from({ length: options.shuffles }, () => {
    const random = chosen
      .map((with_) => ({ with_, at: Math.random() }))
      .sort((one, other) => one.at - other.at)
      .map(({ with_ }) => with_);
    return distance(joined(random, true), joined(random, false));
  });
  report.add({
    direction: name,
    slots: packets.length,
    lengths: new Set(packets.map(({ ipLength }) => ipLength)).size,
    headers: new Set(packets.map(({ ttl, dscp, ecn, dontFragment }) => `${ttl} ${dscp} ${ecn} ${dontFragment}`)).size,
    rekeyWindows: chosen.filter(Boolean).length,
    otherWindows: chosen.filter((with_) => !with_).length,
    rekeySdUs: rounded(stddev(rekey) / 1000),
    otherSdUs: rounded(stddev(others) / 1000),
    rekeyP99Us: rounded(summarize(rekey).p99 / 1000),
    otherP99Us: rounded(summarize(others).p99 / 1000),
    ks: rounded(found, 5),
    // Of as many windows chosen at random: below 0.01 the rekeys would show.
    p: rounded((shuffled.filter((each) => each >= found).length + 1) / (shuffled.length + 1), 3),
  });
}

await withPair(async (pair) => {
  const tunnel = await Tunnel.start(pair, {
    wire: { interval: `${options.intervalMs}ms`, length: options.length, jitter: "0" },
    clientMode: options.mode,
    serverMode: options.mode,
    // A stall of the machine is to cost slots and no packets: what is lost then is lost to a rekey.
    clientFlags: ["--rekey-interval", `${options.rekeyS}s`, "--queue", "2s"],
  });
  await sleep(1000);
  const stopStream = await fillDown(pair);
  const pps = Math.floor(offeredPps(options, options.inner, options.offer));
  const count = pps * options.seconds;
  const sink = await udpSink(pair.b, { listen: `${SERVER}:9000`, count, seconds: options.seconds + 20 });
  const capture = await CaptureRun.start(pair.b, { udpPort: PORT, snap: 0 });
  await udpSend(pair.a, { to: sink.local, length: options.inner, pps, count });
  const wire = await capture.stop();
  const { packets, intact, distinct, outOfOrder } = await sink.finished();
  await stopStream();
  const rekeys = rekeysOf(tunnel, wire);
  const endNs = wire.packets.at(-1)?.timeNs ?? 0;
  const within = rekeys.filter((atNs) => atNs > 0 && atNs < endNs).length;
  const slots = wire.packets.filter(({ protocol }) => protocol === 17);
  audit(
    "up",
    slots.filter(({ destinationPort }) => destinationPort === PORT),
    rekeys,
    endNs,
  );
  audit(
    "down",
    slots.filter(({ sourcePort }) => sourcePort === PORT),
    rekeys,
    endNs,
  );
  report.table(`On the wire, ${within} rekeys; p: how often windows chosen at random differ as much`);
  const { client, server } = await tunnel.stop();
  report.add({
    rekeys: within,
    sent: count,
    arrived: packets,
    intact,
    lost: count - distinct,
    outOfOrder,
    queueDrops: client.inner.queueDrops,
    clientMissed: client.slots.missed,
    serverMissed: server.slots.missed,
    blocksDropped: server.reassembly.blocksDropped + client.reassembly.blocksDropped,
    payloadsLost: server.reassembly.payloadsLost + client.reassembly.payloadsLost,
  });
  report.table("Inside: lost, blocksDropped and payloadsLost have to be 0");
});
