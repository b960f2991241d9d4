/**
 * Options, parsed once at the edge into what the inside works with: whole nanoseconds, bytes, bytes of keys. Nothing
 * behind this file checks an option again, but for what needs the route to be known (`session/wire-settings.ts`).
 */
import type {
  BurnerName,
  DeviationSourceName,
  JitterShapeName,
  NativeDevice,
  PollModeName,
  SendByName,
} from "../native/options.js";
import { readAllowedIps, type AllowedIps } from "./allowed-ips.js";
import { readCredentials, type Credentials } from "./credentials.js";
import { describe, optionError } from "../common/errors.js";
import { parseLinger, type LingerRange } from "./linger.js";
import {
  readChoice,
  readHostPort,
  readInteger,
  readObject,
  readPeers,
  readPath,
  readPrefixes,
  readSignal,
  readSwitch,
  type HostPort,
} from "../common/option-readers.js";
import { parseDuration, parseRate, type DurationRange } from "../common/units.js";
import { INTERVAL_RANGE, LENGTH_RANGE, TIMEOUT_RANGE } from "../common/wire-bounds.js";

/** What is local to an end, parsed. */
export interface LocalSettings {
  pollMode: PollModeName;
  schedFifo: "on" | "off" | "require";
  /** One for each dispatcher, or none. */
  cpus: number[];
  dispatchers: 1 | 2;
  burner: BurnerName;
  device: NativeDevice;
  queueNs: number;
  readerQueueMs: number;
  finalizeNs: number | null;
  reorderWindow: number;
  fwmark: number | null;
  deviationIntervalMs: number;
  deviationSource: DeviationSourceName;
  sendBy: SendByName;
  record: boolean;
}

/** One direction as asked for: what is missing depends on the route. */
export interface WireRequest {
  /** `up` or `down`. */
  option: string;
  length: number | null;
  /** Bytes per second; null exactly if `intervalNs` is given. */
  rate: number | null;
  intervalNs: number | null;
  /** null: half of the mean. */
  jitterNs: number | null;
  shape: JitterShapeName;
}

export interface ClientSettings {
  /** At least one, best first. */
  peers: HostPort[];
  localAddress: HostPort | null;
  persistent: boolean;
  credentials: Credentials;
  up: WireRequest;
  down: WireRequest;
  /** null: the default, which depends on the interval. */
  clientTimeoutNs: number | null;
  serverTimeoutNs: number | null;
  linger: LingerRange;
  allowedIps: AllowedIps;
  connectTimeoutNs: number | null;
  /** null: the protocol's. */
  rekeyIntervalNs: number | null;
  stateFile: string | null;
  signal: AbortSignal | null;
}

/** What a server grants, bytes per second, nanoseconds and bytes. */
export interface ServerLimits {
  maxRateUp: number;
  maxRateDown: number;
  minIntervalNs: number;
  maxLength: number;
  /** What a client asks for beyond this is not refused, but cut. */
  maxServerTimeoutMs: number;
}

export interface ServerSettings {
  address: HostPort;
  credentials: Credentials;
  limits: ServerLimits;
  linger: LingerRange;
  allowedIps: AllowedIps;
  maxStampAgeMs: number | null;
  stateFile: string | null;
  /** Where its client is and what it is sent, known beforehand; null: the client says. */
  client: { endpoint: HostPort; down: WireRequest } | null;
  signal: AbortSignal | null;
}

/** Ours: nothing here waits longer than a day. */
const DAY: DurationRange = { min: "1ms", max: "24h" };
const DEFAULT_RATE = "100KiB/s";
/** Ours: far above a core's capacity; a client has to be told something else before it asks for that. */
const DEFAULT_MAX_RATE = "128MiB/s";
/** Ours: a silent client is waited for this long, and who has its address by now gets cover no longer. */
const DEFAULT_MAX_TIMEOUT = "5min";
/** An IPv6 link carries at least 1280 bytes (RFC 8200 section 5), an IPv4 host at least 576 (RFC 1122). */
const LEAST_MTU_IPV6 = 1280;
const LEAST_MTU = 576;
/** Leaves room for an outer header in 1500, and is what WireGuard's users know. */
const DEFAULT_MTU = 1420;

const TUNNEL_FIELDS = [
  "pollMode",
  "schedFifo",
  "cpu",
  "dispatchers",
  "burner",
  "device",
  "queue",
  "readerQueue",
  "finalizeDelta",
  "reorderWindow",
  "fwmark",
  "deviationInterval",
  "deviationSource",
  "sendBy",
  "record",
] as const;

/** @throws {I405Error} `ERR_I405_OPTION` */
export function parseTunnelOptions(options: unknown): LocalSettings {
  const raw = readObject("options", options, TUNNEL_FIELDS);
  const dispatchers = readDispatchers(raw.dispatchers);
  const pollMode = readChoice("pollMode", raw.pollMode, ["sleepy", "dozy", "spinny"], "sleepy");
  const sendBy = readSendBy(raw.sendBy, dispatchers);
  // With launch times the call is long before the slot leaves, and says little.
  const source = sendBy === "txtime" ? "software" : "call";
  return {
    pollMode,
    schedFifo: readSchedFifo(raw.schedFifo),
    cpus: readCpus(raw.cpu, dispatchers),
    dispatchers,
    // A spinning thread costs its core's power anyhow, and idle time is left only by the pauses of its own.
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
  const sendBy = readChoice("sendBy", value, ["call", "txtime"], "call");
  if (sendBy === "txtime" && dispatchers === 2) {
    throw optionError({
      option: "sendBy",
      came: '"txtime" beside dispatchers: 2',
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

/** @throws {I405Error} `ERR_I405_OPTION`, `ERR_I405_KEY` */
export function parseConnectOptions(options: unknown): ClientSettings {
  const raw = readObject("options", options, [
    "peer",
    "localAddress",
    "persistent",
    "key",
    "password",
    "up",
    "down",
    "clientTimeout",
    "serverTimeout",
    "linger",
    "allowedIps",
    "connectTimeout",
    "rekeyInterval",
    "stateFile",
    "signal",
  ]);
  return {
    peers: readPeers(raw.peer),
    localAddress: raw.localAddress === undefined ? null : readHostPort("localAddress", raw.localAddress, 0),
    persistent: readSwitch("persistent", raw.persistent),
    up: readWire("up", raw.up),
    down: readWire("down", raw.down),
    clientTimeoutNs: optionalDuration("clientTimeout", raw.clientTimeout, TIMEOUT_RANGE),
    serverTimeoutNs: optionalDuration("serverTimeout", raw.serverTimeout, TIMEOUT_RANGE),
    linger: parseLinger("linger", raw.linger ?? 0),
    allowedIps: readAllowedIps(raw.allowedIps),
    connectTimeoutNs: optionalDuration("connectTimeout", raw.connectTimeout, DAY),
    rekeyIntervalNs: optionalDuration("rekeyInterval", raw.rekeyInterval, { min: "1s", max: "24h" }),
    stateFile: readPath("stateFile", raw.stateFile),
    signal: readSignal(raw.signal),
    credentials: readCredentials(raw),
  };
}

/** @throws {I405Error} `ERR_I405_OPTION`, `ERR_I405_KEY` */
export function parseListenOptions(options: unknown): ServerSettings {
  const raw = readObject("options", options, [
    "address",
    "key",
    "password",
    "limits",
    "linger",
    "allowedIps",
    "maxStampAge",
    "stateFile",
    "client",
    "signal",
  ]);
  const ageNs = optionalDuration("maxStampAge", raw.maxStampAge, { min: "1s", max: "24h" });
  return {
    address: readHostPort("address", raw.address, 0),
    limits: readLimits(raw.limits),
    linger: parseLinger("linger", raw.linger ?? 0),
    allowedIps: readAllowedIps(raw.allowedIps),
    maxStampAgeMs: ageNs === null ? null : Math.round(ageNs / 1e6),
    client: raw.client === undefined ? null : readClient(raw.client),
    stateFile: readPath("stateFile", raw.stateFile),
    signal: readSignal(raw.signal),
    credentials: readCredentials(raw),
  };
}

function readClient(value: unknown): ServerSettings["client"] {
  const raw = readObject("client", value, ["endpoint", "down"]);
  return { endpoint: readHostPort("client.endpoint", raw.endpoint, 1), down: readWire("client.down", raw.down) };
}

function readWire(option: string, value: unknown): WireRequest {
  const raw = readObject(option, value, ["length", "rate", "interval", "jitter", "jitterShape"]);
  if (raw.rate !== undefined && raw.interval !== undefined) {
    throw optionError({
      option: `${option}.interval`,
      came: `${describe(raw.interval)} beside ${option}.rate`,
      expected: "either rate or interval",
      remedy: "Leave one of the two out",
    });
  }
  const intervalNs = optionalDuration(`${option}.interval`, raw.interval, INTERVAL_RANGE);
  return {
    option,
    length: readInteger(`${option}.length`, raw.length, LENGTH_RANGE.min, LENGTH_RANGE.max) ?? null,
    rate: intervalNs === null ? parseRate(`${option}.rate`, raw.rate ?? DEFAULT_RATE) : null,
    intervalNs,
    jitterNs: optionalDuration(`${option}.jitter`, raw.jitter, { min: "1ns", max: "1s", zero: true }),
    shape: readChoice(`${option}.jitterShape`, raw.jitterShape, ["cos4", "uniform"], "cos4"),
  };
}

function readLimits(value: unknown): ServerLimits {
  const raw = readObject("limits", value, ["maxRateUp", "maxRateDown", "minInterval", "maxLength", "maxServerTimeout"]);
  const timeoutNs = parseDuration(
    "limits.maxServerTimeout",
    raw.maxServerTimeout ?? DEFAULT_MAX_TIMEOUT,
    TIMEOUT_RANGE,
  );
  return {
    maxRateUp: parseRate("limits.maxRateUp", raw.maxRateUp ?? DEFAULT_MAX_RATE),
    maxRateDown: parseRate("limits.maxRateDown", raw.maxRateDown ?? DEFAULT_MAX_RATE),
    minIntervalNs: parseDuration("limits.minInterval", raw.minInterval ?? "10us", INTERVAL_RANGE),
    maxLength: readInteger("limits.maxLength", raw.maxLength, LENGTH_RANGE.min, LENGTH_RANGE.max) ?? 1500,
    maxServerTimeoutMs: Math.ceil(timeoutNs / 1e6),
  };
}

function optionalDuration(option: string, value: unknown, range: DurationRange): number | null {
  return value === undefined ? null : parseDuration(option, value, range);
}
