/** The options of `audit()`, parsed once. */
import type { AuditOptions } from "../../types/audit.js";
import { describe, optionError } from "../common/errors.js";
import { readChoice, readInteger, readObject, readSignal } from "../common/option-readers.js";
import { parseDuration } from "../common/units.js";
import { JITTER_SHAPES, type ShapeName } from "../statistics/jitter-density.js";
import { readEndpoint, type Endpoint } from "./capture/endpoints.js";
import type { Stretch } from "./observation.js";
import type { KnownSchedule } from "./schedule.js";
import { checkStretches, readStretches } from "./stretches.js";

const KNOWN = [
  ...[
    "pcap",
    "stretches",
    "port",
    "endpoint",
    "interval",
    "jitter",
    "jitterShape",
    "assumeJitter",
    "innerPcap",
    "onProgress",
    "signal",
  ],
];

/** As the audit uses them. */
export interface ParsedOptions {
  pcap: string;
  stretches: Stretch[];
  port: number | undefined;
  /** None: any. */
  endpoints: Endpoint[];
  schedule: KnownSchedule;
  assumeJitterNs: number | undefined;
  innerPcap: string | undefined;
  onProgress: (what: string) => void;
  signal: AbortSignal | null;
}

/** @throws {I405Error} `ERR_I405_OPTION`, `ERR_I405_STRETCHES` */
export function readAuditOptions(options: AuditOptions): ParsedOptions {
  const raw = readObject("options", options, KNOWN);
  const jitterNs = raw.jitter === undefined ? undefined : duration("jitter", raw.jitter, true);
  const assumeJitterNs = raw.assumeJitter === undefined ? undefined : duration("assumeJitter", raw.assumeJitter, false);
  if (assumeJitterNs !== undefined && jitterNs !== undefined && jitterNs > 0) {
    throw optionError({
      option: "assumeJitter",
      came: describe(raw.assumeJitter),
      expected: "a capture without jitter",
      remedy: "Leave it out, or capture with a jitter of 0",
    });
  }
  const intervalNs =
    raw.interval === undefined ? undefined : parseDuration("interval", raw.interval, { min: "1us", max: "10s" });
  if (intervalNs !== undefined && jitterNs !== undefined && jitterNs > intervalNs) {
    throw optionError({ option: "jitter", came: describe(raw.jitter), expected: "at most the interval" });
  }
  const shape =
    raw.jitterShape === undefined
      ? undefined
      : readChoice<ShapeName>("jitterShape", raw.jitterShape, JITTER_SHAPES, "cos4");
  return {
    pcap: file("pcap", raw.pcap),
    stretches: readList(raw.stretches),
    port: readInteger("port", raw.port, 1, 65535),
    endpoints: readEndpoints(raw.endpoint),
    schedule: { intervalNs, jitterNs, shape },
    assumeJitterNs,
    innerPcap: raw.innerPcap === undefined ? undefined : file("innerPcap", raw.innerPcap),
    onProgress: typeof raw.onProgress === "function" ? (raw.onProgress as (what: string) => void) : () => undefined,
    signal: readSignal(raw.signal),
  };
}

function duration(option: string, value: unknown, zero: boolean): number {
  return parseDuration(option, value, { min: "1ns", max: "10s", zero });
}

function file(option: string, value: unknown): string {
  if (typeof value === "string" && value !== "") return value;
  throw optionError({ option, came: describe(value), expected: "a file's name" });
}

function readEndpoints(value: unknown): Endpoint[] {
  if (value === undefined) return [];
  const list: unknown[] = Array.isArray(value) ? value : [value];
  if (list.length >= 1 && list.length <= 2) return list.map((each) => readEndpoint("endpoint", each));
  throw optionError({ option: "endpoint", came: describe(value), expected: "one end of the tunnel, or both" });
}

function readList(value: unknown): Stretch[] {
  if (typeof value === "string" && value !== "") return readStretches(value);
  if (Array.isArray(value)) return checkStretches(value, "stretches");
  throw optionError({ option: "stretches", came: describe(value), expected: "a list of stretches, or a file's name" });
}
