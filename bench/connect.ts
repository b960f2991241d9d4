/** How long it takes to connect with keys where slots are so short that timed threads spin on both cores. */
import { percentile, stolenSeconds } from "../lab/figures/stats.js";
import { withPair } from "./lib/bench.js";
import { readOptions, Report, rounded } from "./lib/report.js";
import { TunnelEnds, type FinalStats, type TunnelSettings } from "./lib/tunnel.js";

const options = readOptions({
  intervals: "25us,50us",
  length: 1500,
  /** Of both ends. */
  modes: "dozy,spinny",
  /** Fresh programs for each. */
  tries: 10,
});
const report = new Report(options.json);

/** What a program says of datagrams that it takes for a stranger's. */
const FLOOD = "I405_FLOOD";

await withPair(async (pair) => {
  for (const mode of options.modes.split(",")) {
    for (const interval of options.intervals.split(",")) {
      const settings: TunnelSettings = {
        wire: { interval, length: options.length, jitter: "0" },
        clientMode: mode,
        serverMode: mode,
        clientCpu: 1,
        serverCpu: 0,
        keys: true,
        packets: true,
      };
      const seconds: number[] = [];
      let [floods, slots, missed] = [0, 0, 0];
      const stolen = stolenSeconds();
      for (let attempt = 1; attempt <= options.tries; attempt += 1) {
        const ends = new TunnelEnds(pair, settings);
        const server = await ends.startServer();
        const startMs = Date.now();
        const client = ends.startClient();
        const { time } = await client.event("connected");
        seconds.push((Date.parse(String(time)) - startMs) / 1000);
        report.progress(`${mode}, ${interval}: ${attempt} of ${options.tries}, ${seconds.at(-1)} s`);
        await server.event("connected");
        for (const program of [client, server]) {
          program.kill("SIGTERM");
          const { stats } = await program.event<{ stats: FinalStats }>("closed");
          slots += stats.slots.sent + stats.slots.missed;
          missed += stats.slots.missed;
          floods += program.events.filter(({ code }) => code === FLOOD).length;
          await program.stop();
        }
        ends.remove();
      }
      report.add({
        mode,
        interval,
        tries: seconds.length,
        p50S: rounded(percentile(seconds, 0.5), 2),
        maxS: rounded(Math.max(...seconds), 2),
        floods,
        missedPercent: rounded((100 * missed) / slots, 2),
        stolenS: rounded(stolenSeconds() - stolen),
      });
    }
  }
});
report.table("From the start of the client's program to its session, with keys, both ends on two cores");
