/** The three option objects, with every field there is and any value in it: read, or refused by name. */
import fc from "fast-check";
import t from "tap";
import { describe, describeSecret } from "../../lib/common/errors.js";
import { generatePrivateKey, publicKey } from "../../lib/handshake/keys.js";
import { parseConnectOptions, parseListenOptions } from "../../lib/options/connection-options.js";
import { parseTunnelOptions } from "../../lib/options/tunnel-options.js";
import { anything, holds, orRefusal } from "./properties.js";

const key = { privateKey: generatePrivateKey(), peerPublicKey: publicKey(generatePrivateKey()) };

/** Plausible values, so that more than the first field is read. */
const plausible = fc.constantFrom<unknown>(
  ...["8.5ms", "10us", "1s", "0", 0, 1, 1500, 100, 65_535, "100KiB/s", "1MiB/s", "cos4", "uniform", true, false],
  ...["203.0.113.7:1405", "[::]:1405", "0.0.0.0:0", "10.0.0.2/24", "fd00::2/64", "sleepy", "dozy", "spinny"],
  ...[
    "packets",
    "require",
    "off",
    "cpu",
    "all",
    "call",
    "txtime",
    "kernel",
    [0, 1],
    [1],
    key,
    "a-long-password",
    undefined,
  ],
);
const value = fc.oneof({ arbitrary: plausible, weight: 4 }, { arbitrary: anything, weight: 1 });

const record = (fields: readonly string[], inner = value) =>
  fc.record(Object.fromEntries(fields.map((field) => [field, inner])), { requiredKeys: [] });

const direction = record(["rate", "interval", "length", "jitter", "jitterShape"]);
const limits = record(["maxRateUp", "maxRateDown", "minInterval", "maxLength", "maxServerTimeout"]);
const tun = record(["name", "ipv4", "ipv6", "mtu", "fd"]).map((tun) => ({ tun }));
const nested = fc.oneof(value, direction, limits, tun);

const TUNNEL = [
  "pollMode",
  "schedFifo",
  "cpu",
  "device",
  "queue",
  "readerQueue",
  "fwmark",
  "deviationInterval",
  "deviationSource",
];
const MORE = [
  "sendBy",
  "burner",
  "dispatchers",
  "finalizeDelta",
  "liftRtThrottle",
  "reorderWindow",
  "record",
  "maxStampAge",
];
const PEER = ["peer", "address", "localAddress", "key", "password", "up", "down", "limits", "signal", "linger"];
const TIMES = ["clientTimeout", "serverTimeout", "timeout", "connectTimeout", "maxStampAge", "jitterShape"];

t.test("options", async (t) => {
  const parsers = [
    { name: "TunnelOptions", parse: parseTunnelOptions, fields: [...TUNNEL, ...MORE] },
    { name: "ConnectOptions", parse: parseConnectOptions, fields: [...PEER, ...TIMES] },
    { name: "ListenOptions", parse: parseListenOptions, fields: [...PEER, ...TIMES] },
  ];
  for (const { name, parse, fields } of parsers) {
    const options = fc.oneof({ arbitrary: record(fields, nested), weight: 9 }, { arbitrary: anything, weight: 1 });
    await holds(t, `${name} are read or refused`, [options], (options) => {
      orRefusal<unknown>(() => parse(options), "ERR_I405_OPTION", "ERR_I405_KEY");
    });
  }
  const full = fc.record({ up: direction, down: direction, linger: value, serverTimeout: value }, { requiredKeys: [] });
  await holds(t, "ConnectOptions with peer and key are read or refused", [full], (options) => {
    orRefusal(() => parseConnectOptions({ peer: "203.0.113.7:1405", key, ...options }), "ERR_I405_OPTION");
  });
});

t.test("values in messages", async (t) => {
  await holds(t, "any value can be described on one short line", [anything], (value) => {
    for (const text of [describe(value), describeSecret(value)]) {
      if (text.includes("\n") || text.length > 400) throw new Error(text);
    }
    if (typeof value === "string" && value.length > 30 && describeSecret(value).includes(value))
      throw new Error("told");
  });
});
