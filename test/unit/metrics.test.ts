import { EventEmitter } from "node:events";
import { Registry } from "prom-client";
import t from "tap";
import type { Connection, TunnelState, TunnelStats } from "../../index.js";
import { DEFINITIONS } from "../../lib/metrics/definitions.js";
import { SESSION_ENDS } from "../../lib/metrics/events.js";
import { stealSeconds } from "../../lib/metrics/host.js";
import { registerMetrics } from "../../lib/metrics/index.js";
import { NO_STATS, publicStats } from "../../lib/tunnel/stats.js";
import { version } from "../../lib/common/version.js";
import { CONNECTION } from "../../lab/fake/cli-world.js";
import { samplesOf } from "../../lab/texts/exposition.js";

class Measured extends EventEmitter {
  state: TunnelState = "new";
  connection: Connection | null = null;
  reads = 0;
  counters = { ...NO_STATS };
  packets = { readerDrops: 0n, writeRefusals: 0n, malformed: 0n };

  stats(): TunnelStats {
    this.reads += 1;
    return publicStats(this.state, this.counters, this.packets);
  }
}

function registered(name?: string) {
  const tunnel = new Measured();
  const registry = new Registry();
  const remove = registerMetrics(tunnel, {
    registry,
    ...(name === undefined ? {} : { name }),
  });
  return { tunnel, registry, remove, samples: async () => samplesOf(await registry.metrics()) };
}

t.test("every counter that a tunnel has is in a metric", async (t) => {
  const { tunnel, samples } = registered();
  // Each its own number, so that it is recognised.
  let next = 1000;
  const numbers: number[] = [];
  const numbered = Object.entries(NO_STATS).map(([name, value]) => {
    if (["lateness", "lastOpenedNs", "path", "openedReplaced"].includes(name)) return [name, value];
    // The sum of these three is the metric's, and no number of its own.
    if (name === "slotsSent") return [name, 0n];
    next += 1;
    numbers.push(next);
    return [name, typeof value === "bigint" ? BigInt(next) : next];
  });
  tunnel.counters = Object.fromEntries(numbered);
  tunnel.packets = { readerDrops: 999n, writeRefusals: 998n, malformed: 0n };
  const values = new Set((await samples()).map(({ value }) => value));
  t.same(
    [998, 999, ...numbers].filter((number) => !values.has(number)),
    [],
  );
});

t.test("names and units are as Prometheus has them", async (t) => {
  for (const { name, kind, help } of DEFINITIONS) {
    t.match(name, /^i405_[a-z]+(_[a-z]+)*$/);
    t.equal(name.endsWith("_total"), kind === "counter", name);
    t.match(help, /^\S.*\.$/);
    t.notMatch(name, /_(ns|us|ms|kib|milliseconds)\b/);
  }
  const { registry } = registered();
  const text = await registry.metrics();
  for (const { name, kind } of DEFINITIONS) t.match(text, `# TYPE ${name} ${kind}\n`);
  t.match(text, "# TYPE i405_slot_lateness_seconds histogram\n");
});

t.test("the histogram is cumulative, in seconds, and one for each source", async (t) => {
  const { tunnel, samples } = registered("home");
  const boundsNs = [500, 1000, 50_000];
  tunnel.counters.lateness = [
    { source: "call", boundsNs, counts: [5, 0, 2, 1], sumNs: 3_000_000_000n },
    { source: "software", boundsNs, counts: [0, 0, 0, 0], sumNs: 0n },
  ];
  const all = (await samples()).filter(({ name }) => name.startsWith("i405_slot_lateness_seconds"));
  const of = (source: string) => all.filter(({ labels }) => labels.source === source && labels.tunnel === "home");
  t.same(
    of("call").map(({ name, labels, value }) => [name.replace("i405_slot_lateness_seconds", ""), labels.le, value]),
    [
      ["_bucket", "5e-7", 5],
      ["_bucket", "0.000001", 5],
      ["_bucket", "0.00005", 7],
      ["_bucket", "+Inf", 8],
      ["_sum", undefined, 3],
      ["_count", undefined, 8],
    ],
  );
  t.equal(of("software").length, 6);
  t.equal(all.length, 12);
});

t.test("what only events tell is counted from the registration on", async (t) => {
  const { tunnel, samples, remove } = registered();
  tunnel.emit("connected", CONNECTION);
  tunnel.emit("rekeyed");
  tunnel.emit("rekeyed");
  tunnel.emit("silent", { forMs: 1 });
  tunnel.emit("disconnected", { reason: "peerClosed" });
  tunnel.emit("warning", { code: "I405_X", message: "", remedy: "" });
  tunnel.state = "connected";
  tunnel.connection = CONNECTION;
  const values = async () => new Map((await samples()).map(({ name, labels, value }) => [keyOf(name, labels), value]));
  const seen = await values();
  t.equal(seen.get("i405_handshakes_total"), 1);
  t.equal(seen.get("i405_rekeys_total"), 2);
  t.equal(seen.get("i405_silences_total"), 1);
  t.equal(seen.get("i405_sessions_ended_total peerClosed"), 1);
  for (const reason of SESSION_ENDS) t.ok(seen.has(`i405_sessions_ended_total ${reason}`), reason);
  t.equal(seen.get("i405_warnings_total I405_X"), 1);
  t.equal(seen.get("i405_state connected"), 1);
  t.equal(seen.get("i405_state silent"), 0);
  t.equal(seen.get("i405_wire_interval_seconds up"), 0.0085);
  t.equal(seen.get("i405_wire_length_bytes down"), 1200);
  remove();
  t.same(tunnel.eventNames(), [], "nothing is left on the tunnel");
  const after = await values();
  t.notOk([...after.keys()].some((key) => key.startsWith("i405_state")));
  t.ok(after.has(`i405_build_info ${version} ${process.versions.node}`));
});

t.test("a scrape reads a tunnel once, and two scrapes twice", async (t) => {
  const { tunnel, registry } = registered();
  await registry.metrics();
  t.equal(tunnel.reads, 1);
  tunnel.counters.slotsCover = 7n;
  t.match(await registry.metrics(), 'i405_slots_sent_total{tunnel="default",contents="cover"} 7\n');
  t.equal(tunnel.reads, 2);
});

t.test("two tunnels in a registry need two names", async (t) => {
  const { tunnel, registry, remove } = registered("one");
  const add = (name: unknown) => registerMetrics(tunnel, { registry, name } as never);
  t.throws(() => add("one"), { code: "ERR_I405_OPTION", option: "name" });
  for (const bad of ["", "x".repeat(64), 1, null]) t.throws(() => add(bad), { code: "ERR_I405_OPTION" });
  add("two");
  const names = async () => new Set(samplesOf(await registry.metrics()).map(({ labels }) => labels.tunnel));
  t.same([...(await names())].sort(), ["one", "two", undefined]);
  remove();
  remove();
  t.same([...(await names())].sort(), ["two", undefined]);
  add("one");
  registry.clear();
  add("three");
  t.same([...(await names())].sort(), ["one", "three", "two", undefined], "a registry that was cleared");
});

t.test("a label's value can't end its line", async (t) => {
  const { registry } = registered('a"b\\c\nd');
  for (const line of (await registry.metrics()).split("\n")) t.match(line, /^(#|i405_\w+(\{|\s)|$)/);
});

t.test("steal is that of all cores, in seconds", async (t) => {
  t.equal(
    stealSeconds(() => "cpu  100 2 30 4000 5 6 7 1234 0 0\ncpu0 1 1 1 1 1 1 1 9 0 0\n"),
    12.34,
  );
  t.equal(
    stealSeconds(() => {
      throw new Error("ENOENT");
    }),
    null,
  );
  t.type(stealSeconds(), "number");
});

function keyOf(name: string, { tunnel: _tunnel, ...labels }: Record<string, string>): string {
  return [name, ...Object.values(labels)].join(" ");
}
