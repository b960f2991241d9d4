/** What a running tunnel tells of itself: to `i405 status` through a socket, and to its own live view. */
import {
  I405Tunnel,
  version,
  type Connection,
  type Deviation,
  type TunnelState,
  type TunnelStats,
} from "../../index.js";
import { plainCounters } from "../describe.js";
import type { TunnelCommand } from "../flag.js";
import type { RecentRecord } from "../recent-log.js";

/** Counters as JSON has them. */
type Plain<Value> = Value extends bigint
  ? number
  : Value extends string | number | boolean | null
    ? Value
    : { [Key in keyof Value]: Plain<Value[Key]> };

export type PlainStats = Plain<TunnelStats>;

/** Version of this format. */
export const STATUS_FORMAT = 1;

export interface Snapshot {
  format: typeof STATUS_FORMAT;
  version: string;
  /** Of the tunnel on this machine: the socket's file name without its end. */
  name: string;
  command: TunnelCommand;
  pid: number;
  pollMode: string;
  /** What was asked for: `--peer` or `--listen-addr`. */
  address: string;
  /** When the command began, ISO 8601. */
  since: string;
  /** A clock that only rises, ms: rates are differences against it. */
  clockMs: number;
  state: TunnelState;
  localAddress: string | null;
  deviceName: string | null;
  connection: Connection | null;
  stats: PlainStats;
  /** Newest report of lateness, and when it came. */
  deviation: (Deviation & { time: string }) | null;
  records: readonly RecentRecord[];
}

/** What doesn't change while the command runs. */
export type Facts = Pick<Snapshot, "name" | "command" | "pollMode" | "address">;

export type ShownTunnel = Pick<I405Tunnel, "stats" | "state" | "localAddress" | "deviceName" | "connection"> & {
  on(event: "deviation", listener: (deviation: Deviation) => void): unknown;
};

/** Takes snapshots of a tunnel; listens to its reports of lateness from now on. */
export class Photographer {
  readonly facts: Facts;
  readonly #tunnel: ShownTunnel;
  readonly #records: readonly RecentRecord[];
  readonly #since = new Date().toISOString();
  #deviation: Snapshot["deviation"] = null;

  constructor(tunnel: ShownTunnel, facts: Facts, records: readonly RecentRecord[]) {
    this.#tunnel = tunnel;
    this.facts = facts;
    this.#records = records;
    tunnel.on("deviation", (deviation) => {
      this.#deviation = { ...deviation, time: new Date().toISOString() };
    });
  }

  take(): Snapshot {
    const { state, localAddress, deviceName, connection } = this.#tunnel;
    return {
      format: STATUS_FORMAT,
      version,
      ...this.facts,
      pid: process.pid,
      since: this.#since,
      clockMs: performance.now(),
      ...{ state, localAddress, deviceName, connection },
      stats: plainCounters(this.#tunnel.stats()) as PlainStats,
      deviation: this.#deviation,
      records: [...this.#records],
    };
  }
}

/** One of every part, to compare with what came. */
const WIRE = { length: 0, intervalNs: 0, jitterNs: 0, jitterShape: "" };
const CONNECTION = { endpoint: "", cipher: "", wire: { up: WIRE, down: WIRE } };
const FIGURES = { count: 0, mean: 0, stddev: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0, missed: 0, unreported: 0 };
/** The counters of a tunnel that was never opened. */
const UNUSED = plainCounters(new I405Tunnel().stats()) as PlainStats;
const { inbound, outbound, ...ONCE_KNOWN } = UNUSED.path;
const TRIP = { newestMs: 0, smoothedMs: 0, leastMs: 0 };
const TEMPLATE = {
  format: STATUS_FORMAT,
  ...{ version: "", name: "", command: "", pid: 0, pollMode: "", address: "", since: "", clockMs: 0, state: "" },
  stats: { ...UNUSED, path: { inbound, outbound } },
};

/**
 * Reads what came through a socket, which may be anybody's where root looks.
 *
 * @returns A snapshot whose texts are printable and short, or null.
 */
export function readSnapshot(text: string): Snapshot | null {
  let value: unknown;
  try {
    value = JSON.parse(text, (_key, inside: unknown) => (typeof inside === "string" ? printable(inside) : inside));
  } catch {
    return null;
  }
  const isSnapshot =
    resembles(value, TEMPLATE) &&
    (value as { format: number }).format === STATUS_FORMAT &&
    Object.keys(ONCE_KNOWN).every((key) => nullOr(pathOf(value), key, key === "roundTrip" ? TRIP : 0)) &&
    nullOr(value, "localAddress", "") &&
    nullOr(value, "deviceName", "") &&
    nullOr(value, "connection", CONNECTION) &&
    nullOr(value, "deviation", { ...FIGURES, source: "", time: "" }) &&
    listOf(value, "records", { time: "", level: "", event: "", text: "" });
  return isSnapshot ? (value as Snapshot) : null;
}

/** Longest text that is shown, characters. */
const LONGEST_TEXT = 300;

/** Terminals obey what isn't printable; whatever i405 itself says is ASCII. */
function printable(text: string): string {
  return text.slice(0, LONGEST_TEXT).replace(/[^ -~]/g, "?");
}

function resembles(value: unknown, template: unknown): boolean {
  if (Array.isArray(template)) return Array.isArray(value);
  if (typeof template !== "object" || template === null) return typeof value === typeof template;
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(template).every(([key, part]) => resembles((value as Record<string, unknown>)[key], part));
}

/** Of what resembles a snapshot. */
function pathOf(value: unknown): unknown {
  return (value as { stats: { path: unknown } }).stats.path;
}

function nullOr(value: unknown, key: string, template: unknown): boolean {
  const part = (value as Record<string, unknown>)[key];
  return part === null || resembles(part, template);
}

function listOf(value: unknown, key: string, template: unknown): boolean {
  const part = (value as Record<string, unknown>)[key];
  return Array.isArray(part) && part.every((each) => resembles(each, template));
}
