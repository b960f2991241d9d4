/** What the last microseconds are made of: the way of each datagram through the kernel, by the event tracer. */
import { availableParallelism } from "node:os";
import { startWork } from "../lab/host/burner.js";
import type { NetnsPair } from "../lab/host/netns.js";
import { here } from "../lab/host/program.js";
import { percentile, stddev } from "../lab/figures/stats.js";
import { sleep, withPair } from "./lib/bench.js";
import { runLoads } from "./lib/load.js";
import { readOptions, Report, rounded } from "./lib/report.js";
import { traceCore, type TraceEvent } from "./lib/tracing.js";
import { SERVER, Tunnel } from "./lib/tunnel.js";

const options = readOptions({
  /** Of each stretch. Tracing itself adds about half a microsecond to a datagram's way. */
  seconds: 5,
  rounds: 2,
  intervalMs: 1,
  length: 1500,
  inner: 1400,
  cpu: 1,
  mode: "dozy",
  burner: "cpu",
  conditions: "idle,carrying,busy",
});
const report = new Report(options.json);
const DISPATCHER = "i405-dispatch";
const EVENTS = [
  "syscalls/sys_enter_sendto",
  "syscalls/sys_exit_sendto",
  "net/net_dev_queue",
  "net/net_dev_start_xmit",
  "net/netif_rx",
  "irq/irq_handler_entry",
  "irq/softirq_entry",
  "irq_vectors",
  "sched/sched_switch",
];
/** A datagram's way: the event at the end of each part, and what the part is. The last is where the wire's stamp is. */
const PARTS = [
  ["net_dev_queue", "call, copy, route, IP, netfilter"],
  ["net_dev_start_xmit", "queueing discipline"],
  ["netif_rx", "driver, to the other side's kernel"],
] as const;

interface Way {
  /** Of each part, in ticks of the counter. */
  ticks: number[];
  /** What interrupted it. */
  interrupts: string[];
}

/** The ways of the dispatcher's datagrams; calls that only warm the path have none. */
function ways(events: readonly TraceEvent[]): { ways: Way[]; ticksPerUs: number } {
  const found: Way[] = [];
  const starts: number[] = [];
  let way: { start: number; times: number[]; interrupts: string[] } | null = null;
  for (const { task, name, detail, tsc } of events) {
    if (name === "sys_sendto" && task === DISPATCHER && !/len: 0[,)]/.test(detail)) {
      // Entering; leaving has no length.
      if (detail.includes("len:")) way = { start: tsc, times: [], interrupts: [] };
    } else if (way !== null) {
      if (name === PARTS[way.times.length]![0]) way.times.push(tsc);
      else if (/_entry$|^sched_switch$/.test(name)) way.interrupts.push(`${name} ${detail.split(" ")[0] ?? ""}`);
      if (way.times.length === PARTS.length) {
        const { start, times, interrupts } = way;
        found.push({ ticks: times.map((time, index) => time - (times[index - 1] ?? start)), interrupts });
        starts.push(start);
        way = null;
      }
    }
  }
  const spacing = percentile(
    starts.slice(1).map((start, index) => start - starts[index]!),
    0.5,
  );
  return { ways: found, ticksPerUs: spacing / (options.intervalMs * 1000) };
}

async function under(condition: string, pair: NetnsPair, during: () => Promise<TraceEvent[]>): Promise<TraceEvent[]> {
  const seconds = options.seconds + 2;
  if (condition === "carrying") {
    const wire = { intervalMs: options.intervalMs, length: options.length };
    const load = {
      from: pair.a,
      at: pair.b,
      to: `${SERVER}:9000`,
      wire,
      innerLength: options.inner,
      factor: 2,
      seconds,
    };
    const [events] = await Promise.all([sleep(1000).then(during), runLoads([load])]);
    return events;
  }
  const workers = condition === "busy" ? availableParallelism() : 0;
  const others = Array.from({ length: workers }, (_, cpu) => startWork(here, { cpu, seconds }));
  try {
    await Promise.all(others.map((other) => other.event("ready")));
    return await during();
  } finally {
    await Promise.all(others.map((other) => other.stop()));
  }
}

await withPair(async (pair) => {
  const wire = { interval: `${options.intervalMs}ms`, length: options.length, jitter: "0" };
  const tunnel = await Tunnel.start(pair, {
    wire,
    clientMode: options.mode,
    clientCpu: options.cpu,
    serverMode: "sleepy",
    clientFlags: ["--burner", options.burner],
  });
  const all = new Map<string, { us: number[][]; slowest: Map<string, number>; interrupted: number }>();
  try {
    await sleep(1000);
    for (let round = 1; round <= options.rounds; round += 1) {
      for (const condition of options.conditions.split(",")) {
        report.progress(`round ${round} of ${options.rounds}: ${condition}`);
        const events = await under(condition, pair, () => traceCore(options.cpu, options.seconds, EVENTS));
        const { ways: found, ticksPerUs } = ways(events);
        const kept = all.get(condition) ?? { us: [], slowest: new Map<string, number>(), interrupted: 0 };
        all.set(condition, kept);
        for (const { ticks, interrupts } of found) {
          kept.us.push(ticks.map((part) => part / ticksPerUs));
          kept.interrupted += interrupts.length > 0 ? 1 : 0;
          for (const interrupt of interrupts) kept.slowest.set(interrupt, (kept.slowest.get(interrupt) ?? 0) + 1);
        }
      }
    }
  } finally {
    await tunnel.stop();
  }
  for (const [condition, { us, slowest, interrupted }] of all) {
    const row = (part: string, values: number[]) => {
      const at = (share: number) => rounded(percentile(values, share), 2);
      report.add({
        condition,
        part,
        p50: at(0.5),
        p99: at(0.99),
        p999: at(0.999),
        max: at(1),
        sd: rounded(stddev(values), 2),
      });
    };
    PARTS.forEach(([, part], index) => {
      row(
        part,
        us.map((parts) => parts[index]!),
      );
    });
    row(
      "all",
      us.map((parts) => parts.reduce((sum, part) => sum + part, 0)),
    );
    const by = [...slowest].map(([name, count]) => `${name} ${count}`).join(", ");
    report.progress(`${condition}: ${interrupted} of ${us.length} interrupted on the way${by === "" ? "" : `: ${by}`}`);
  }
  report.table("From the call to the other side's kernel, us");
});
