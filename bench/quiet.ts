/** What a tunnel takes while it has little to do: CPU and wake-ups of each thread at the default rate, idle and full. */
import { stolenSeconds, threadCpu, type ThreadUse } from "../lab/figures/stats.js";
import type { NetnsPair } from "../lab/host/netns.js";
import type { Program } from "../lab/host/program.js";
import { withPair, sleep } from "./lib/bench.js";
import { runLoads } from "./lib/load.js";
import { readOptions, Report, rounded } from "./lib/report.js";
import { CLIENT, SERVER, Tunnel } from "./lib/tunnel.js";

const options = readOptions({
  seconds: 60,
  rounds: 1,
  modes: "sleepy",
  /** `tun` or `packets`; with the second nothing is carried. */
  devices: "tun,packets",
  inner: 1400,
});
const report = new Report(options.json);
/** The default: 100 KiB/s of 1500 bytes. */
const wire = { intervalMs: 1000 / ((100 * 1024) / 1500), length: 1500 };
/** The handshake, and what V8 compiles and collects after a start, are not part of a stretch, in seconds. */
const SETTLE_S = 20;

/** What one end took in a stretch: the whole and, in brackets, its threads. */
function add(
  at: Record<string, string>,
  seconds: number,
  before: readonly ThreadUse[],
  after: readonly ThreadUse[],
): void {
  const threads = new Map<string, { share: number; wakes: number }>();
  for (const { tid, name, seconds: used, waits } of after) {
    const earlier = before.find((each) => each.tid === tid);
    const { share, wakes } = threads.get(name) ?? { share: 0, wakes: 0 };
    threads.set(name, {
      share: share + (used - (earlier?.seconds ?? 0)) / seconds,
      wakes: wakes + (waits - (earlier?.waits ?? 0)) / seconds,
    });
  }
  const parts = [...threads.entries()].filter(([, { wakes, share }]) => wakes >= 0.05 || share >= 0.0001);
  const sum = (of: "share" | "wakes") => parts.reduce((total, [, use]) => total + use[of], 0);
  report.add({
    ...at,
    cpuPercent: rounded(100 * sum("share")),
    wakesPerS: rounded(sum("wakes"), 1),
    threads: parts
      .sort(([, one], [, other]) => other.share - one.share)
      .map(([name, { share, wakes }]) => `${name} ${(100 * share).toFixed(2)} %/${wakes.toFixed(1)}`)
      .join(", "),
  });
}

async function stretch(at: Record<string, string>, tunnel: Tunnel, during: () => Promise<unknown>): Promise<void> {
  const ends: [string, Program][] = [
    ["client", tunnel.client],
    ["server", tunnel.server],
  ];
  const [before, start] = [ends.map(([, { pid }]) => threadCpu(pid)), performance.now()];
  await during();
  const [after, seconds] = [ends.map(([, { pid }]) => threadCpu(pid)), (performance.now() - start) / 1000];
  ends.forEach(([end], index) => {
    add({ ...at, end }, seconds, before[index]!, after[index]!);
  });
}

async function round(pair: NetnsPair, mode: string, device: string): Promise<void> {
  const packets = device === "packets";
  const tunnel = await Tunnel.start(pair, { wire: {}, clientMode: mode, serverMode: mode, packets });
  try {
    await sleep(SETTLE_S * 1000);
    await stretch({ mode, device, condition: "idle" }, tunnel, () => sleep(options.seconds * 1000));
    if (packets) return;
    const load = { wire, innerLength: options.inner, factor: 2, seconds: options.seconds };
    await stretch({ mode, device, condition: "full" }, tunnel, () =>
      runLoads([
        { ...load, from: pair.a, at: pair.b, to: `${SERVER}:9000` },
        { ...load, from: pair.b, at: pair.a, to: `${CLIENT}:9000` },
      ]),
    );
  } finally {
    await tunnel.stop();
  }
}

await withPair(async (pair) => {
  const stolen = stolenSeconds();
  for (let turn = 1; turn <= options.rounds; turn += 1) {
    for (const mode of options.modes.split(",")) {
      for (const device of options.devices.split(",")) {
        report.progress(`round ${turn} of ${options.rounds}: ${mode}, ${device}`);
        await round(pair, mode, device);
      }
    }
  }
  report.table(
    `Percent of a core and wake-ups a second of each end, at the default rate of 68 slots a second each way ` +
      `(stolen ${(stolenSeconds() - stolen).toFixed(1)} s)`,
  );
});
