/** Inner IP bytes delivered per outer IP byte, the sender offering twice the capacity. */
import { CaptureRun } from "../lab/host/capture.js";
import { udpSend, udpSink } from "../lab/host/traffic.js";
import { withPair, sleep } from "./lib/bench.js";
import { readOptions, Report, rounded } from "./lib/report.js";
import { offeredPps, PORT, SERVER, Tunnel } from "./lib/tunnel.js";

const options = readOptions({ seconds: 20, intervalMs: 1, length: 1500, inner: "1400,60", offer: 2, mode: "sleepy" });
const report = new Report(options.json);

/** Time for queues to fill before what is delivered counts, in seconds. */
const SETTLE_S = 2;
const SINK = `${SERVER}:9000`;

interface SinkReport {
  event: string;
  ipBytes: number;
  packets: number;
  realtimeNs: number;
}

await withPair(async (pair) => {
  for (const inner of options.inner.split(",").map(Number)) {
    const wire = { interval: `${options.intervalMs}ms`, length: options.length };
    const tunnel = await Tunnel.start(pair, { wire, clientMode: options.mode, serverMode: options.mode });
    const sink = await udpSink(pair.b, { listen: SINK, reportMs: 500 });
    const capture = await CaptureRun.start(pair.b, { udpPort: PORT, snap: 0 });
    const sent = await udpSend(pair.a, {
      to: SINK,
      length: inner,
      pps: offeredPps(options, inner, options.offer),
      seconds: options.seconds + 2 * SETTLE_S,
    });
    await sleep(200);
    const received = await sink.stop();
    const { packets, startNs } = await capture.stop();
    const { client } = await tunnel.stop();

    // Between two reports of the sink, from the third second to the last but one.
    const reports = sink.program.events.filter(({ event }) => event === "report") as unknown as SinkReport[];
    const inside = reports.slice(2 * SETTLE_S, 2 * (SETTLE_S + options.seconds));
    const [first, last] = [inside[0]!, inside.at(-1)!];
    const [fromNs, toNs] = [first, last].map(({ realtimeNs }) => realtimeNs - Number(startNs)) as [number, number];
    const outer = packets
      .filter(({ direction, timeNs }) => direction === "in" && timeNs > fromNs && timeNs <= toNs)
      .reduce((sum, { ipLength }) => sum + ipLength, 0);
    const delivered = last.ipBytes - first.ipBytes;
    report.add({
      inner,
      seconds: rounded((toNs - fromNs) / 1e9),
      offered: rounded(sent.ipBytes / sent.seconds, 0),
      delivered: rounded((delivered * 1e9) / (toNs - fromNs), 0),
      outer: rounded((outer * 1e9) / (toNs - fromNs), 0),
      goodput: rounded(delivered / outer, 4),
      corrupt: received.corrupt,
      duplicates: received.duplicates,
      outOfOrder: received.outOfOrder,
      missed: client.slots.missed,
    });
  }
});
report.table("Goodput: bytes a second as IP packets; goodput = delivered / outer");
