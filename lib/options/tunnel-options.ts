/** The options of `new I405Tunnel`: what is local to an end. They are parsed once, at the edge, and not checked again. */
import { describe, optionError } from "../common/errors.js";
import { readChoice, readInteger, readObject, readPrefixes, readSwitch } from "../common/option-readers.js";
import { TUNNEL_FIELDS } from "../common/tunnel-fields.js";
import { parseDuration } from "../common/units.js";
import type { NativeDevice, SendByName } from "../native/options.js";
import type { LocalSettings } from "./settings.js";

/** An IPv6 link carries at least 1280 bytes (RFC 8200 section 5), an IPv4 host at least 576 (RFC 1122). */
const LEAST_MTU_IPV6 = 1280;
const LEAST_MTU = 576;
/** Leaves room for an outer header in 1500, and is what WireGuard's users know. */
const DEFAULT_MTU = 1420;

/** @throws {I405Error} `ERR_I405_OPTION` */
export function parseTunnelOptions(options: unknown): LocalSettings {
  const raw = readObject("options", options, TUNNEL_FIELDS);
  const dispatchers = readDispatchers(raw.dispatchers);
  const pollMode = readChoice("pollMode", raw.pollMode, ["sleepy", "dozy", "spinny"], "sleepy");
  const sendBy = readSendBy(raw.sendBy, dispatchers);
  // With launch times the call is long before the slot leaves, and its lateness says little.
  const source = sendBy === "txtime" ? "software" : "call";
  return {
    pollMode,
    schedFifo: readSchedFifo(raw.schedFifo),
    cpus: readCpus(raw.cpu, dispatchers),
    dispatchers,
    // A spinning thread costs its core's power in any case, and only its own pauses leave the core idle.
    burner: readChoice("burner", raw.burner, ["off", "cpu", "all"], pollMode === "spinny" ? "cpu" : "off"),
    device: readDevice(raw.device),
    queueNs: parseDuration("queue", raw.queue ?? "50ms", { min: "1ms", max: "10s" }),
    readerQueueMs: parseDuration("readerQueue", raw.readerQueue ?? "50ms", { min: "1ms", max: "10s" }) / 1e6,
    finalizeNs:
      raw.finalizeDelta === undefined
        ? null
        : parseDuration("finalizeDelta", raw.finalizeDelta, { min: "10us", max: "1s" }),
    reorderWindow: readInteger("reorderWindow", raw.reorderWindow, 0, 64) ?? 3,
    fwmark: readInteger("fwmark", raw.fwmark, 1, 0xffffffff) ?? null,
    deviationIntervalMs:
      parseDuration("deviationInterval", raw.deviationInterval ?? "10s", { min: "100ms", max: "24h" }) / 1e6,
    deviationSource: readChoice("deviationSource", raw.deviationSource, ["call", "software", "hardware"], source),
    sendBy,
    record: readSwitch("record", raw.record),
  };
}

function readDispatchers(value: unknown): 1 | 2 {
  if (value === undefined || value === 1 || value === 2) return value ?? 1;
  throw optionError({ option: "dispatchers", came: describe(value), expected: "1 or 2" });
}

function readSendBy(value: unknown, dispatchers: 1 | 2): SendByName {
  const sendBy = readChoice("sendBy", value, ["call", "txtime", "kernel"], "call");
  if (sendBy !== "call" && dispatchers === 2) {
    throw optionError({
      option: "sendBy",
      came: `"${sendBy}" beside dispatchers: 2`,
      expected: "one of the two, because whoever holds datagrams until their time needs no second dispatcher",
    });
  }
  return sendBy;
}

function readCpus(value: unknown, dispatchers: 1 | 2): number[] {
  if (value === undefined) return [];
  // Linux numbers at most 8,192 cores.
  const cpus = (Array.isArray(value) ? value : [value]).map((cpu) => readInteger("cpu", cpu, 0, 8191) ?? 0);
  if (cpus.length !== dispatchers || new Set(cpus).size !== cpus.length) {
    const expected =
      dispatchers === 1 ? "one core (or dispatchers: 2)" : "two different cores, one for each dispatcher";
    throw optionError({ option: "cpu", came: JSON.stringify(value), expected });
  }
  return cpus;
}

function readSchedFifo(value: unknown): LocalSettings["schedFifo"] {
  if (value === undefined || value === true) return "on";
  if (value === false) return "off";
  if (value === "require") return "require";
  throw optionError({ option: "schedFifo", came: describe(value), expected: `true, false or "require"` });
}

function readDevice(value: unknown): NativeDevice {
  if (value === undefined || value === "packets") return { kind: "packets" };
  if (typeof value !== "object" || value === null) {
    throw optionError({
      option: "device",
      came: describe(value),
      expected: `"packets", { tun: { ... } } or { fd: 3 }`,
    });
  }
  const raw = readObject("device", value, ["tun", "fd"]);
  if ((raw.tun === undefined) === (raw.fd === undefined)) {
    throw optionError({
      option: "device",
      came: raw.tun === undefined ? "neither tun nor fd" : "both tun and fd",
      expected: "one of the two",
    });
  }
  if (raw.tun === undefined) return { kind: "fd", fd: readInteger("device.fd", raw.fd, 0, 0x7fffffff)! };
  return readTun(raw.tun);
}

function readTun(value: unknown): NativeDevice {
  const raw = readObject("device.tun", value, ["name", "ipv4", "ipv6", "mtu", "strongHost"]);
  const ipv6 = readPrefixes("device.tun.ipv6", raw.ipv6, 6);
  const leastMtu = ipv6.length > 0 ? LEAST_MTU_IPV6 : LEAST_MTU;
  return {
    kind: "tun",
    name: readTunName(raw.name),
    ipv4: readPrefixes("device.tun.ipv4", raw.ipv4, 4),
    ipv6,
    mtu: readInteger("device.tun.mtu", raw.mtu, leastMtu, 65_535) ?? DEFAULT_MTU,
    strongHost: raw.strongHost === undefined || readSwitch("device.tun.strongHost", raw.strongHost),
  };
}

function readTunName(value: unknown): string | null {
  if (value === undefined) return null;
  // The kernel's rule (dev_valid_name): IFNAMSIZ is 16 with the closing zero.
  const good =
    typeof value === "string" &&
    /^[^/:\s\0]+$/.test(value) &&
    Buffer.byteLength(value) <= 15 &&
    value !== "." &&
    value !== ".." &&
    !value.includes("%");
  if (!good) {
    throw optionError({
      option: "device.tun.name",
      came: describe(value),
      expected: "1 to 15 bytes without '/', ':', '%' or white space",
    });
  }
  return value;
}
