/** Options: what they become, and what is said about bad ones. */
import t from "tap";
import { expectedSources } from "../../lib/common/expected-sources.js";
import { resolveAllowedIps } from "../../lib/options/allowed-ips.js";
import type { I405Error } from "../../lib/common/errors.js";
import { generatePrivateKey, publicKey } from "../../lib/handshake/keys.js";
import { parseConnectOptions, parseListenOptions } from "../../lib/options/connection-options.js";
import { parseTunnelOptions } from "../../lib/options/tunnel-options.js";
import { formatDuration, formatRate, durationNs, rateBytes } from "../../lib/common/units.js";
import {
  headerOverhead,
  judgeWire,
  resolveDirection,
  resolveTimeoutMs,
  timingOf,
} from "../../lib/session/wire-settings.js";

const key = { privateKey: generatePrivateKey(), peerPublicKey: publicKey(generatePrivateKey()) };
const peer = "203.0.113.7:1405";

t.test("durations", async (t) => {
  const cases: [string, number | null][] = [
    ["8.5ms", 8_500_000],
    ["250us", 250_000],
    ["250\u00b5s", 250_000],
    ["250\u03bcs", 250_000],
    ["100000ns", 100_000],
    ["1s", 1e9],
    ["2min", 120e9],
    ["1.5 h", 5400e9],
    [" 10 ms ", 10e6],
    ["0", 0],
    ["0s", 0],
    ["5", null],
    ["ms", null],
    ["-1ms", null],
    ["1e3ms", null],
    ["1.ms", null],
    ["1 fortnight", null],
    ["1toString", null],
    ["", null],
  ];
  for (const [text, ns] of cases) t.equal(durationNs(text), ns, JSON.stringify(text));
  t.same([1, 250e3, 8.5e6, 1e9, 90e9].map(formatDuration), ["1ns", "250us", "8.5ms", "1s", "90s"]);
});

t.test("rates", async (t) => {
  const cases: [string, number | null][] = [
    ["100KiB/s", 102_400],
    ["1MB/s", 1e6],
    ["1 MiB/s", 2 ** 20],
    ["2GiB/s", 2 ** 31],
    ["500B/s", 500],
    ["8Mbit/s", 1e6],
    ["8kbit/s", 1000],
    ["100KB/s", 100_000],
    ["100KiB", null],
    ["100", null],
    ["fast", null],
    ["1TB/s", null],
  ];
  for (const [text, bytes] of cases) t.equal(rateBytes(text), bytes, JSON.stringify(text));
  t.same([100, 102_400, 2 ** 20, 3 * 2 ** 30].map(formatRate), ["100B/s", "100KiB/s", "1MiB/s", "3GiB/s"]);
});

t.test("defaults", async (t) => {
  const local = {
    pollMode: "sleepy",
    schedFifo: "on",
    cpus: [],
    dispatchers: 1,
    burner: "off",
    device: { kind: "packets" },
    queueNs: 50e6,
    readerQueueMs: 50,
    finalizeNs: null,
    reorderWindow: 3,
    fwmark: null,
    deviationIntervalMs: 10_000,
    deviationSource: "call",
    sendBy: "call",
    record: false,
  };
  t.same(parseTunnelOptions(undefined), local);
  t.match(parseTunnelOptions({ sendBy: "txtime" }), { sendBy: "txtime", deviationSource: "software" });
  t.match(parseTunnelOptions({ sendBy: "txtime", deviationSource: "call" }), { deviationSource: "call" });
  t.match(parseTunnelOptions({ sendBy: "kernel" }), { sendBy: "kernel", deviationSource: "call" });
  t.same(parseTunnelOptions({ pollMode: undefined }), local, "undefined is the same as left out");
  const direction = { length: null, rate: 102_400, intervalNs: null, jitterNs: null, shape: "cos4" };
  t.same(parseConnectOptions({ peer, key }), {
    peers: [{ host: "203.0.113.7", port: 1405, option: "peer" }],
    persistent: false,
    localAddress: null,
    credentials: { kind: "keys", keys: { ...key, presharedKey: undefined } },
    up: { option: "up", ...direction },
    down: { option: "down", ...direction },
    clientTimeoutNs: null,
    serverTimeoutNs: null,
    linger: { leastNs: 0, mostNs: 0 },
    allowedIps: "default",
    connectTimeoutNs: null,
    rekeyIntervalNs: null,
    stateFile: null,
    signal: null,
  });
  const rate = 128 * 2 ** 20;
  t.same(parseListenOptions({ address: "[::]:1405", password: "correct horse" }), {
    address: { host: "::", port: 1405, option: "address" },
    credentials: { kind: "password", password: "correct horse" },
    limits: {
      maxRateUp: rate,
      maxRateDown: rate,
      minIntervalNs: 10_000,
      maxLength: 1500,
      maxServerTimeoutMs: 300_000,
    },
    linger: { leastNs: 0, mostNs: 0 },
    allowedIps: "default",
    maxStampAgeMs: null,
    stateFile: null,
    client: null,
    signal: null,
  });
});

t.test("what is given is taken", async (t) => {
  t.match(
    parseTunnelOptions({
      schedFifo: "require",
      cpu: 0,
      queue: "1ms",
      readerQueue: "10s",
      reorderWindow: 0,
      fwmark: 0xffffffff,
    }),
    {
      schedFifo: "require",
      cpus: [0],
      queueNs: 1e6,
      readerQueueMs: 10_000,
      reorderWindow: 0,
      fwmark: 0xffffffff,
    },
  );
  t.equal(parseTunnelOptions({ pollMode: "spinny" }).burner, "cpu", "its pauses are filled");
  t.equal(parseTunnelOptions({ pollMode: "spinny", burner: "off" }).burner, "off");
  t.equal(parseTunnelOptions({ pollMode: "dozy", burner: "all" }).burner, "all");
  t.equal(parseTunnelOptions({ schedFifo: false }).schedFifo, "off");
  t.equal(parseTunnelOptions({ record: true }).record, true);
  t.same(parseTunnelOptions({ device: { fd: 7 } }).device, { kind: "fd", fd: 7 });
  t.same(parseTunnelOptions({ device: { tun: {} } }).device, {
    kind: "tun",
    name: null,
    ipv4: [],
    ipv6: [],
    mtu: 1420,
    strongHost: true,
  });
  const tun = { name: "tun-i405", ipv4: "10.140.5.2/24", ipv6: ["fd00::1/64", "fd01::1/128"], mtu: 9000 };
  t.same(parseTunnelOptions({ device: { tun } }).device, {
    kind: "tun",
    ...tun,
    ipv4: ["10.140.5.2/24"],
    strongHost: true,
  });
  t.match(parseTunnelOptions({ device: { tun: { strongHost: false } } }).device, { strongHost: false });
  const up = { interval: "8.5ms", length: 1200, jitter: 0, jitterShape: "uniform" };
  t.same(parseConnectOptions({ peer: "[2001:db8::7]:1405", key, up, linger: 0 }).up, {
    option: "up",
    length: 1200,
    rate: null,
    intervalNs: 8.5e6,
    jitterNs: 0,
    shape: "uniform",
  });
  t.same(parseConnectOptions({ peer: "host.example:1405", key }).peers, [
    { host: "host.example", port: 1405, option: "peer" },
  ]);
  t.same(
    parseConnectOptions({ peer: ["192.0.2.1:1", "[2001:db8::7]:2"], key, persistent: true }).peers.map(
      ({ port }) => port,
    ),
    [1, 2],
  );
  t.equal(parseListenOptions({ address: "0.0.0.0:0", key, maxStampAge: "90s" }).maxStampAgeMs, 90_000);
  const limits = { maxServerTimeout: "2min" };
  t.equal(parseListenOptions({ address: "0.0.0.0:0", key, limits }).limits.maxServerTimeoutMs, 120_000);
});

t.test("bad options: the path, what came, what was expected", async (t) => {
  const connect = (more: object) => () => parseConnectOptions({ peer, key, ...more });
  const listen = (more: object) => () => parseListenOptions({ address: peer, key, ...more });
  const tunnel = (more: unknown) => () => parseTunnelOptions(more);
  const device = (value: unknown) => tunnel({ device: value });
  const cases: [() => unknown, string, RegExp][] = [
    [tunnel(null), "options", /got null, expected an object/],
    [tunnel("fast"), "options", /got a string of 4 characters/],
    [tunnel({ pollmode: "dozy" }), "pollmode", /does not exist.*pollMode/],
    [tunnel({ pollMode: "lazy" }), "pollMode", /got "lazy", expected "sleepy", "dozy" or "spinny"/],
    [tunnel({ schedFifo: "yes" }), "schedFifo", /true, false or "require"/],
    [tunnel({ cpu: -1 }), "cpu", /got -1/],
    [tunnel({ burner: "on" }), "burner", /got "on", expected "off", "cpu" or "all"/],
    [tunnel({ burner: true }), "burner", /got true/],
    [tunnel({ cpu: 1.5 }), "cpu", /whole number/],
    [tunnel({ cpu: [0, 1] }), "cpu", /expected one core/],
    [tunnel({ dispatchers: 2, cpu: 1 }), "cpu", /two different cores/],
    [tunnel({ dispatchers: 2, cpu: [1, 1] }), "cpu", /got \[1,1\]/],
    [tunnel({ dispatchers: 3 }), "dispatchers", /1 or 2/],
    [tunnel({ queue: "50" }), "queue", /got "50".*Write a number and its unit/],
    [tunnel({ queue: "20s" }), "queue", /"1ms" to "10s"/],
    [tunnel({ queue: 50 }), "queue", /got 50/],
    [tunnel({ readerQueue: "11s" }), "readerQueue", /"1ms" to "10s"/],
    [tunnel({ reorderWindow: 65 }), "reorderWindow", /0 to 64/],
    [tunnel({ fwmark: 0 }), "fwmark", /1 to 4294967295/],
    [tunnel({ deviationSource: "kernel" }), "deviationSource", /"software"/],
    [tunnel({ sendBy: "txtime", dispatchers: 2, cpu: [0, 1] }), "sendBy", /dispatchers/],
    [tunnel({ sendBy: "kernel", dispatchers: 2, cpu: [0, 1] }), "sendBy", /"kernel" beside dispatchers/],
    [tunnel({ sendBy: true }), "sendBy", /"txtime"/],
    [tunnel({ record: "all" }), "record", /got "all", expected true or false/],
    [tunnel({ deviationInterval: "50ms" }), "deviationInterval", /"100ms"/],
    [device("tun"), "device", /got "tun"/],
    [device({}), "device", /neither tun nor fd/],
    [device({ tun: {}, fd: 3 }), "device", /both tun and fd/],
    [device({ fd: -1 }), "device.fd", /whole number/],
    [device({ tun: null }), "device.tun", /got null/],
    [device({ tun: { name: "a-name-that-is-too-long" } }), "device.tun.name", /1 to 15 bytes/],
    [device({ tun: { name: "tun 0" } }), "device.tun.name", /white space/],
    [device({ tun: { name: "" } }), "device.tun.name", /got ""/],
    [device({ tun: { ipv4: "10.0.0.1" } }), "device.tun.ipv4", /prefix length, such as "10.140.5.2\/24"/],
    [device({ tun: { ipv4: "10.0.0.1/33" } }), "device.tun.ipv4", /10\.0\.0\.1\/33/],
    [device({ tun: { ipv6: ["fd00::1/64", "10.0.0.1/8"] } }), "device.tun.ipv6", /10\.0\.0\.1\/8/],
    [device({ tun: { mtu: 500 } }), "device.tun.mtu", /576 to 65535/],
    [device({ tun: { mtu: 1000, ipv6: "fd00::1/64" } }), "device.tun.mtu", /1280 to 65535/],
    [connect({ peer: undefined }), "peer", /got undefined/],
    [connect({ peer: "203.0.113.7" }), "peer", /Write "203\.0\.113\.7:1405"/],
    [connect({ peer: "203.0.113.7:0" }), "peer", /1 to 65535/],
    [connect({ peer: "203.0.113.7:70000" }), "peer", /70000/],
    [connect({ peer: "203.0.113.300:1405" }), "peer", /300/],
    [connect({ peer: "2001:db8::7:1405" }), "peer", /\[2001:db8::7\]:1405/],
    [connect({ peer: "[nonsense]:1405" }), "peer", /nonsense/],
    [connect({ localAddress: "eth0" }), "localAddress", /got "eth0"/],
    [connect({ up: { rate: "1MB/s", interval: "1ms" } }), "up.interval", /either rate or interval/],
    [connect({ up: { interval: "5us" } }), "up.interval", /got "5us", expected "10us" to "1s"/],
    [connect({ down: { interval: "2s" } }), "down.interval", /"10us" to "1s"/],
    [connect({ down: { rate: "100" } }), "down.rate", /Write a number and its unit/],
    [connect({ down: { rate: "1B/s" } }), "down.rate", /"100B\/s"/],
    [connect({ up: { length: 99 } }), "up.length", /100 to 65535/],
    [connect({ up: { jitter: 5 } }), "up.jitter", /0 or "1ns" to "1s"/],
    [connect({ up: { jitterShape: "round" } }), "up.jitterShape", /"cos4" or "uniform"/],
    [connect({ up: { speed: 1 } }), "up.speed", /does not exist/],
    [connect({ up: [] }), "up", /an array/],
    [connect({ linger: "-1s" }), "linger", /got "-1s"/],
    [connect({ linger: "5min..1min" }), "linger", /the shorter one first/],
    [connect({ linger: "1s.." }), "linger", /got ""/],
    [connect({ linger: "1s..2s..3s" }), "linger", /got "1s\.\.2s\.\.3s"/],
    [connect({ rekeyInterval: "900ms" }), "rekeyInterval", /"1s" to "24h"/],
    [connect({ stateFile: "" }), "stateFile", /the path of a file/],
    [connect({ connectTimeout: 0 }), "connectTimeout", /got 0/],
    [connect({ clientTimeout: "25h" }), "clientTimeout", /"24h"/],
    [connect({ signal: {} }), "signal", /an AbortSignal/],
    [connect({ key: undefined }), "key", /neither key nor password/],
    [connect({ password: "long enough" }), "key", /both key and password/],
    [connect({ key: { ...key, publicKey: "" } }), "key.publicKey", /does not exist/],
    [listen({ address: "1405" }), "address", /got "1405"/],
    [listen({ limits: { maxLength: 50 } }), "limits.maxLength", /100 to 65535/],
    [listen({ limits: { minInterval: "1us" } }), "limits.minInterval", /"10us"/],
    [listen({ limits: { maxRateUp: 5 } }), "limits.maxRateUp", /got 5/],
    [listen({ limits: { maxServerTimeout: "25h" } }), "limits.maxServerTimeout", /"1ms" to "24h"/],
    [listen({ limits: { maxServerTimeout: 0 } }), "limits.maxServerTimeout", /got 0/],
    [listen({ limits: { max: 5 } }), "limits.max", /maxRateUp/],
    [listen({ maxStampAge: "10ms" }), "maxStampAge", /"1s"/],
    [listen({ peer }), "peer", /does not exist/],
  ];
  for (const [parse, option, message] of cases) {
    t.throws(parse, { code: "ERR_I405_OPTION", option, message }, option);
    try {
      parse();
    } catch (error) {
      t.ok((error as I405Error).message.length < 300, "one or two lines");
    }
  }
});

t.test("allowed addresses of inner packets", async (t) => {
  const of = (allowedIps: unknown) => parseListenOptions({ address: peer, key, allowedIps }).allowedIps;
  t.same(of("10.140.5.2/32"), ["10.140.5.2/32"]);
  t.same(of(["10.140.5.2", "fd00:405::/64, ::1"]), ["10.140.5.2/32", "fd00:405::/64", "::1/128"]);
  t.same(of("0.0.0.0/0,::/0"), ["0.0.0.0/0", "::/0"]);
  t.equal(of("any"), "any");
  t.equal(of(["any"]), "any");
  t.equal(of(undefined), "default");
  t.same(parseConnectOptions({ peer, key, allowedIps: "10.0.0.0/8" }).allowedIps, ["10.0.0.0/8"]);
  const wrong = [
    "",
    "10.0.0.0/33",
    "fd00::/129",
    "10.0.0/8",
    "fe80::1%eth0/64",
    "10.0.0.0/8/8",
    "10.0.0.0/",
    7,
    [null],
    "any,10.0.0.0/8",
  ];
  for (const each of [...wrong, [], Array.from({ length: 1025 }, () => "10.0.0.1")]) {
    t.throws(() => of(each), { code: "ERR_I405_OPTION", option: "allowedIps" }, JSON.stringify(each).slice(0, 40));
  }
});

t.test("promise: allowed-ips: whom the inside is expected to be, if nobody says", async (t) => {
  const tun = (ipv4: string[], ipv6: string[] = []) => {
    return { kind: "tun" as const, name: null, ipv4, ipv6, mtu: 1420, strongHost: true };
  };
  const cases: [ReturnType<typeof tun>, string[], string[] | null][] = [
    [tun(["10.140.5.2/24"]), [], ["10.140.5.2/24"]],
    [tun(["10.140.5.2/24"], ["fd00::2/64"]), [], ["10.140.5.2/24", "fd00::2/64", "fe80::/10"]],
    [tun(["10.140.5.2/24"]), ["10.0.0.0/8", "2001:db8::/32"], ["10.140.5.2/24", "10.0.0.0/8", "2001:db8::/32"]],
    [tun(["10.140.5.2/24"]), ["default"], ["10.140.5.2/24", "0.0.0.0/0"]],
    [tun([], ["fd00::2/64"]), ["default"], ["fd00::2/64", "::/0", "fe80::/10"]],
    // An address without a network says nothing about the other end.
    [tun(["10.140.5.2/32"]), [], ["0.0.0.0/0"]],
    [tun(["10.140.5.2/32"], ["fd00::2/128"]), [], ["0.0.0.0/0", "::/0"]],
    [tun(["10.140.5.2/24"], ["fd00::2/128"]), [], ["10.140.5.2/24", "::/0"]],
    [tun(["10.140.5.2/32"]), ["10.140.5.1/32"], ["10.140.5.1/32"]],
    [tun([], ["2001::/32"]), [], ["2001::/32", "fe80::/10"]],
    [tun([]), [], null],
    [tun([]), ["10.0.0.0/8"], null],
  ];
  for (const [device, routes, expected] of cases) {
    t.same(expectedSources(device, routes), expected, JSON.stringify([device, routes]));
  }
  const device = tun(["10.140.5.2/24"]);
  t.same(resolveAllowedIps("default", device), ["10.140.5.2/24"]);
  t.equal(resolveAllowedIps("any", device), null);
  t.equal(resolveAllowedIps("default", { kind: "packets" }), null);
  t.equal(resolveAllowedIps("default", { kind: "fd", fd: 3 }), null);
  t.same(resolveAllowedIps(["192.0.2.1/32"], device), ["192.0.2.1/32"]);
});

t.test("promise: secrets-not-quoted: a password is not quoted", async (t) => {
  try {
    parseConnectOptions({ peer, password: "s3cret" });
    t.fail("too short a password was taken");
  } catch (error) {
    t.match(error, { code: "ERR_I405_KEY", option: "password", message: /6 characters/ });
    t.notMatch((error as I405Error).message, /s3cret/);
  }
});

t.test("a direction where the route is known", async (t) => {
  const ask = (more: object) => parseConnectOptions({ peer, key, up: more }).up;
  const usual = resolveDirection(ask({}), 65_536);
  t.same(usual, { length: 1500, intervalNs: 14_648_438, jitterNs: 7_324_219, jitterShape: "cos4" });
  t.equal(resolveDirection(ask({}), 1400).length, 1400);
  t.match(resolveDirection(ask({ length: 1200, rate: "1MB/s" }), 1500), { length: 1200, intervalNs: 1_200_000 });
  t.match(resolveDirection(ask({ interval: "1ms", jitter: "1ms" }), 1500), { intervalNs: 1e6, jitterNs: 1e6 });
  const cases: [object, string, RegExp][] = [
    [{ length: 1500 }, "up.length", /got 1500, expected 100 to 1400, the MTU of the route/],
    [{ rate: "1GB/s" }, "up.rate", /an interval of 1\.4us at 1400 bytes/],
    [{ rate: "200B/s" }, "up.rate", /an interval of 7s/],
    [{ interval: "1ms", jitter: "1.1ms" }, "up.jitter", /at most the mean interval, "1ms"/],
  ];
  for (const [more, option, message] of cases) {
    t.throws(() => resolveDirection(ask(more), 1400), { code: "ERR_I405_OPTION", option, message });
  }
});

t.test("headers and timeouts", async (t) => {
  t.equal(headerOverhead("192.0.2.1"), 28);
  t.equal(headerOverhead("2001:db8::1"), 48);
  t.equal(headerOverhead("::ffff:192.0.2.1"), 28, "which goes over IPv4");
  const direction = { length: 1500, intervalNs: 1e6, jitterNs: 0, jitterShape: "cos4" as const };
  t.same(timingOf(direction, "2001:db8::1"), { datagramLength: 1452, intervalNs: 1e6, jitterNs: 0, shape: "cos4" });
  t.equal(resolveTimeoutMs("clientTimeout", null, direction), 10_000);
  t.equal(resolveTimeoutMs("clientTimeout", null, { ...direction, intervalNs: 0.5e9 }), 50_000);
  t.equal(resolveTimeoutMs("clientTimeout", 100e6, direction), 100);
  t.throws(() => resolveTimeoutMs("clientTimeout", 99e6, direction), {
    code: "ERR_I405_OPTION",
    option: "clientTimeout",
    message: /at least 100 intervals, "100ms"/,
  });
});

t.test("a rate asked for at the limit is not refused for rounding", async (t) => {
  const asked = resolveDirection(parseConnectOptions({ peer, key, up: { rate: "77777B/s" } }).up, 1500);
  const { limits } = parseListenOptions({
    address: peer,
    key,
    limits: { maxRateUp: "77777B/s", maxRateDown: "77777B/s" },
  });
  t.equal(judgeWire({ up: asked, down: asked }, limits, 1500).refusal, null);
  const faster = { ...asked, intervalNs: asked.intervalNs - 100 };
  const judged = judgeWire({ up: asked, down: faster }, limits, 1500);
  t.same(judged.refusal, { verdict: "bandwidth", direction: "down", asked: 77_778, limit: 77_777 });
  t.equal(judged.wire.down.intervalNs, Math.ceil((1500 / 77_777) * 1e9));
});
