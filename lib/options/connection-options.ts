/**
 * The options of `connect` and `listen`. They are parsed once, at the edge. Nothing behind this folder checks an option
 * again, except what needs the route to be known (`session/wire-settings.ts`).
 */
import { describe, optionError } from "../common/errors.js";
import {
  readChoice,
  readHostPort,
  readInteger,
  readObject,
  readPath,
  readPeers,
  readSignal,
  readSwitch,
} from "../common/option-readers.js";
import { parseDuration, parseRate, type DurationRange } from "../common/units.js";
import { INTERVAL_RANGE, LENGTH_RANGE, TIMEOUT_RANGE } from "../common/wire-bounds.js";
import { readAllowedIps } from "./allowed-ips.js";
import { readCredentials } from "./credentials.js";
import { parseLinger } from "./linger.js";
import type { ClientSettings, ServerLimits, ServerSettings, WireRequest } from "./settings.js";

/** Ours: nothing here waits longer than a day. */
const DAY: DurationRange = { min: "1ms", max: "24h" };
const DEFAULT_RATE = "100KiB/s";
/** Ours: far above a core's capacity; a client has to be told something else before it asks for that. */
const DEFAULT_MAX_RATE = "128MiB/s";
/** Ours: how long a silent client is waited for. If somebody else has its address by then, cover for it ends. */
const DEFAULT_MAX_TIMEOUT = "5min";

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
