/** The live view: what it shows, and that the terminal is given back. */
import t from "tap";
import { runCli } from "../../lib/cli/cli.js";
import type { Io } from "../../lib/cli/io.js";
import { History } from "../../lib/cli/live/history.js";
import { showLive } from "../../lib/cli/live/live.js";
import { renderLive, renderLiveLine } from "../../lib/cli/live/view.js";
import { paint, wantsColour } from "../../lib/cli/terminal/style.js";
import { plainCounters } from "../../lib/cli/describe.js";
import type { PlainStats, Snapshot } from "../../lib/cli/status/snapshot.js";
import { I405Error } from "../../lib/common/errors.js";
import { SOME_STATS } from "../../lab/fake/cli-stats.js";
import { CONNECTION, pretendWorld } from "../../lab/fake/cli-world.js";

const ESC = "\x1b";
const COLOUR = new RegExp(`${ESC}\\[\\d+m`, "g");
const HIDE = "\x1b[?25l";
const SHOW = "\x1b[?25h";

function snapshot(changes: Partial<Snapshot> = {}): Snapshot {
  return {
    format: 1,
    version: "0.1.0",
    name: "client-7",
    command: "client",
    pid: 7,
    pollMode: "dozy",
    address: "203.0.113.7:1405",
    since: "2026-01-02T03:04:05.678Z",
    clockMs: 1000,
    state: "connected",
    localAddress: "0.0.0.0:1405",
    deviceName: "tun-x",
    connection: CONNECTION,
    stats: plainCounters(SOME_STATS) as PlainStats,
    deviation: null,
    records: [],
    ...changes,
  };
}

/** So many slots and bytes after the first snapshot, at that time. */
function later(clockMs: number, sent: number, bytes: number, missed = 1): Snapshot {
  const { stats } = snapshot();
  const slots = { ...stats.slots, sent: stats.slots.sent + sent, missed };
  const inner = { ...stats.inner, bytesSent: bytes, bytesReceived: 2 * bytes, queuedBytes: 1234 };
  return snapshot({ clockMs, stats: { ...stats, slots, inner } });
}

const deviation = (p99: number, time: string) => ({
  ...{
    source: "call" as const,
    count: 9,
    mean: 1,
    stddev: 2,
    p1: 2,
    p50: 3,
    p90: 4,
    p99,
    p999: 6,
    max: 7,
    missed: 8,
    unreported: 0,
  },
  time,
});

const textOf = (history: History, width = 100) => paint(renderLive(history, width), width, false).join("\n");

t.test("rates are differences by the tunnel's own clock", async (t) => {
  const history = new History();
  t.equal(renderLive(history, 80)[0], "waiting for the first figures");
  history.add(snapshot());
  t.equal(history.rates, null);
  history.add(later(3000, 236, 20_480, 3));
  t.same(history.rates, {
    slotsPerSecond: 118,
    missed: 2,
    bytesSentPerSecond: 10_240,
    bytesReceivedPerSecond: 20_480,
    strangersPerSecond: 0,
  });
  const text = textOf(history);
  t.match(text, /^client-7 \(process 7\): connected with 203\.0\.113\.7:1405$/m);
  t.match(text, /^ {2}sends {5}1500 bytes every 8\.5ms \+-2\.125ms cos4/m);
  t.match(text, /^ {2}slots\/s {3}118\.0 of 117\.6 {2}/m);
  t.match(text, /^ {2}missed {4}2 in the last second, 3 in all$/m);
  t.match(text, /^ {2}sent {6}10KiB\/s +▄$/m, "half of what is received");
  t.match(text, /^ {2}received {2}20KiB\/s +█$/m);
  t.match(text, /^ {2}queue {5}1,234 bytes, 5 dropped$/m);
  t.match(text, /^ {2}loss in {3}5\.0 % in the last 10 s, 5\.5 % of 200 in all$/m);
  t.match(text, /^ {2}loss out {2}- in the last 10 s, 0\.3 % of 400 in all$/m);
  t.match(text, /^ {2}rtt {7}42\.3 ms, least 40\.0, newest 41\.0$/m);
  t.match(text, /^ {2}heard {5}12 ms ago; handshake 1\.0 h ago, keys 1\.0 min ago$/m);
});

t.test("another process under the same name is nothing to compare with", async (t) => {
  const history = new History();
  history.add(snapshot());
  history.add({ ...later(3000, 100, 0), pid: 8 });
  t.equal(history.rates, null);
  history.add({ ...later(2000, 100, 0), pid: 8 });
  t.equal(history.rates, null, "nor is a clock that went back");
});

t.test("a report of lateness is one point of the curve, however often it is seen", async (t) => {
  const history = new History();
  for (const [clockMs, p99, time] of [
    [1000, 10, "a"],
    [2000, 10, "a"],
    [3000, 80, "b"],
  ] as const) {
    history.add({ ...later(clockMs, 0, 0), deviation: deviation(p99, time) });
  }
  t.same(history.p99, [10, 80]);
  t.match(textOf(history), /^ {2}p99 {7}80\.0 us +▁█$/m);
  for (let n = 0; n < 1000; n += 1) history.add({ ...later(4000 + n, n, 0), deviation: deviation(n, String(n)) });
  t.equal(history.p99.length, 240, "it doesn't grow for ever");
  t.equal(history.slots.length, 240);
});

t.test("a server's own direction is down, and what waits says so", async (t) => {
  const history = new History();
  history.add(snapshot({ command: "server" }));
  t.match(textOf(history), /^ {2}sends {5}1200 bytes every 1ms no jitter/m);
  history.add(snapshot({ command: "server", connection: null, state: "listening", address: "0.0.0.0:1405" }));
  t.match(textOf(history), /listening on 0\.0\.0\.0:1405$/m);
  history.add(snapshot({ connection: null, state: "connecting" }));
  t.match(textOf(history), /connecting to 203\.0\.113\.7:1405$/m);
});

t.test("no line is wider than the terminal, whatever the colours", async (t) => {
  const history = new History();
  const records = [
    { time: "2026-01-02T03:04:05.678Z", level: "warn", event: "warning", text: "w".repeat(200) },
  ] as const;
  history.add(snapshot({ records, deviation: deviation(5, "a") }));
  history.add({ ...later(2000, 100, 1e9, 9), records });
  for (const width of [20, 40, 80, 200]) {
    const lines = paint(renderLive(history, width), width, true);
    t.ok(
      lines.some((line) => line.startsWith("\x1b[31m")),
      "a warning is red",
    );
    for (const line of lines) t.ok(line.replace(COLOUR, "").length <= width, `${width}: ${line}`);
  }
  t.match(
    renderLiveLine(history),
    /^connected: 100\.0 slots\/s, 8 missed; inside .* sent, .* received, 1234 bytes wait; loss 5\.0 % in, - out; round trip 42\.3 ms; lateness p99 5\.0 us$/,
  );
});

function ioOf(terminal: ReturnType<Io["terminal"]>, environment: NodeJS.ProcessEnv = {}) {
  let output = "";
  const io: Io = {
    out: (text) => (output += text),
    err: () => undefined,
    environment,
    stdin: 0,
    terminal: () => terminal,
  };
  return { io, output: () => output };
}

/** A view of these snapshots, one a frame, stopped when they are over. */
async function shown(terminal: ReturnType<Io["terminal"]>, snapshots: (Snapshot | null)[], environment = {}) {
  const { io, output } = ioOf(terminal, environment);
  await new Promise<void>((resolve) => {
    const left = [...snapshots];
    const view = showLive(io, () => Promise.resolve(left.shift() ?? null), 1);
    const poll = setInterval(() => {
      if (left.length > 0) return;
      clearInterval(poll);
      view.stop();
      view.stop();
      resolve();
    }, 2);
  });
  return output();
}

t.test("on a terminal it draws in place and gives the cursor back, once", async (t) => {
  const text = await shown({ columns: 80, rows: 40 }, [snapshot(), later(2000, 1, 1), null, later(3000, 2, 2)]);
  t.ok(text.startsWith(HIDE));
  t.ok(text.endsWith(SHOW));
  t.equal(text.split(SHOW).length, 2);
  t.match(text, new RegExp(`${ESC}\\[\\d+A\r`), "over the last one");
  t.equal(process.listeners("exit").filter(({ name }) => name === "stop").length, 0);
});

t.test("without a terminal it is a line for each, without any control character", async (t) => {
  const text = await shown(null, [snapshot(), later(2000, 50, 1)]);
  t.same(text.trim().split("\n").length, 2);
  t.match(text, /^connected: 50\.0 slots\/s/m);
  t.notMatch(text, "\x1b");
});

t.test("NO_COLOR and dumb terminals", async (t) => {
  const terminal = { columns: 80, rows: 24 };
  t.equal(wantsColour(ioOf(terminal).io), true);
  t.equal(wantsColour(ioOf(terminal, { NO_COLOR: "" }).io), true, "empty is not set (no-color.org)");
  t.equal(wantsColour(ioOf(terminal, { NO_COLOR: "1" }).io), false);
  t.equal(wantsColour(ioOf(terminal, { TERM: "dumb" }).io), false);
  t.equal(wantsColour(ioOf(null).io), false);
  t.match(await shown(terminal, [snapshot()]), "\x1b[32m");
  t.notMatch(await shown(terminal, [snapshot()], { NO_COLOR: "1" }), COLOUR);
});

t.test("a reader that fails now and then doesn't end the view", async (t) => {
  const { io, output } = ioOf(null);
  let calls = 0;
  await new Promise<void>((resolve) => {
    const view = showLive(
      io,
      () => {
        calls += 1;
        if (calls === 3) {
          view.stop();
          resolve();
        }
        return calls === 1 ? Promise.reject(new Error("no")) : Promise.resolve(snapshot());
      },
      1,
    );
  });
  t.match(output(), /^connected: /);
});

const LIVE = ["client", "--peer", "203.0.113.7:1405", "--password", "a-long-password", "--live"];

t.test("in a command the records are in the view, and the end is written after it", async (t) => {
  const world = pretendWorld((tunnel) => {
    tunnel.opening = async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      world.stop.request();
    };
  });
  world.io.terminal = () => ({ columns: 100, rows: 40 });
  t.equal(await runCli(LIVE, world), 0);
  t.equal(world.tunnels[0]?.options.deviationInterval, "1s");
  const [drawn = "", after = ""] = world.output().split(SHOW);
  t.ok(drawn.includes(HIDE));
  t.notMatch(drawn, /^connecting to 203/m);
  t.match(after, /^closed: 7 slots sent/);
});

t.test("a failure is written to a terminal that was given back", async (t) => {
  const world = pretendWorld((tunnel) => {
    tunnel.opening = async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      throw new I405Error("ERR_I405_REFUSED", "refused");
    };
  });
  world.io.terminal = () => ({ columns: 100, rows: 40 });
  let before = "";
  world.io.err = () => (before = world.output());
  t.equal(await runCli(LIVE, world), 4);
  t.ok(before.includes(SHOW), "the cursor was back by then");
});

t.test("without a terminal lines of both kinds", async (t) => {
  const world = pretendWorld((tunnel) => {
    tunnel.opening = async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      world.stop.request();
    };
  });
  t.equal(await runCli([...LIVE, "--outgoing-send-deviation-stats", "7s"], world), 0);
  t.equal(world.tunnels[0]?.options.deviationInterval, "7s");
  t.match(world.output(), /^new: 0\.0 slots\/s/m);
  t.match(world.output(), /^connecting to 203/m);
  t.notMatch(world.output(), "\x1b");
});
