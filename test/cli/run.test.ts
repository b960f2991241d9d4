import { setTimeout as delay } from "node:timers/promises";
import t from "tap";
import { describeDeviation } from "../../lib/cli/describe.js";
import { runCli } from "../../lib/cli/cli.js";
import { I405Error } from "../../lib/common/errors.js";
import { CONNECTION, pretendWorld, type PretendTunnel } from "../../lab/fake/cli-world.js";

const CLIENT = ["client", "--peer", "203.0.113.7:1405", "--password", "a-long-password"];
const SERVER = ["server", "--listen-addr", "0.0.0.0:1405", "--password", "a-long-password"];
const NEVER = () => new Promise<never>(() => undefined);

/** A world whose tunnel does this as soon as it is open. */
function worldWith(act: (tunnel: PretendTunnel) => void) {
  return pretendWorld((tunnel) => {
    tunnel.opening = () => {
      setImmediate(() => act(tunnel));
      return Promise.resolve();
    };
  });
}

t.test("a client says what happens, and a signal closes it", async (t) => {
  const world = worldWith((tunnel) => {
    tunnel.emit("connected", CONNECTION);
    tunnel.emit("silent", { forMs: 10_000 });
    tunnel.emit("heard");
    tunnel.emit("disconnected", { reason: "peerClosed" });
    tunnel.emit("warning", { code: "I405_X", message: "something", remedy: "set schedFifo to false" });
    world.stop.request();
  });
  t.equal(await runCli(CLIENT, world), 0);
  t.equal(world.tunnels[0]?.closes, 1);
  t.same(world.output().split("\n"), [
    "connecting to 203.0.113.7:1405 from 0.0.0.0:1405, interface tun0",
    "connected with 203.0.113.7:1405, aes-256-gcm; up 1500 bytes every 8.5ms +-2.125ms cos4 (172.33KiB/s); " +
      "down 1200 bytes every 1ms no jitter (1.14MiB/s)",
    "nothing heard for 10.0 s; handshaking anew",
    "the other end is there again",
    "the session ended: the other end closed it; handshaking anew",
    "warning: something (I405_X)",
    "  give --no-sched-fifo",
    "closed: 7 slots sent (2 carrying), 1 missed; inner packets: 3 sent, 4 received, 5 dropped; " +
      "lost on the way: 11 of 200 (5.5 %) in, 1 of 400 (0.3 %) out; round trip 42.3 ms, least 40.0, newest 41.0; " +
      "heard 12 ms ago; handshake 1.0 h ago, keys 1.0 min ago",
    "",
  ]);
  t.equal(world.errors(), "");
});

t.test("--json: one object a line", async (t) => {
  const figures = { count: 5, mean: 1, stddev: 2, p1: 2.5, p50: 3, p90: 4, p99: 5, p999: 6, max: 7, missed: 8 };
  const deviation = { source: "software" as const, ...figures, unreported: 9 };
  const world = worldWith((tunnel) => {
    tunnel.emit("connected", CONNECTION);
    tunnel.emit("deviation", deviation);
    world.stop.request();
  });
  t.equal(await runCli([...SERVER, "--json", "--outgoing-send-deviation-stats", "1s"], world), 0);
  const events = world
    .output()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  t.match(events, [
    { time: /^\d{4}-\d\d-\d\dT/, event: "listening", localAddress: "0.0.0.0:1405", deviceName: "tun0" },
    { event: "connected", endpoint: "203.0.113.7:1405", wire: { up: { intervalNs: 8_500_000 } } },
    { event: "deviation", ...deviation },
    { event: "closed", stats: { slots: { sent: 7, missed: 1 } } },
  ]);
});

t.test("--lift-rt-throttle: lifted before the tunnel opens, put back after it, whatever happens", async (t) => {
  const lift = [...CLIENT, "--lift-rt-throttle"];
  const world = worldWith((tunnel) => {
    t.same(world.throttle, ["lifted"]);
    tunnel.emit("connected", CONNECTION);
    world.stop.request();
  });
  t.equal(await runCli(lift, world), 0);
  t.same(world.throttle, ["lifted", "put back"]);

  const failing = pretendWorld((tunnel) => {
    tunnel.opening = () => Promise.reject(new I405Error("ERR_I405_ADDRESS_IN_USE", "in use"));
  });
  t.equal(await runCli(lift, failing), 3);
  t.same(failing.throttle, ["lifted", "put back"]);

  const forbidden = pretendWorld();
  forbidden.liftRtThrottle = () => {
    throw new I405Error("ERR_I405_RT_THROTTLE", "--lift-rt-throttle: no", { option: "lift-rt-throttle" });
  };
  t.equal(await runCli(lift, forbidden), 3);
  t.match(forbidden.errors(), /^i405 client: --lift-rt-throttle: no \(ERR_I405_RT_THROTTLE\)/);

  const unasked = worldWith(() => unasked.stop.request());
  await runCli(CLIENT, unasked);
  t.same(unasked.throttle, []);
});

t.test("a deviation says from what it is, and what it leaves out", async (t) => {
  const figures = { count: 5, mean: 1, stddev: 2, p1: 2.5, p50: 3, p90: 4, p99: 5, p999: 6, max: 7, missed: 8 };
  const shown = "us: mean 1.0, stddev 2.0, p50 3.0, p90 4.0, p99 5.0, p99.9 6.0, max 7.0; missed 8";
  const call = describeDeviation({ source: "call", ...figures, unreported: 0 });
  t.equal(call, `lateness of 5 slots, ${shown}`);
  const software = describeDeviation({ source: "software", ...figures, unreported: 2 });
  t.equal(software, `lateness of 5 slots by software timestamps, ${shown}; 2 without a timestamp`);
});

t.test("deviation is said only if it is asked for", async (t) => {
  const figures = { count: 5, mean: 1, stddev: 2, p50: 3, p90: 4, p99: 5, p999: 6, max: 7, missed: 8 };
  const said = async (flags: string[]) => {
    const world = worldWith((tunnel) => {
      tunnel.emit("deviation", { source: "call", ...figures, unreported: 0 });
      world.stop.request();
    });
    await runCli([...CLIENT, ...flags], world);
    return world.output().includes("lateness of 5 slots");
  };
  t.equal(await said([]), false);
  t.equal(await said(["--outgoing-send-deviation-stats", "10s"]), true);
});

t.test("exit codes say whose fault it is", async (t) => {
  const cases: [string, number][] = [
    ["ERR_I405_OPTION", 2],
    ["ERR_I405_KEY", 2],
    ["ERR_I405_TUN_PERMISSION", 3],
    ["ERR_I405_ADDRESS_IN_USE", 3],
    ["ERR_I405_ADDON", 3],
    ["ERR_I405_REFUSED", 4],
    ["ERR_I405_PROTOCOL_VERSION", 4],
    ["ERR_I405_CONNECT_TIMEOUT", 4],
    ["ERR_I405_THREAD", 1],
  ];
  for (const [code, exit] of cases) {
    const world = pretendWorld((tunnel) => {
      tunnel.opening = () => Promise.reject(new I405Error(code, "it failed"));
    });
    t.equal(await runCli(CLIENT, world), exit, code);
    t.match(world.errors(), `it failed (${code})`);
    t.equal(world.tunnels[0]?.closes, 1, "nothing is left open");
  }
});

t.test("a tunnel that fails while it runs", async (t) => {
  const world = worldWith((tunnel) => {
    tunnel.emit("error", new I405Error("ERR_I405_THREAD", "a thread died"));
    tunnel.emit("close");
  });
  t.equal(await runCli(CLIENT, world), 1);
  t.equal(world.errors(), "i405 client: a thread died (ERR_I405_THREAD)\n");
});

t.test("with --json a failure is an event too", async (t) => {
  const world = pretendWorld((tunnel) => {
    tunnel.opening = () =>
      Promise.reject(new I405Error("ERR_I405_OPTION", "up.interval: got 1", { option: "up.interval" }));
  });
  t.equal(await runCli([...CLIENT, "--json", "--device", "packets"], world), 2);
  const failure = world
    .output()
    .split("\n")
    .find((line) => line.includes('"error"'));
  t.match(JSON.parse(failure ?? "{}"), {
    event: "error",
    code: "ERR_I405_OPTION",
    message: "--up-packet-interval: got 1",
    option: "up-packet-interval",
  });
  t.equal(world.errors(), "");
  const usage = pretendWorld();
  t.equal(await runCli(["client", "--json", "--nonsense"], usage), 2);
  t.match(JSON.parse(usage.output()), { event: "error", code: "ERR_I405_USAGE" });
});

t.test("a signal ends it while it is still connecting, and that is no failure", async (t) => {
  const world = pretendWorld((tunnel) => {
    tunnel.opening = NEVER;
    setImmediate(() => world.stop.request());
  });
  t.equal(await runCli(CLIENT, world), 0);
  t.equal(world.tunnels[0]?.closes, 1);
  const failing = pretendWorld((tunnel) => {
    tunnel.opening = () => {
      failing.stop.request();
      return Promise.reject(new I405Error("ERR_I405_CLOSED", "closed"));
    };
  });
  t.equal(await runCli(CLIENT, failing), 0);
  t.equal(failing.errors(), "");
});

t.test("routes are there before the first session, and are taken back", async (t) => {
  const world = pretendWorld((tunnel) => {
    tunnel.opening = NEVER;
  });
  const running = runCli([...CLIENT, "--tun-name", "tun-x", "--route", "10.0.0.0/8"], world);
  while (world.ipCalls.length === 0) await delay(5);
  world.stop.request();
  t.equal(await running, 0);
  const route = "10.0.0.0/8 dev tun-x protocol 140";
  t.same(world.ipCalls, [`-4 route add ${route}`, `-4 route del ${route}`]);
});

t.test("routes that aren't networks are refused before anything is opened", async (t) => {
  for (const route of ["10.200.1.1/16", "192.0.2.0/024", "128.0.0.0/0"]) {
    for (const command of [CLIENT, [...SERVER, "--tun-ipv4", "10.0.0.1/24"]]) {
      const world = pretendWorld();
      t.equal(await runCli([...command, "--route", route], world), 2, route);
      t.match(world.errors(), `--route: got "${route}"`);
      t.same([world.tunnels, world.ipCalls], [[], []]);
    }
  }
});

t.test("routes that fail end the tunnel", async (t) => {
  const world = pretendWorld((tunnel) => {
    tunnel.opening = NEVER;
  });
  world.runIp = () => "Operation not permitted";
  t.equal(await runCli([...SERVER, "--tun-ipv4", "10.0.0.1/24", "--route", "10.0.0.0/8"], world), 3);
  t.match(world.errors(), /--route: ip -4 route add .* failed: Operation not permitted \(ERR_I405_ROUTE_SETUP\)/);
  t.equal(world.tunnels[0]?.closes, 1);
});

t.test("a route that holds the server is refused before anything is opened", async (t) => {
  const world = pretendWorld();
  t.equal(await runCli([...CLIENT, "--route", "203.0.113.0/24"], world), 2);
  t.match(world.errors(), /--route: got "203.0.113.0\/24", expected a prefix without the server's own address/);
  t.same(world.tunnels, []);
});

t.test("without a command there is help, and --help is no error", async (t) => {
  const bare = pretendWorld();
  t.equal(await runCli([], bare), 2);
  t.match(bare.output(), /Usage: i405/);
  for (const parameters of [
    ["--help"],
    ["help"],
    ["client", "--help"],
    ["help", "server"],
    ["demo", "--help"],
    ["--version"],
  ]) {
    const world = pretendWorld();
    t.equal(await runCli(parameters, world), 0, parameters.join(" "));
    t.not(world.output(), "");
    t.equal(world.errors(), "");
  }
  const client = pretendWorld();
  await runCli(["client", "--help"], client);
  for (const part of ["--up-packet-interval", "--config", "Examples:", "Exit codes:", "I405_PASSWORD", "outgoing-"]) {
    t.match(client.output(), part);
  }
  t.notMatch(client.output(), /--incoming-speed/, "aliases don't fill the list");
});
