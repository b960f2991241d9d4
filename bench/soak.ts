/** A tunnel under one trouble after another, for minutes or days: how fast it is back, and that nothing comes twice. */
import { percentile, stolenSeconds } from "../lab/figures/stats.js";
import { chaos, RELAY_PORT, TROUBLES, type Trouble } from "../lab/host/chaos.js";
import { withPair } from "./lib/bench.js";
import { readOptions, Report, rounded } from "./lib/report.js";
import { CLIENT, PORT, SERVER, TunnelEnds } from "./lib/tunnel.js";

const options = readOptions({
  /** How many troubles; each of the kinds comes once before any comes again. */
  troubles: 3 * Object.keys(TROUBLES).length,
  seed: 1405,
  intervalMs: 2,
  length: 1500,
  timeoutS: 2,
  /** Inner packets a second, each way: about half of what fits. */
  pps: 400,
  mode: "dozy",
  /** Longest time for traffic to come back. */
  patienceS: 60,
});
const report = new Report(options.json);

await withPair(async (pair) => {
  const ends = new TunnelEnds(pair, {
    wire: { interval: `${options.intervalMs}ms`, length: options.length },
    clientMode: options.mode,
    serverMode: options.mode,
    peer: `${pair.b.ipv4}:${RELAY_PORT}`,
    clientFlags: ["--client-timeout", `${options.timeoutS}s`, "--server-timeout", `${options.timeoutS}s`],
  });
  const stolen = stolenSeconds();
  const all: Trouble[] = [];
  try {
    const { up, down } = await chaos(
      {
        ...options,
        pair,
        server: `${pair.b.ipv4}:${PORT}`,
        inner: { client: CLIENT, server: SERVER },
        seconds: options.troubles * (2 * options.timeoutS + options.patienceS),
        startServer: () => ends.startServer(),
        startClient: () => ends.startClient(),
      },
      options.troubles,
      (trouble) => {
        all.push(trouble);
        report.progress(`${trouble.name}, ${trouble.seconds.toFixed(1)} s: back after ${trouble.backMs.toFixed(0)} ms`);
      },
    );
    for (const name of Object.keys(TROUBLES)) {
      const back = all.filter((each) => each.name === name).map(({ backMs }) => backMs);
      if (back.length === 0) continue;
      const at = (share: number) => rounded(percentile(back, share), 0);
      report.add({ trouble: name, times: back.length, p50: at(0.5), max: at(1) });
    }
    report.table(
      `From the end of a trouble to the first answer, ms; timeout ${options.timeoutS} s; seed ${options.seed}`,
    );
    for (const [direction, { packets, distinct, duplicates, corrupt, outOfOrder }] of Object.entries({ up, down })) {
      report.add({ direction, packets, distinct, duplicates, corrupt, outOfOrder });
    }
    report.table(
      `Inner packets that arrived: duplicates and corrupt have to be 0 (stolen ${(stolenSeconds() - stolen).toFixed(1)} s)`,
    );
    if (up.duplicates + down.duplicates + up.corrupt + down.corrupt > 0) process.exitCode = 1;
  } finally {
    ends.remove();
  }
});
