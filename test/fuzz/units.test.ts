/** Durations, rates, addresses and keys: whatever comes, it is read or refused by name; what is written reads back. */
import fc from "fast-check";
import t from "tap";
import { parseKey, publicKey } from "../../lib/handshake/keys.js";
import { readChoice, readHostPort, readInteger, readPrefixes } from "../../lib/common/option-readers.js";
import { formatAddress } from "../../lib/names/resolve.js";
import { durationNs, formatDuration, formatRate, parseDuration, parseRate, rateBytes } from "../../lib/common/units.js";
import { anything, holds, orRefusal } from "./properties.js";

const number = fc.oneof(fc.nat().map(String), fc.double({ noNaN: true }).map(String), fc.string());
const unit = fc.constantFrom("ns", "us", "µs", "ms", "s", "min", "h", "", "KiB/s", "Mbit/s", "B/s", "constructor");
const nearly = fc.tuple(number, fc.constantFrom("", " ", "\t"), unit).map((parts) => parts.join(""));
const value = fc.oneof(nearly, anything);

t.test("durations and rates", async (t) => {
  const range = { min: "10us", max: "1s", zero: true };
  await holds(t, "a duration is whole nanoseconds in its range, or refused", [value], (value) => {
    const ns = orRefusal(() => parseDuration("up.interval", value, range), "ERR_I405_OPTION");
    if (ns !== undefined && !(Number.isInteger(ns) && (ns === 0 || (ns >= 1e4 && ns <= 1e9)))) throw new Error(`${ns}`);
  });
  await holds(t, "a rate is in its range, or refused", [value], (value) => {
    const rate = orRefusal(() => parseRate("up.rate", value), "ERR_I405_OPTION");
    if (rate !== undefined && !(rate >= 100 && rate <= 1e12)) throw new Error(`${rate}`);
  });
  await holds(t, "a duration that is written reads back", [fc.integer({ min: 1, max: 3_600e9 })], (ns) => {
    const back = durationNs(formatDuration(ns)) ?? NaN;
    // Four digits behind the point of its unit.
    if (!(Math.abs(back - ns) <= Math.max(1, ns * 1e-4))) throw new Error(`${formatDuration(ns)} is ${back}`);
  });
  await holds(t, "a rate that is written reads back", [fc.integer({ min: 1, max: 1e12 })], (rate) => {
    const back = rateBytes(formatRate(rate)) ?? NaN;
    if (!(Math.abs(back - rate) <= rate * 0.01)) throw new Error(`${formatRate(rate)} is ${back}`);
  });
});

t.test("addresses", async (t) => {
  const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain());
  const port = fc.integer({ min: 1, max: 65535 });
  await holds(t, "an address that is written reads back", [host, port], (drawn, port) => {
    const host = /^fe[89ab]/i.test(drawn) && drawn.includes(":") ? `${drawn}%eth0` : drawn;
    const family = host.includes(":") ? 6 : 4;
    const read = readHostPort("peer", formatAddress({ address: host, family, port }), 1);
    if (read.host !== host || read.port !== port) throw new Error(`${read.host} ${read.port}`);
  });
  const nearly = fc.tuple(fc.constantFrom("", "["), host, fc.constantFrom("", "]"), fc.constantFrom(":", ""), number);
  const given = fc.oneof(
    nearly.map((parts) => parts.join("")),
    anything,
  );
  await holds(t, "an address is a host and a port, or refused", [given], (given) => {
    const read = orRefusal(() => readHostPort("peer", given, 1), "ERR_I405_OPTION");
    if (read !== undefined && (read.host === "" || !(read.port >= 1 && read.port <= 65535))) throw new Error("read");
  });
  const prefix = fc.oneof(
    fc.tuple(host, number).map(([host, length]) => `${host}/${length}`),
    anything,
  );
  const prefixes = fc.oneof(prefix, fc.array(prefix));
  await holds(t, "prefixes are of their family, or refused", [prefixes, fc.constantFrom(4, 6)], (value, family) => {
    const read = orRefusal(() => readPrefixes("device.tun.ipv4", value, family), "ERR_I405_OPTION") ?? [];
    for (const each of read) if (each.includes(":") !== (family === 6)) throw new Error(each);
  });
});

t.test("numbers and words", async (t) => {
  await holds(t, "a whole number is in its range, or refused", [anything], (value) => {
    const read = orRefusal(() => readInteger("fwmark", value, 1, 100), "ERR_I405_OPTION") ?? 1;
    if (!(Number.isInteger(read) && read >= 1 && read <= 100)) throw new Error(`${read}`);
  });
  await holds(t, "a word is one of the choices, or refused", [anything], (value) => {
    const read = orRefusal(() => readChoice("pollMode", value, ["sleepy", "dozy"], "sleepy"), "ERR_I405_OPTION");
    if (!["sleepy", "dozy", undefined].includes(read)) throw new Error(read);
  });
});

t.test("keys", async (t) => {
  const bytes = fc.uint8Array({ minLength: 32, maxLength: 32 }).filter((bytes) => bytes.some((byte) => byte !== 0));
  await holds(
    t,
    "32 bytes in base64 are a key",
    [bytes],
    (bytes) => {
      const text = Buffer.from(bytes).toString("base64");
      if (!Buffer.from(parseKey("privateKey", ` ${text}\n`)).equals(bytes)) throw new Error("other bytes");
      orRefusal(() => publicKey(text), "ERR_I405_KEY");
    },
    10,
  );
  const base64 = fc.oneof(fc.base64String({ minLength: 40, maxLength: 48 }), fc.string({ minLength: 20 }));
  await holds(t, "what is no key is refused and not quoted", [fc.oneof(base64, anything)], (value) => {
    let message = "";
    try {
      parseKey("privateKey", value);
    } catch (error) {
      orRefusal(() => {
        throw error;
      }, "ERR_I405_KEY");
      message = (error as Error).message;
    }
    const secret = typeof value === "string" ? value.trim() : "";
    if (secret.length >= 20 && message.includes(secret)) throw new Error("the message quotes it");
  });
});
