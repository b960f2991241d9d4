import t from "tap";
import { runCli } from "../../lib/cli/cli.js";
import { FLAGS } from "../../lib/cli/flag-table.js";
import { flagOfOption, flagsOf } from "../../lib/cli/flags.js";
import { parseConnectOptions, parseListenOptions } from "../../lib/options/connection-options.js";
import { parseTunnelOptions } from "../../lib/options/tunnel-options.js";
import {
  pretendWorld,
  stopAtOpening,
  temporaryFile,
  type PretendTunnel,
  type PretendWorld,
} from "../../lab/fake/cli-world.js";

const PASSWORD = ["--password", "a-long-password"];
const CLIENT = ["client", "--peer", "203.0.113.7:1405", ...PASSWORD];
const SERVER = ["server", "--listen-addr", "0.0.0.0:1405", ...PASSWORD];

/** Runs the command until its tunnel is asked to open, and stops it there. */
async function asked(parameters: string[], world: PretendWorld = pretendWorld()): Promise<PretendTunnel> {
  stopAtOpening(world);
  const code = await runCli(parameters, world);
  const tunnel = world.tunnels[0];
  if (code !== 0 || tunnel === undefined) throw new Error(world.errors());
  return tunnel;
}

async function refusal(parameters: string[]): Promise<string> {
  const world = pretendWorld();
  const code = await runCli(parameters, world);
  return `${code} ${world.errors().trim()}`;
}

t.test("flags become the options of the API", async (t) => {
  const { options, asked: connect } = await asked([
    ...CLIENT,
    ...[
      "--local-addr",
      "0.0.0.0:5000",
      "--tun-name",
      "tun-x",
      "--tun-ipv4",
      "10.0.0.2/24",
      "--tun-ipv4",
      "10.0.1.2/24",
    ],
    ...["--tun-ipv6", "fd00::2/64", "--tun-mtu", "1400", "--queue", "20ms", "--fwmark", "0x1405"],
    ...["--up-packet-interval", "8.5ms", "--up-packet-length", "1200", "--up-packet-jitter", "0"],
    ...["--down-speed", "1MiB/s", "--jitter-shape", "uniform", "--poll-mode", "dozy", "--no-sched-fifo", "--cpu", "1"],
    ...["--client-timeout", "5s", "--server-timeout", "6s", "--connect-timeout", "7s", "--linger", "1s"],
    ...["--outgoing-send-deviation-stats", "10s", "--deviation-source", "software", "--send-by", "txtime"],
  ]);
  t.same(options, {
    pollMode: "dozy",
    schedFifo: false,
    cpu: 1,
    queue: "20ms",
    fwmark: 0x1405,
    deviationInterval: "10s",
    deviationSource: "software",
    sendBy: "txtime",
    device: { tun: { name: "tun-x", ipv4: ["10.0.0.2/24", "10.0.1.2/24"], ipv6: ["fd00::2/64"], mtu: 1400 } },
  });
  t.same(connect, {
    peer: "203.0.113.7:1405",
    localAddress: "0.0.0.0:5000",
    password: "a-long-password",
    up: { interval: "8.5ms", length: 1200, jitter: "0", jitterShape: "uniform" },
    down: { rate: "1MiB/s", jitterShape: "uniform" },
    clientTimeout: "5s",
    serverTimeout: "6s",
    connectTimeout: "7s",
    linger: "1s",
  });
});

t.test("several ways to the server", async (t) => {
  const { asked: connect } = await asked([...CLIENT, "--peer", "[2001:db8::7]:1405", "--persistent"]);
  t.same(connect, {
    peer: ["203.0.113.7:1405", "[2001:db8::7]:1405"],
    persistent: true,
    password: "a-long-password",
  });
});

t.test("a server's limits", async (t) => {
  const { options, asked: listen } = await asked([
    ...SERVER,
    ...["--device", "packets", "--max-up-speed", "1MB/s", "--max-down-speed", "2MB/s", "--require-sched-fifo"],
    ...["--min-packet-interval", "1ms", "--max-packet-length", "1400", "--max-stamp-age", "1min"],
    ...["--max-server-timeout", "2h"],
  ]);
  t.same(options, { device: "packets", schedFifo: "require" });
  t.same(listen, {
    address: "0.0.0.0:1405",
    password: "a-long-password",
    maxStampAge: "1min",
    limits: {
      maxRateUp: "1MB/s",
      maxRateDown: "2MB/s",
      minInterval: "1ms",
      maxLength: 1400,
      maxServerTimeout: "2h",
    },
  });
});

t.test("every flag is one that the API takes", async (t) => {
  const values: Record<string, string> = {
    "keep-capabilities": "none",
    ...{
      peer: "203.0.113.7:1405",
      "listen-addr": "0.0.0.0:1405",
      "local-addr": "0.0.0.0:0",
      password: "a-long-password",
      client: "198.51.100.2:1405",
    },
    ...{
      device: "tun",
      "tun-name": "tun-x",
      "tun-ipv4": "10.0.0.2/24",
      "tun-ipv6": "fd00::2/64",
      "tun-mtu": "1400",
      "allowed-ips": "10.0.0.1",
    },
    ...{ "up-packet-length": "1200", "down-packet-length": "1200", "jitter-shape": "cos4", "poll-mode": "dozy" },
    ...{ "deviation-source": "software", "send-by": "txtime" },
    ...{
      "max-packet-length": "1400",
      route: "10.0.0.0/8",
      fwmark: "7",
      cpu: "0",
      dispatchers: "1",
      "reorder-window": "5",
    },
    ...{ linger: "0", burner: "all", metrics: "127.0.0.1:0", "log-level": "warn", "log-format": "json" },
  };
  const other = (name: string) => (name.endsWith("speed") ? "1MB/s" : "20s");
  const left = new Set([
    "config",
    "json",
    "status-socket",
    "live",
    "up-packet-interval",
    "down-packet-interval",
    "require-sched-fifo",
  ]);
  const intervals = ["--up-packet-interval", "1ms", "--down-packet-interval", "1ms", "--require-sched-fifo"];
  for (const command of ["client", "server"] as const) {
    const flags = flagsOf(command).filter(({ name }) => !left.has(name) && !/key|password-file/.test(name));
    const parameters = flags.flatMap(({ name, kind }) => {
      if (kind === "switch") return [`--${name}`];
      const value = /jitter$|delta$|interval$|queue$/.test(name) ? "1ms" : other(name);
      return [`--${name}`, values[name] ?? value];
    });
    const { options, asked: peer } = await asked([command, ...parameters]);
    parseTunnelOptions(options);
    if (command === "client") parseConnectOptions(peer);
    else parseListenOptions(peer);
    t.equal(Object.keys(options).length, 13, "all that is local");
  }
  const { options, asked: peer } = await asked([...CLIENT, ...intervals]);
  t.equal(parseTunnelOptions(options).schedFifo, "require");
  t.match(parseConnectOptions(peer), { up: { intervalNs: 1e6 }, down: { intervalNs: 1e6 } });
});

t.test("outgoing and incoming stand for up and down", async (t) => {
  const { asked: connect } = await asked([...CLIENT, "--outgoing-speed", "1MB/s", "--incoming-packet-interval", "2ms"]);
  t.match(connect, { up: { rate: "1MB/s" }, down: { interval: "2ms" } });
});

t.test("other devices", async (t) => {
  t.same((await asked(CLIENT)).options.device, { tun: {} });
  t.same((await asked([...CLIENT, "--device", "fd:3"])).options.device, { fd: 3 });
  const weak = ["--no-strong-host", "--tun-name", "tun-x"];
  t.same((await asked([...CLIENT, ...weak])).options.device, { tun: { name: "tun-x", strongHost: false } });
  t.match(
    await refusal([...CLIENT, "--device", "tap"]),
    /^2 i405 client: --device: got "tap", expected tun, packets or fd:N/,
  );
});

t.test("a default route gets a mark, unless one is given", async (t) => {
  t.equal((await asked([...CLIENT, "--tun-ipv4", "10.0.0.2/24", "--route", "default"])).options.fwmark, 5125);
  t.equal(
    (await asked([...CLIENT, "--tun-ipv4", "10.0.0.2/24", "--route", "0.0.0.0/0", "--fwmark", "7"])).options.fwmark,
    7,
  );
  t.equal((await asked([...CLIENT, "--route", "10.0.0.0/8"])).options.fwmark, undefined);
});

t.test("what is routed into the tunnel is expected out of it, unless a list is given", async (t) => {
  const inside = [...CLIENT, "--tun-ipv4", "10.140.5.2/24", "--route", "10.0.0.0/8"];
  t.same((await asked(inside)).asked!.allowedIps, ["10.140.5.2/24", "10.0.0.0/8"]);
  t.equal((await asked([...inside, "--allowed-ips", "any"])).asked!.allowedIps?.toString(), "any");
  t.equal((await asked([...CLIENT, "--tun-ipv4", "10.140.5.2/24"])).asked!.allowedIps, undefined, "the library knows");
  t.equal((await asked([...CLIENT, "--route", "10.0.0.0/8"])).asked!.allowedIps, undefined);
});

t.test("contradictions are named", async (t) => {
  const cases: [string[], RegExp][] = [
    [["--up-speed", "1MB/s", "--up-packet-interval", "1ms"], /--up-packet-interval contradicts --up-speed/],
    [["--down-speed", "1MB/s", "--incoming-packet-interval", "1ms"], /--down-packet-interval contradicts --down-speed/],
    [["--up-speed", "1MB/s", "--outgoing-speed", "2MB/s"], /--up-speed and --outgoing-speed are the same/],
    [["--cpu", "0", "--cpu", "1"], /--cpu is given twice/],
    [["--no-sched-fifo", "--require-sched-fifo"], /--require-sched-fifo contradicts --no-sched-fifo/],
    [["--private-key-file", "x"], /--private-key-file contradicts --password\b/],
    [["--peer-public-key", "x"], /--peer-public-key contradicts --password\b/],
    [["--device", "packets", "--tun-ipv4", "10.0.0.1/24"], /--tun-ipv4 contradicts --device packets/],
    [["--device", "packets", "--route", "default"], /--route contradicts --device packets/],
  ];
  for (const [flags, message] of cases) {
    const said = await refusal([...CLIENT, ...flags]);
    t.match(said, message);
    t.match(said, /^2 i405.*\(ERR_I405_USAGE\)$/);
  }
});

t.test("what is missing or unknown is named", async (t) => {
  const cases: [string[], RegExp][] = [
    [["client", ...PASSWORD], /--peer is missing. For example: --peer 203/],
    [["server", ...PASSWORD], /--listen-addr is missing/],
    [["client", "--peer", "a:1"], /neither keys nor a password. Give --password-file/],
    [["client", "--peer", "a:1", "--peer-public-key", "x"], /--private-key-file is missing/],
    [[...CLIENT, "--pear", "x"], /unknown option '--pear'. Did you mean --peer\?/],
    [[...CLIENT, "--peer"], /option '--peer <host:port>' argument missing/],
    [[...CLIENT, "more"], /too many arguments/],
    [["clint"], /unknown command 'clint'. Did you mean client\?/],
    [[...SERVER, "--up-speed", "1MB/s"], /unknown option '--up-speed'/],
  ];
  for (const [flags, message] of cases) {
    const said = await refusal(flags);
    t.match(said, message);
    t.match(said, /^2 i405.*\(ERR_I405_USAGE\)$/);
  }
});

t.test("a config file has the flags' names; flags go before it", async (t) => {
  const file = temporaryFile(
    t,
    "client.toml",
    [
      'peer = "203.0.113.7:1405"',
      'password = "from-the-file"',
      'tun-ipv4 = "10.0.0.2/24"',
      'outgoing-packet-interval = "8.5ms"',
      "up-packet-jitter = 0",
      'down-speed = "1MB/s"',
      "no-sched-fifo = false",
      "cpu = 1",
    ].join("\n"),
  );
  const { options, asked: connect } = await asked([
    "client",
    "--config",
    file,
    "--down-packet-interval",
    "1ms",
    "--cpu",
    "0",
  ]);
  t.same(options, { cpu: 0, device: { tun: { ipv4: ["10.0.0.2/24"] } } });
  t.same(connect, {
    peer: "203.0.113.7:1405",
    password: "from-the-file",
    up: { interval: "8.5ms", jitter: "0" },
    down: { interval: "1ms" },
  });
});

t.test("two dispatchers have two cores, as a list", async (t) => {
  const file = temporaryFile(t, "client.toml", ["dispatchers = 2", "cpu = [2, 3]"].join("\n"));
  const client = ["client", "--peer", "203.0.113.7:1405", "--password", "long enough", "--device", "packets"];
  const fromFile = await asked([...client, "--config", file]);
  t.match(fromFile.options, { dispatchers: 2, cpu: [2, 3] });
  const fromFlags = await asked([...client, "--dispatchers", "2", "--cpu", "0,1"]);
  t.match(fromFlags.options, { dispatchers: 2, cpu: [0, 1] });
  const wrong = await asked([...client, "--cpu", "0,one"]);
  t.equal(wrong.options.cpu, "0,one", "quoted by the option's own message");
});

t.test("a config file that is wrong is told where", async (t) => {
  const cases: [string, RegExp][] = [
    ["peeer = 1", /peeer: no such flag. Known here: peer, /],
    ['listen-addr = "x"', /listen-addr: belongs to the other command/],
    ["cpu = 'one'", /cpu: got "one", expected a whole number/],
    ["linger = 5", /linger: got 5, expected a string in quotes/],
    ["json = 1", /json: got 1, expected true or false/],
    ["tun-ipv4 = [1]", /tun-ipv4: got an array, expected a string or a list of strings/],
    ["peer = \n", /line 1, column 8: not TOML/],
    ['up-speed = "1MB/s"\noutgoing-speed = "1MB/s"', /outgoing-speed: the same as up-speed/],
    ['config = "x"', /config: no such flag|config: belongs/],
  ];
  for (const [contents, message] of cases) {
    const said = await refusal(["client", "--config", temporaryFile(t, "c.toml", contents)]);
    t.match(said, message);
    t.match(said, /^2 .*--config .*\(ERR_I405_CONFIG\)$/);
  }
  t.match(
    await refusal(["client", "--config", "/nowhere/c.toml"]),
    /--config \/nowhere\/c.toml: cannot be read: ENOENT/,
  );
});

t.test("contradictions inside a config file are found there too", async (t) => {
  const file = temporaryFile(t, "c.toml", 'up-speed = "1MB/s"\nup-packet-interval = "1ms"');
  t.match(await refusal(["client", "--config", file]), /--up-packet-interval contradicts --up-speed/);
});

t.test("a config file with a password may not be open to others", async (t) => {
  const file = temporaryFile(t, "c.toml", 'password = "0123456789"', 0o644);
  const said = await refusal(["client", "--peer", "a:1", "--config", file]);
  t.match(said, /^2 i405: --config: .* is open to every user .*mode 0644.*Run: chmod 600 .*\(ERR_I405_SECRET_FILE\)$/);
});

t.test("every flag that sets an option is found by that option", async (t) => {
  for (const { name, option, only } of FLAGS) {
    if (option === undefined) continue;
    const found = flagOfOption(option, only ?? "client", (flag) => flag.name === name);
    t.equal(found?.name, name);
  }
  t.equal(flagOfOption("down.jitterShape", "client")?.name, "jitter-shape");
  t.equal(flagOfOption("device.tun.ipv4[1]", "client")?.name, "tun-ipv4");
  t.equal(flagOfOption("nonsense", "client"), undefined);
});
