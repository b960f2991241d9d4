/** The options of an audit of one's own tunnel, and of the other end that answers it, parsed once. */
import type { AnswerOptions, LiveAuditOptions } from "../../../types/audit.js";
import { describe, optionError } from "../../common/errors.js";
import { readChoice, readObject, readSignal } from "../../common/option-readers.js";
import { parseDuration } from "../../common/units.js";
import type { ConnectOptions, ListenOptions, TunnelOptions } from "../../index.js";
import { CONDITION_NAMES, type ConditionName } from "./conditions.js";
import type { ObservedAt } from "./experiment.js";
import { QUEUE_MS } from "./packets.js";

const KNOWN = [
  "against",
  "tunnel",
  "duration",
  "stretch",
  "conditions",
  "observedAt",
  "capture",
  "onProgress",
  "signal",
];
/** What of a tunnel is the audit's own. */
const OWN = ["device", "record", "queue"];

export interface ParsedLiveOptions {
  against: ConnectOptions;
  tunnel: TunnelOptions;
  totalS: number;
  stretchS: number | null;
  conditions: ConditionName[];
  /** Null: at the other end, if it answers, else at the call. */
  observedAt: ObservedAt | null;
  /** Interface for tcpdump, optionally `namespace/interface`; null: none. */
  capture: string | null;
  onProgress: (what: string) => void;
  signal: AbortSignal | null;
}

/** @throws {I405Error} `ERR_I405_OPTION` */
export function readLiveOptions(options: LiveAuditOptions): ParsedLiveOptions {
  const raw = readObject("options", options, KNOWN);
  const seconds = (option: string, value: unknown, min: string) =>
    parseDuration(option, value, { min, max: "24h" }) / 1e9;
  const observedAt =
    raw.observedAt === undefined
      ? null
      : readChoice<ObservedAt>("observedAt", raw.observedAt, ["peer", "call", "software", "hardware"], "peer");
  const tunnel = readTunnel(raw.tunnel);
  const deviationSource = observedAt === "software" || observedAt === "hardware" ? observedAt : undefined;
  return {
    against: raw.against as ConnectOptions,
    tunnel: deviationSource === undefined ? tunnel : { ...tunnel, deviationSource },
    totalS: raw.duration === undefined ? 600 : seconds("duration", raw.duration, "10s"),
    stretchS: raw.stretch === undefined ? null : seconds("stretch", raw.stretch, "1s"),
    conditions: readConditions(raw.conditions),
    observedAt,
    capture: readCapture(raw.capture),
    onProgress: typeof raw.onProgress === "function" ? (raw.onProgress as (what: string) => void) : () => undefined,
    signal: readSignal(raw.signal),
  };
}

/** @throws {I405Error} `ERR_I405_OPTION` */
export function readAnswerOptions(options: AnswerOptions): { listen: ListenOptions; tunnel: TunnelOptions } {
  const raw = readObject("options", options, ["listen", "tunnel"]);
  return { listen: raw.listen as ListenOptions, tunnel: readTunnel(raw.tunnel) };
}

function readTunnel(value: unknown): TunnelOptions {
  if (value !== undefined && (value === null || typeof value !== "object")) {
    throw optionError({ option: "tunnel", came: describe(value), expected: "an object, as `new I405Tunnel` takes it" });
  }
  const given = (value ?? {}) as Record<string, unknown>;
  const own = OWN.find((name) => given[name] !== undefined);
  if (own !== undefined) {
    throw optionError({
      option: `tunnel.${own}`,
      came: describe(given[own]),
      expected: "nothing: the audit sets it itself",
      remedy: "Leave it out",
    });
  }
  return { ...given, device: "packets", record: true, queue: `${QUEUE_MS}ms` };
}

function readConditions(value: unknown): ConditionName[] {
  if (value === undefined) return [...CONDITION_NAMES];
  const expected = `a list of ${CONDITION_NAMES.filter((name) => name !== "quiet").join(", ")}`;
  if (!Array.isArray(value) || value.every((name) => name === "quiet")) {
    throw optionError({ option: "conditions", came: describe(value), expected });
  }
  for (const [index, name] of value.entries()) {
    if (CONDITION_NAMES.includes(name as ConditionName)) continue;
    throw optionError({
      option: `conditions[${index}]`,
      came: describe(name),
      expected: `one of ${expected.slice(10)}`,
    });
  }
  return [...new Set(value as ConditionName[])];
}

function readCapture(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value === "string" && /^([\w.-]+\/)?[\w.@-]{1,15}$/.test(value)) return value;
  throw optionError({ option: "capture", came: describe(value), expected: "an interface's name, or any" });
}
