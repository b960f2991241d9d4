/** A server says whom it refused and why: as an event, and at level info. */
import { EventEmitter } from "node:events";
import t from "tap";
import type { RefusedClient } from "../../index.js";
import { describeRefused } from "../../lib/cli/describe.js";
import { logEvents } from "../../lib/cli/tunnel-log.js";
import { CLIENT, ELSEWHERE, MS, ServerBench, wireOf } from "../../lab/fake/server-bench.js";
import { SOME_STATS } from "../../lab/fake/cli-stats.js";
import { Pair, record, SERVER } from "../../lab/fake/tunnel-pair.js";

const refusedBy = (bench: ServerBench) =>
  bench.around.reports.filter(([name]) => name === "refused").map(([, it]) => it);

t.test("each limit, with what was asked for and what is allowed", async (t) => {
  const cases: [ReturnType<typeof wireOf>, string, Omit<RefusedClient, "endpoint">][] = [
    [wireOf(10e6, 1600), CLIENT, { reason: "length", direction: "up", asked: 1600, limit: 1500 }],
    [wireOf(10e6), ELSEWHERE, { reason: "length", direction: "up", asked: 500, limit: 400 }],
    [wireOf(0.5e6), CLIENT, { reason: "interval", direction: "down", asked: 0.5e6, limit: 1e6 }],
    [wireOf(1e6, 1500), CLIENT, { reason: "bandwidth", direction: "down", asked: 1.5e6, limit: 1e6 }],
  ];
  for (const [wire, source, expected] of cases) {
    const bench = new ServerBench();
    bench.settings = { ...bench.settings, wire };
    bench.addon.sources = [source];
    bench.initiate(source);
    // Where the length is in question, other sources are waited for.
    await bench.around.time.pass(300);
    t.same(bench.around.reports, [["refused", { endpoint: source, ...expected }]]);
  }
});

t.test("settings that make no sense, and another version, also where that gets no answer", async (t) => {
  const bench = new ServerBench();
  bench.understood = false;
  bench.initiate();
  const senseless = { endpoint: CLIENT, reason: "notUnderstood", direction: null, asked: null, limit: null };
  t.same(refusedBy(bench), [senseless]);
  bench.around.time.nowNs += 2000n * MS;
  const other = { version: 3, stamp: 9_999, source: ELSEWHERE, datagramLength: 472, receivedNs: bench.now };
  bench.machine.handle({ type: "otherVersion", ...other });
  const version = { endpoint: ELSEWHERE, reason: "version", direction: null, asked: 3, limit: 1 };
  t.same(refusedBy(bench), [senseless, version], "a schedule runs, so it isn't answered, and is told all the same");
});

t.test("at most one a second, and nobody who is let in or isn't genuine", async (t) => {
  const bench = new ServerBench();
  bench.initiate();
  bench.initiate(CLIENT, Uint8Array.of(0xff));
  t.same(bench.around.reports, []);
  bench.understood = false;
  for (let each = 0; each < 10; each += 1) {
    bench.initiate();
    bench.around.time.nowNs += 250n * MS;
  }
  t.equal(refusedBy(bench).length, 3);
});

t.test("through the library: the server's event, while the client gets its error", async (t) => {
  const pair = new Pair();
  const seen = record(pair.server);
  const { listening, connecting } = pair.begin({}, { limits: { maxLength: 400 } });
  await listening;
  await pair.simulation.time.until(() => pair.client.state === "closed", 10_000);
  await t.rejects(connecting, { code: "ERR_I405_REFUSED" });
  const refused = seen.filter(([name]) => name === "refused").map(([, value]) => value);
  t.match(refused, [{ reason: "length", direction: "up", asked: 500, limit: 400 }]);
  t.match(refused[0]?.endpoint, /^127\.0\.0\.1:\d+$/);
  t.not(refused[0]?.endpoint, SERVER);
  await pair.down();
});

t.test("in words, with units", async (t) => {
  const endpoint = "203.0.113.7:1405";
  const text = (refused: Omit<RefusedClient, "endpoint">) => describeRefused({ endpoint, ...refused });
  t.equal(
    text({ reason: "length", direction: "up", asked: 1600, limit: 1500 }),
    "refused 203.0.113.7:1405: datagrams up of 1600 bytes were asked for, at most 1500 bytes are allowed",
  );
  t.equal(
    text({ reason: "interval", direction: "down", asked: 0.5e6, limit: 1e6 }),
    "refused 203.0.113.7:1405: an interval down of 500us was asked for, at least 1ms is allowed",
  );
  t.equal(
    text({ reason: "bandwidth", direction: "down", asked: 2048, limit: 1024 }),
    "refused 203.0.113.7:1405: a bandwidth down of 2KiB/s was asked for, at most 1KiB/s is allowed",
  );
  t.match(
    text({ reason: "version", direction: null, asked: 3, limit: 1 }),
    /it speaks version 3 of the protocol, .* 1$/,
  );
  t.match(text({ reason: "notUnderstood", direction: null, asked: null, limit: null }), /make no sense/);
});

t.test("the log: at level info, and one that comes again and again is summed up", async (t) => {
  const waiting: (() => void)[] = [];
  const real = globalThis.setTimeout;
  const timer = { unref: () => timer };
  globalThis.setTimeout = ((act: () => void, ms: number) => {
    t.equal(ms, 60_000);
    waiting.push(act);
    return timer;
  }) as never;
  t.teardown(() => (globalThis.setTimeout = real));
  const tunnel = new EventEmitter();
  const said: [string, object, string, string | undefined][] = [];
  const log = {
    say: (event: string, fields: object, text: string, level?: string) => said.push([event, fields, text, level]),
    fail: () => undefined,
  };
  logEvents(Object.assign(tunnel, { stats: () => SOME_STATS }), log, "server", false);
  const refused = (port: number, reason = "length") =>
    tunnel.emit("refused", { endpoint: `203.0.113.7:${port}`, reason, direction: "up", asked: 2, limit: 1 });
  for (let port = 1; port <= 30; port += 1) refused(port);
  t.match(said, [["refused", { endpoint: "203.0.113.7:1", reason: "length" }, /^refused 203/, undefined]]);
  t.equal(said.length, 1);
  waiting.shift()!();
  t.match(said[1], ["refused", { times: 29 }, "refused 29 more times in the last minute"]);
  waiting.shift()!();
  t.equal(waiting.length, 0);
  refused(31);
  t.equal(said.length, 3, "after a quiet minute it is told at once again");
});
