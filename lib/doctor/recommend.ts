/** Poll mode, core, margin, interval and length for this machine, each with its reason. */
import { formatDuration, formatRate } from "../common/units.js";
import { INTERVAL_RANGE_NS, JITTER_PART } from "../common/wire-bounds.js";
import type { NativeLateness } from "../native/probes.js";
import {
  CONDITIONS,
  lostShare,
  MARGIN_NS,
  type Burnt,
  type CoreMeasurement,
  type Measurements,
  type Stretches,
} from "./measure.js";
import { apart, figureUs, MUCH_APART_US, MUCH_LOST } from "./measured.js";
import type { Target } from "./system.js";

export interface Recommendation {
  pollMode: "sleepy" | "dozy" | "spinny";
  cpu: number;
  /**
   * `cpu` if waking up differs between idle and loaded: a core that never idles has no such difference. `all` if one
   * busy core isn't enough for that.
   */
  burner: "off" | Burnt;
  /** For `finalizeDelta`; null: the default of the poll mode. */
  marginNs: number | null;
  /** Of the direction that this machine sends, at the rate that was asked for. */
  intervalNs: number;
  /** Shortest mean interval that hides what was measured; null if nothing was measured. */
  shortestIntervalNs: number | null;
  /** IP bytes. */
  length: number;
  reasons: string[];
  /** What to add to `i405 client` or `i405 server`. */
  flags: string;
}

export interface Circumstances {
  target: Target;
  cores: number;
  isVirtual: boolean;
  isIsolated: boolean;
  /** Of the route, IP bytes; undefined if unknown. */
  mtu: number | undefined;
  /** Null without measuring. */
  measurements: Measurements | null;
}

/** Between waking and the deadline also lie the build, 3 us warm and 10 us cold, and a look at the clock. */
const BUILD_NS = 20_000;
/** The margin's bounds: below, the build doesn't fit safely; above, it is a stall that no margin covers. */
const LEAST_MARGIN_NS = 50_000;
const MOST_MARGIN_NS = 500_000;
const MARGIN_STEP_NS = 10_000;
/** With fewer cores, a core that never rests is missed elsewhere. */
const CORES_FOR_SPINNY = 4;
/** One core's losses are this many times another's before the quieter one by interrupts is passed over. */
const MUCH_WORSE = 3;
/**
 * Computed for cos^4 jitter of a half width of 2.5 ms: send errors of sd 20 us idle against 5 us loaded take 2.5 x 10^6
 * intervals to tell apart with 95 % accuracy. The number grows with the fourth power of jitter's width over the error.
 */
const KNOWN = { jitterNs: 2.5e6, errorNs: Math.sqrt(20_000 ** 2 - 5_000 ** 2), intervals: 2.5e6 };
/** Intervals that should be needed: at 10 ms, three hours of a machine that is busy all the time. */
const WANTED_INTERVALS = 1e6;
const USUAL_MTU = 1500;

export function recommend(circumstances: Circumstances): Recommendation {
  const { target, measurements, mtu, cores } = circumstances;
  const reasons: string[] = [];
  const core = chooseCore(target, measurements, reasons);
  const pollMode = choosePollMode(circumstances, core, reasons);
  const burner = core === undefined || cores < 2 ? "off" : chooseBurner(core, circumstances.isVirtual, reasons);
  const marginNs = core === undefined || pollMode !== "dozy" ? null : chooseMargin(core, reasons);
  const length = Math.min(mtu ?? USUAL_MTU, USUAL_MTU);
  const atRate = Math.round((length / target.rate) * 1e9);
  const intervalNs = Math.min(Math.max(atRate, INTERVAL_RANGE_NS.min), INTERVAL_RANGE_NS.max);
  reasons.push(
    `length ${length}: the longest that the route carries${mtu === undefined ? " (taken as usual)" : ""} makes the longest ` +
      `intervals, ${formatDuration(intervalNs)} at ${formatRate(target.rate)}, and lateness shows least in long ones`,
  );
  const shortestIntervalNs = core === undefined ? null : shortestInterval(core, pollMode);
  if (shortestIntervalNs !== null) reasons.push(intervalReason(shortestIntervalNs, intervalNs));
  const cpu = core?.cpu ?? target.cpu;
  const flags = [`--poll-mode ${pollMode}`, `--cpu ${cpu}`];
  if (burner !== "off") flags.push(`--burner ${burner}`);
  if (marginNs !== null) flags.push(`--finalize-delta ${formatDuration(marginNs)}`);
  return { pollMode, cpu, burner, marginNs, intervalNs, shortestIntervalNs, length, reasons, flags: flags.join(" ") };
}

function chooseCore(target: Target, measurements: Measurements | null, reasons: string[]) {
  const own = measurements?.cores.find(({ cpu }) => cpu === target.cpu);
  if (own === undefined) {
    reasons.push(`core ${target.cpu}: the fewest interrupts of devices (/proc/interrupts), or what --cpu says`);
    return undefined;
  }
  const best = [...(measurements?.cores ?? [])].sort((a, b) => lostShare(a) - lostShare(b))[0];
  if (best !== undefined && lostShare(own) > MUCH_LOST && lostShare(best) * MUCH_WORSE < lostShare(own)) {
    const percent = (core: CoreMeasurement) => (lostShare(core) * 100).toFixed(2);
    reasons.push(`core ${best.cpu}: lost ${percent(best)} % of its time, core ${own.cpu} ${percent(own)} %`);
    return best;
  }
  reasons.push(`core ${own.cpu}: the fewest interrupts of devices, disks' included, and it lost little of its time`);
  return own;
}

function choosePollMode(circumstances: Circumstances, core: CoreMeasurement | undefined, reasons: string[]) {
  const { cores, isVirtual, isIsolated } = circumstances;
  if (cores >= CORES_FOR_SPINNY && isIsolated && !isVirtual) {
    reasons.push("spinny: there is an isolated core that nobody else needs");
    return "spinny";
  }
  if (core === undefined) {
    reasons.push("dozy: spins away what waking up costs, idle or busy, for a part of one core");
    return "dozy";
  }
  const p99 = (stretches: readonly NativeLateness[]) => figureUs(stretches, ({ call }) => call.p99Ns);
  const worst = (kind: "sleep" | "spin") => Math.max(...CONDITIONS.map((condition) => p99(core[kind][condition])));
  const figures = `p99 ${worst("spin").toFixed(1)} us against ${worst("sleep").toFixed(1)} us asleep, the worse of idle and loaded`;
  if (worst("spin") >= worst("sleep")) {
    reasons.push(`sleepy: spinning gains nothing here, ${figures}`);
    return "sleepy";
  }
  const rest = cores < CORES_FOR_SPINNY ? `; spinny would take one of ${cores} cores for good` : "";
  reasons.push(`dozy: ${figures}${rest}`);
  return "dozy";
}

function chooseBurner(core: CoreMeasurement, isVirtual: boolean, reasons: string[]): Recommendation["burner"] {
  if (apart(core.sleep) < MUCH_APART_US) return "off";
  const { burner: kept } = core;
  const us = (stretches: Stretches) => `${apart(stretches).toFixed(1)} us`;
  const beside = kept === null ? "" : `, ${us(kept.cpu)} with burner cpu, ${us(kept.all)} with all`;
  const isCpuEnough = kept === null || apart(kept.cpu) < MUCH_APART_US || apart(kept.cpu) <= apart(kept.all);
  const burner = isCpuEnough ? "cpu" : "all";
  const compare =
    "; in a virtual machine compare it with the other one, i405 audit --here with each: a hypervisor may give the cores of " +
    "an idle machine back late, and may take away those of one that never rests";
  reasons.push(
    `burner ${burner}: an idle core wakes up ${us(core.sleep)} apart from a busy one${beside}; it costs the power of ` +
      `${isCpuEnough ? "that core" : "every core"}${isVirtual ? compare : ""}`,
  );
  return burner;
}

/** How long 999 of 1000 wake-ups take, and the build. */
function chooseMargin(core: CoreMeasurement, reasons: string[]): number {
  const worst = (of: (one: NativeLateness) => number) =>
    Math.max(
      ...CONDITIONS.flatMap((condition) => [core.sleep[condition], core.spin[condition]]).map(
        (stretches) => figureUs(stretches, of) * 1000,
      ),
    );
  const p999 = worst(({ wakeUp }) => wakeUp.p999Ns);
  // Beyond half a millisecond it wasn't the waking up, and no margin covers it.
  const isStall = p999 + BUILD_NS > MOST_MARGIN_NS;
  const wakeUpNs = isStall ? worst(({ wakeUp }) => wakeUp.p99Ns) : p999;
  const steps = Math.ceil((wakeUpNs + BUILD_NS) / MARGIN_STEP_NS);
  const marginNs = Math.min(Math.max(steps * MARGIN_STEP_NS, LEAST_MARGIN_NS), MOST_MARGIN_NS);
  reasons.push(
    `margin ${formatDuration(marginNs)}: waking up took ${(wakeUpNs / 1000).toFixed(0)} us at the ${isStall ? "p99" : "p99.9"}, ` +
      `building a slot takes up to ${BUILD_NS / 1000} us (default ${formatDuration(MARGIN_NS)})`,
  );
  return marginNs;
}

/** Judged by what differs between idle and loaded, because what is the same in both tells nothing. */
function shortestInterval(core: CoreMeasurement, pollMode: Recommendation["pollMode"]): number {
  const stretches = core[pollMode === "sleepy" ? "sleep" : "spin"];
  const sd = (condition: "idle" | "loaded") =>
    figureUs(stretches[condition], ({ call }) => call.stddevTrimmedNs) * 1000;
  // At the call; sending adds about a microsecond of its own.
  const errorNs = Math.max(1000, Math.sqrt(Math.abs(sd("idle") ** 2 - sd("loaded") ** 2)));
  const width = (errorNs / KNOWN.errorNs) * (WANTED_INTERVALS / KNOWN.intervals) ** 0.25;
  const ns = (KNOWN.jitterNs * width) / JITTER_PART;
  const step = 10 ** Math.floor(Math.log10(ns));
  return Math.min(Math.max(Math.ceil(ns / step) * step, INTERVAL_RANGE_NS.min), INTERVAL_RANGE_NS.max);
}

function intervalReason(shortestNs: number, intervalNs: number): string {
  const shortest = `from ${formatDuration(shortestNs)} on, the default jitter needs an observer to see about 10^6 intervals (estimated)`;
  if (intervalNs >= shortestNs) return `interval ${formatDuration(intervalNs)}: ${shortest}`;
  return `interval ${formatDuration(intervalNs)} is short: ${shortest}. Ask for a lower rate, or wider jitter (--up-packet-jitter)`;
}
