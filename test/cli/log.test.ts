/** The log: levels, forms, what it never says, and how often. */
import { EventEmitter } from "node:events";
import t, { type Test } from "tap";
import { runCli } from "../../lib/cli/cli.js";
import { startLog } from "../../lib/cli/log.js";
import type { LogFormat, LogLevel } from "../../lib/cli/output-settings.js";
import type { Log } from "../../lib/cli/plain-log.js";
import { RecentLog } from "../../lib/cli/recent-log.js";
import { logEvents, logStrangers } from "../../lib/cli/tunnel-log.js";
import type { TunnelStats } from "../../index.js";
import { SOME_STATS } from "../../lab/fake/cli-stats.js";
import { pretendWorld } from "../../lab/fake/cli-world.js";

function startTestLog(format: LogFormat, level: LogLevel) {
  let out = "";
  let err = "";
  const io = { out: (text: string) => (out += text), err: (text: string) => (err += text) };
  const now = () => new Date("2026-01-02T03:04:05.678Z");
  const log = startLog(io, { format, level, program: "i405 client", now });
  const records = () =>
    out
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { log, out: () => out, err: () => err, records };
}

/** One of each. */
function sayAll(log: Log): void {
  log.say("stats", { n: 1 }, "so far", "debug");
  log.say("heard", {}, "there again");
  log.say("warning", { code: "I405_X" }, "warning: hm (I405_X)\n  mend it", "warn");
  log.fail({ code: "ERR_I405_Y", message: "it broke\nmend it", option: "peer" });
}

t.test("lines for people, errors on standard error", async (t) => {
  const { log, out, err } = startTestLog("text", "debug");
  sayAll(log);
  t.equal(out(), "debug: so far\nthere again\nwarning: hm (I405_X)\n  mend it\n");
  t.equal(err(), "i405 client: it broke (ERR_I405_Y)\n  mend it\n");
});

t.test("JSON: level, time, event, fields and the text", async (t) => {
  const { log, records, err } = startTestLog("json", "debug");
  sayAll(log);
  const time = "2026-01-02T03:04:05.678Z";
  t.same(records(), [
    { level: "debug", time, event: "stats", n: 1, msg: "so far" },
    { level: "info", time, event: "heard", msg: "there again" },
    { level: "warn", time, event: "warning", code: "I405_X", msg: "warning: hm (I405_X)\n  mend it" },
    {
      level: "error",
      time,
      event: "error",
      code: "ERR_I405_Y",
      message: "it broke\nmend it",
      option: "peer",
      msg: "it broke\nmend it",
    },
  ]);
  t.equal(err(), "");
});

t.test("a level leaves out what is below it", async (t) => {
  const events = (level: LogLevel) => {
    const { log, records } = startTestLog("json", level);
    sayAll(log);
    return records().map(({ event }) => event);
  };
  t.same(events("debug"), ["stats", "heard", "warning", "error"]);
  t.same(events("info"), ["heard", "warning", "error"]);
  t.same(events("warn"), ["warning", "error"]);
  t.same(events("error"), ["error"]);
});

t.test("a field that is called like a secret isn't written", async (t) => {
  const { log, out } = startTestLog("json", "info");
  const secret = "hunter2-hunter2";
  log.say("x", { password: secret, key: secret, a: { privateKey: secret, presharedKey: secret, key: secret } }, "x");
  t.notMatch(out(), secret);
  t.match(out(), "[redacted]");
});

t.test("no record of a command has the password, whatever its form and level", async (t) => {
  const secret = "a-password-that-nobody-guesses";
  for (const format of ["text", "json"]) {
    const world = pretendWorld((tunnel) => {
      tunnel.opening = () => Promise.reject(new Error("it failed"));
    });
    const flags = ["--password", secret, "--log-level", "debug", "--log-format", format, "--device", "packets"];
    await runCli(["client", "--peer", "203.0.113.7:1405", ...flags], world);
    t.not(world.output() + world.errors(), "");
    t.notMatch(world.output() + world.errors(), secret, format);
  }
});

t.test("--log-level and --log-format are refused when they make no sense", async (t) => {
  const cases: [string[], RegExp][] = [
    [["--log-level", "loud"], /--log-level: got "loud", expected debug, info, warn or error \(ERR_I405_USAGE\)/],
    [["--log-format", "xml"], /--log-format: got "xml", expected text or json/],
    [["--json", "--log-format", "text"], /--log-format contradicts --json/],
    [["--live", "--json"], /--live contradicts --json/],
    [
      ["--metrics", "localhost:9405"],
      /--metrics: got "localhost:9405", expected an address of this machine and a port/,
    ],
    [["--metrics", "9405"], /--metrics: got "9405"/],
    [["--status-socket", "/x/y", "--no-status-socket"], /contradicts/],
  ];
  for (const [flags, message] of cases) {
    const world = pretendWorld();
    t.equal(
      await runCli(["client", "--peer", "203.0.113.7:1405", "--password", "a-long-password", ...flags], world),
      2,
    );
    t.match(world.errors() + world.output(), message);
    t.same(world.tunnels, []);
  }
  const json = pretendWorld();
  t.equal(await runCli(["client", "--live", "--log-format", "json"], json), 2);
  t.match(JSON.parse(json.output()), { event: "error", code: "ERR_I405_USAGE", option: "live" });
});

/** Minutes pass at once. */
function minutes(t: Test) {
  let tick: () => void = () => undefined;
  const real = globalThis.setInterval;
  globalThis.setInterval = ((act: () => void, ms: number) => {
    t.equal(ms, 60_000);
    tick = act;
    return { unref: () => undefined };
  }) as never;
  t.teardown(() => (globalThis.setInterval = real));
  return () => tick();
}

t.test("what strangers do is one record a minute at most, and none when they do nothing", async (t) => {
  const pass = minutes(t);
  const { log, records } = startTestLog("json", "info");
  let stats: TunnelStats = SOME_STATS;
  logStrangers({ stats: () => stats }, log);
  pass();
  t.same(records(), [], "nothing happened");
  stats = { ...stats, datagrams: { ...stats.datagrams, received: 9_000_000n, unknown: 6_000_000n, replayed: 3n } };
  pass();
  stats = { ...stats, datagrams: { ...stats.datagrams, overBudget: 5n }, handshake: { fragments: 9n, stale: 2n } };
  pass();
  pass();
  t.match(records(), [
    { level: "info", event: "strangers", seconds: 60, forged: 6_000_000, replayed: 3, overBudget: 0, stale: 0 },
    { level: "warn", event: "strangers", forged: 0, replayed: 0, overBudget: 5, stale: 2 },
  ]);
  t.equal(records().length, 2);
});

t.test("a client that moves to and fro is two records in ten seconds at most", async (t) => {
  const waiting: (() => void)[] = [];
  const real = globalThis.setTimeout;
  globalThis.setTimeout = ((act: () => void, ms: number) => {
    t.equal(ms, 10_000);
    waiting.push(act);
    return { unref: () => undefined };
  }) as never;
  t.teardown(() => (globalThis.setTimeout = real));
  const tunnel = Object.assign(new EventEmitter(), { stats: () => SOME_STATS });
  const { log, records } = startTestLog("json", "info");
  logEvents(tunnel, log, "server", false);
  const move = (port: number) => tunnel.emit("roamed", { endpoint: `203.0.113.7:${port}` });
  for (const port of [1, 2, 1, 2, 3]) move(port);
  waiting.shift()!();
  waiting.shift()!();
  move(3);
  move(4);
  move(3);
  waiting.shift()!();
  t.same(
    records().map(({ endpoint }) => endpoint),
    [1, 3, 3].map((port) => `203.0.113.7:${port}`),
  );
  t.equal(waiting.length, 0);
});

t.test("new keys are a record for programs, and nothing to read", async (t) => {
  const tunnel = Object.assign(new EventEmitter(), { stats: () => SOME_STATS });
  const { log, out } = startTestLog("text", "debug");
  const recent = new RecentLog(log);
  logEvents(tunnel, recent, "client", false);
  tunnel.emit("rekeyed");
  t.equal(out(), "");
  t.same(recent.records, []);
  const json = startTestLog("json", "info");
  logEvents(tunnel, json.log, "client", false);
  tunnel.emit("rekeyed");
  t.match(json.records(), [{ level: "info", event: "rekeyed" }]);
});

t.test("the newest records are kept for those who look later", async (t) => {
  const { log, out } = startTestLog("text", "warn");
  const recent = new RecentLog(log);
  for (let n = 0; n < 20; n += 1) recent.say("e", {}, `number ${n}\nmore`);
  recent.say("e", {}, "fine detail", "debug");
  t.equal(recent.records.length, 12);
  t.match(recent.records.at(-1), { level: "info", event: "e", text: "number 19" });
  recent.say("w", {}, "loud", "warn");
  recent.quiet = true;
  recent.say("w", {}, "shown otherwise", "warn");
  t.equal(out(), "loud\n");
  t.match(recent.records.at(-1), { text: "shown otherwise" });
});
