/** Figures about lists of numbers, the tests that tell chance from structure, and what the machine itself took away. */
import { readdirSync, readFileSync } from "node:fs";
import jStat from "jstat";

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function stddev(values: readonly number[]): number {
  const middle = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / values.length);
}

function ascending(values: readonly number[]): Float64Array {
  return Float64Array.from(values).sort();
}

/** Nearest rank; `share` 0..1. NaN for an empty list. */
export function percentile(values: readonly number[], share: number): number {
  return rank(ascending(values), share);
}

function rank(sorted: Float64Array, share: number): number {
  const place = Math.min(Math.max(Math.ceil(share * sorted.length), 1), sorted.length) - 1;
  return sorted[place] ?? NaN;
}

/** Without the largest ones: what is left of `share` of the values, smallest first. */
export function trim(values: readonly number[], share = 0.999): number[] {
  return [...ascending(values).subarray(0, Math.ceil(share * values.length))];
}

export interface Summary {
  count: number;
  mean: number;
  stddev: number;
  p1: number;
  p50: number;
  p90: number;
  p99: number;
  p999: number;
  max: number;
}

export function summarize(values: readonly number[]): Summary {
  const sorted = ascending(values);
  return {
    count: values.length,
    mean: mean(values),
    stddev: stddev(values),
    p1: rank(sorted, 0.01),
    p50: rank(sorted, 0.5),
    p90: rank(sorted, 0.9),
    p99: rank(sorted, 0.99),
    p999: rank(sorted, 0.999),
    max: rank(sorted, 1),
  };
}

/** Probability of a statistic at least this large if chance alone is at work. */
export function chiSquaredP(statistic: number, degrees: number): number {
  return 1 - jStat.chisquare.cdf(statistic, degrees);
}

/** Are these counts those of a uniform choice among their places? */
export function chiSquaredUniform(counts: readonly number[]): number {
  const expected = mean(counts);
  const statistic = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  return chiSquaredP(statistic, counts.length - 1);
}

/** Kernel clock ticks a second, a constant of the kernel's interface to user space. */
const TICKS_PER_SECOND = 100;

/** Seconds that the hypervisor gave to others while this machine wanted to run, over all cores, since boot. */
export function stolenSeconds(): number {
  const fields = readFileSync("/proc/stat", "utf8").split("\n", 1)[0]!.split(/\s+/);
  return Number(fields[8] ?? 0) / TICKS_PER_SECOND;
}

/** Ticks of one core since boot: all of them, and those in which it had nothing to do. */
export function coreTicks(core: number): { all: number; idle: number } {
  const line = readFileSync("/proc/stat", "utf8")
    .split("\n")
    .find((each) => each.startsWith(`cpu${core} `));
  // user nice system idle iowait irq softirq steal; guest time is in user (proc_stat(5)).
  const fields = (line?.split(/\s+/) ?? []).slice(1, 9).map(Number);
  return { all: fields.reduce((sum, ticks) => sum + ticks, 0), idle: (fields[3] ?? 0) + (fields[4] ?? 0) };
}

/** What a thread has used so far. */
export interface ThreadUse {
  tid: number;
  name: string;
  /** On a CPU. */
  seconds: number;
  /** How often it has waited, and so was woken. */
  waits: number;
}

/** What each thread of a process has used so far. */
export function threadCpu(pid: number): ThreadUse[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((tid) => {
    try {
      const [stat, schedstat, status] = ["stat", "schedstat", "status"].map((file) =>
        readFileSync(`/proc/${pid}/task/${tid}/${file}`, "utf8"),
      );
      const name = stat!.slice(stat!.indexOf("(") + 1, stat!.lastIndexOf(")"));
      // schedstat counts nanoseconds on the CPU; the ticks of stat miss threads that run shortly and often.
      const waits = Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status!)?.[1]);
      return [{ tid: Number(tid), name, seconds: Number(schedstat!.split(" ")[0]) / 1e9, waits }];
    } catch {
      return []; // The thread has ended meanwhile.
    }
  });
}

/** Resident memory of a process in bytes. */
export function residentBytes(pid: number): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1] ?? NaN) * 1024;
}
