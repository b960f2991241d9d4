/** Ping while a TCP stream saturates the same direction. */
import { icmpPing, tcpSink, tcpSource } from "../lab/host/traffic.js";
import { withPair, sleep } from "./lib/bench.js";
import { readOptions, Report, rounded } from "./lib/report.js";
import { SERVER, Tunnel } from "./lib/tunnel.js";

const options = readOptions({ seconds: 30, meanMs: 100, speeds: "100KiB/s,1MiB/s", length: 1500, mode: "sleepy" });
const report = new Report(options.json);

/** Time for TCP to find the tunnel's rate before pings count, in seconds. */
const SETTLE_S = 5;

await withPair(async (pair) => {
  for (const speed of options.speeds.split(",")) {
    const tunnel = await Tunnel.start(pair, {
      wire: { speed, length: options.length },
      clientMode: options.mode,
      serverMode: options.mode,
    });
    const idle = await icmpPing(pair.a, { to: SERVER, count: 50, meanMs: options.meanMs });
    const sink = await tcpSink(pair.b, { listen: `${SERVER}:5001` });
    const source = tcpSource(pair.a, { to: sink.local, seconds: options.seconds + SETTLE_S + 5, abort: true });
    await sleep(SETTLE_S * 1000);
    const count = Math.round((options.seconds * 1000) / options.meanMs);
    const busy = await icmpPing(pair.a, { to: SERVER, count, meanMs: options.meanMs });
    await source.event("done");
    // The reset may be lost among what is queued; the sink has what it has.
    const stream = await sink.stop();
    const { client } = await tunnel.stop();
    const ms = (us: number) => rounded(us / 1000, 1);
    report.add({
      speed,
      idleP50: ms(idle.rttUs.p50),
      idleP95: ms(idle.rttUs.p95),
      sent: busy.sent,
      lost: busy.lost,
      mean: ms(busy.rttUs.mean),
      p50: ms(busy.rttUs.p50),
      p95: ms(busy.rttUs.p95),
      p99: ms(busy.rttUs.p99),
      max: ms(busy.rttUs.max),
      tcpBytesPerSecond: rounded(stream.bytesPerSecond, 0),
      queueDrops: client.inner.queueDrops,
    });
  }
});
report.table("Ping beside a saturating TCP stream in the same direction, milliseconds");
