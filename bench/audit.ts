/** The tunnel and a plain nanosleep loop with two-step jitter, captured alike and audited from pcap, in one table. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { audit } from "../lib/audit/index.js";
import { count } from "../lib/audit/verdict.js";
import { Program } from "../lab/host/program.js";
import type { Netns, NetnsPair } from "../lab/host/netns.js";
import { randomSource } from "../lab/random.js";
import { udpSink } from "../lab/host/traffic.js";
import { startYardstick } from "../lab/host/yardstick.js";
import type { AuditN95, AuditShape, AuditStretch } from "../types/audit.js";
import { sleep, withPair } from "./lib/bench.js";
import { readOptions, Report } from "./lib/report.js";
import { PORT, Tunnel } from "./lib/tunnel.js";
import { begin, prepare } from "./timing/conditions.js";
import { CHANGE_S, SETTLE_S } from "./timing/plan.js";
import { parseSender, type Condition } from "./timing/selection.js";

const options = readOptions({
  ...{ intervalMs: 1, stretch: 30, rounds: 5, conditions: "carrying,busy", modes: "sleepy,dozy,dozy+burner,spinny" },
  ...{ cpu: 1, length: 1500, jitterShare: 0.5, plainJitterShare: 0.25, out: "target/audit" },
});
const report = new Report(options.json);

/** Shuffles reproducibly, so that the order teaches nothing. */
function shuffled<T>(values: readonly T[], seed: number): T[] {
  const result = [...values];
  const random = randomSource(seed);
  for (let index = result.length - 1; index > 0; index -= 1) {
    const other = Math.floor(random() * (index + 1));
    [result[index], result[other]] = [result[other]!, result[index]!];
  }
  return result;
}

/** Port of the plain sender. */
const PLAIN_PORT = 1406;
/** Bytes of a packet that are kept: headers, and enough to see whether the rest looks random. */
const SNAP = 128;

/** Who sends, and how its captures are made. */
interface Sender {
  name: string;
  port: number;
  /** Half width of the jitter that it would have, nanoseconds. */
  jitterNs: number;
  shape: AuditShape;
  /** Begins to send with that jitter; what ends it, and the tunnel if it is one. */
  start(
    pair: NetnsPair,
    jitterNs: number,
    seconds: number,
  ): Promise<{ stop: () => Promise<unknown>; tunnel: Tunnel | null }>;
}

const intervalNs = options.intervalMs * 1e6;

function tunnelSender(mode: string): Sender {
  const { pollMode: clientMode, flags: clientFlags } = parseSender(mode);
  return {
    ...{ name: mode, port: PORT, jitterNs: options.jitterShare * intervalNs, shape: "cos4" },
    start: async (pair, jitterNs) => {
      const wire = { interval: `${intervalNs}ns`, length: options.length, jitter: `${jitterNs}ns` };
      const tunnel = await Tunnel.start(pair, { wire, clientMode, clientCpu: options.cpu, clientFlags });
      return { tunnel, stop: () => tunnel.stop() };
    },
  };
}

const plain: Sender = {
  ...{ name: "plain nanosleep", port: PLAIN_PORT, jitterNs: options.plainJitterShare * intervalNs, shape: "two-step" },
  start: async (pair, jitterNs, seconds) => {
    const to = `${pair.b.ipv4}:${PLAIN_PORT}`;
    // Without a listener ICMP comes back, and the next send fails with it instead of sending.
    const sink = await udpSink(pair.b, { listen: to });
    const wire = { intervalUs: intervalNs / 1000, jitterUs: jitterNs / 1000, length: options.length };
    const sender = startYardstick(pair.a, "sleep", { ...wire, seconds, to, cpu: options.cpu, fifo: true });
    await sender.event("ready");
    const stop = async () => {
      await sender.stop();
      await sink.stop();
    };
    return { tunnel: null, stop };
  },
};

/** tcpdump until it is stopped, so that what is read is a file as anybody makes it. */
async function tcpdump(place: Netns, port: number, file: string): Promise<() => Promise<unknown>> {
  const program = new Program(place, [
    ...["tcpdump", "-i", place.device, "-Z", "root", "--time-stamp-precision=nano", "-B", "65536", "-s", String(SNAP)],
    ...["-w", file, "udp", "port", String(port)],
  ]);
  await sleep(1000);
  if (!program.running) throw new Error(`tcpdump ended: ${program.stderr.trim()}`);
  return () => program.stop();
}

/** One capture of a sender: idle and the conditions by turns, in random order. */
async function capture(
  pair: NetnsPair,
  sender: Sender,
  jitterNs: number,
  conditions: readonly Condition[],
  name: string,
) {
  const files = { pcap: join(options.out, `${name}.pcap`), stretches: join(options.out, `${name}.json`) };
  const order = shuffled(
    Array.from({ length: options.rounds }, (): Condition[] =>
      conditions.flatMap((each): Condition[] => ["idle", each]),
    ).flat(),
    options.rounds + name.length,
  );
  const seconds = 2 * SETTLE_S + order.length * (options.stretch + 2 * CHANGE_S + 5);
  const stopCapture = await tcpdump(pair.b, sender.port, files.pcap);
  const { tunnel, stop } = await sender.start(pair, jitterNs, seconds);
  const stretches: AuditStretch[] = [];
  try {
    await sleep(SETTLE_S * 1000);
    for (const condition of order) {
      report.progress(`${name}: ${condition}, ${stretches.length + 1} of ${order.length}`);
      const wire = { intervalMs: options.intervalMs, length: options.length };
      const end = await begin(condition, { pair, tunnel, wire, stretchS: options.stretch });
      await sleep(CHANGE_S * 1000);
      const from = Date.now() / 1000;
      await sleep(options.stretch * 1000);
      stretches.push({ from, to: Date.now() / 1000, label: condition });
      await end();
      await sleep(CHANGE_S * 1000);
    }
  } finally {
    await stop();
    await stopCapture();
  }
  writeFileSync(files.stretches, JSON.stringify({ stretches }));
  return files;
}

function figure(n95: AuditN95 | null): string {
  if (n95 === null) return "-";
  return n95.atLeast ? `>= ${count(n95.low)}` : `${count(n95.estimate ?? n95.low)} (>= ${count(n95.low)})`;
}

/** Without jitter, which resolves far; and as an observer meets it. */
async function examine(pair: NetnsPair, sender: Sender, conditions: readonly Condition[]): Promise<void> {
  for (const jitterNs of [0, sender.jitterNs]) {
    const name = `${sender.name.replace(/\W/g, "-")}-${options.intervalMs}ms-${jitterNs === 0 ? "grid" : "jitter"}`;
    const files = await capture(pair, sender, jitterNs, conditions, name);
    const known = { port: sender.port, interval: `${intervalNs}ns`, jitterShape: sender.shape } as const;
    const jitter =
      jitterNs === 0 ? ({ jitter: 0, assumeJitter: `${sender.jitterNs}ns` } as const) : { jitter: `${jitterNs}ns` };
    report.progress(`${name}: comparing`);
    const found = await audit({ ...files, ...known, ...jitter });
    writeFileSync(join(options.out, `${name}-report.json`), JSON.stringify(found.report, null, 2));
    writeFileSync(join(options.out, `${name}.html`), await found.html());
    for (const { direction, a, b, control, n95, n95AllSlots, attacker, findings } of found.report.pairs) {
      // The other direction is the server's, which nothing was done to.
      if (direction !== "up") continue;
      report.add({
        sender: sender.name,
        jitter: `${sender.shape} ${sender.jitterNs / 1000} us`,
        captured: jitterNs === 0 ? "grid" : "jitter",
        compared: control ? `${a}, control` : `${b} - ${a}`,
        bulk: figure(n95),
        "all slots": figure(n95AllSlots),
        attacker: attacker === null ? null : Number(attacker.accuracy.toFixed(3)),
        findings: [...new Set(findings.map(({ effect }) => effect))].join(" "),
      });
    }
  }
}

const conditions = options.conditions.split(",") as Condition[];
mkdirSync(options.out, { recursive: true });
await withPair(async (pair) => {
  prepare(pair);
  const modes = options.modes.split(",").filter((mode) => mode !== "");
  for (const sender of [plain, ...modes.map(tunnelSender)]) await examine(pair, sender, conditions);
});
report.table(
  `Intervals of ${options.intervalMs} ms that an observer needs (n95), from pcap; the files are in ${options.out}`,
);
