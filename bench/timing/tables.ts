/** Rows of the terminal's tables. */
import type { N95 } from "../../lib/statistics/n95.js";
import { rounded, type Row as TableRow } from "../lib/report.js";
import type { Lateness } from "./figures.js";
import { cpuShare } from "./programs.js";
import type { Comparison, Row, Subject } from "./results.js";

const MIB = 1 << 20;
/** A thread that uses less of a core isn't named. */
const BUSY_SHARE = 0.002;

function digits(value: number | null | undefined, places = 2): number | null {
  return value === null || value === undefined ? null : rounded(value, places);
}

function head({ intervalNs, sender, condition }: Row): TableRow {
  return { interval: `${intervalNs / 1000} us`, sender, condition };
}

function percent(missed: number, sent: number): number | null {
  return digits((100 * missed) / (missed + sent), 3);
}

function quantiles(lateness: Lateness): TableRow {
  return {
    p50: digits(lateness.p50),
    p90: digits(lateness.p90),
    p99: digits(lateness.p99),
    "p99.9": digits(lateness.p999),
    max: digits(lateness.max, 0),
    missed: lateness.missed,
    "missed %": percent(lateness.missed, lateness.sent),
  };
}

/** One row where the wire was captured. */
export function wireRows(row: Row): TableRow[] {
  const { wire } = row;
  if (wire === null) return [];
  return [
    {
      ...head(row),
      sd: digits(wire.sd),
      "x idle": digits(row.sdRatio),
      "p50-idle": digits(row.medianShiftUs),
      p1: digits(wire.p1),
      ...quantiles(wire),
      "sd untrimmed": digits(wire.sdUntrimmed),
    },
  ];
}

/** Each program of the row that says how late it was. */
export function callRows(row: Row): TableRow[] {
  return row.programs.flatMap(({ name, call }) =>
    call === null
      ? []
      : [{ ...head(row), program: name, sd: digits(call.sd), p1: digits(call.p1), ...quantiles(call) }],
  );
}

/** Each program of the row. */
export function programRows(row: Row): TableRow[] {
  return row.programs.map((use) => ({
    ...head(row),
    program: use.name,
    cpu: digits(cpuShare(use), 4),
    "cpu us/slot": digits((cpuShare(use) * row.intervalNs) / 1000),
    "stolen ms": digits(row.stolenS * 1000, 0),
    MiB: use.resident === null ? null : digits(use.resident / MIB),
    "grown MiB": use.grown === null ? null : digits(use.grown / MIB),
    threads: Object.entries(use.threads)
      .filter(([, share]) => share >= BUSY_SHARE)
      .sort(([, one], [, other]) => other - one)
      .map(([name, share]) => `${name} ${share.toFixed(3)}`)
      .join(", "),
  }));
}

/** What came through the tunnel, where the condition sends something. */
export function carriedRows(row: Row): TableRow[] {
  const { carried, roundTrips: trips } = row;
  if (carried === null && trips === null) return [];
  return [
    {
      ...head(row),
      "bytes/s": digits(carried?.bytesPerSecond, 0),
      goodput: digits(carried?.goodput, 4),
      wrong: carried?.wrong ?? null,
      pings: trips?.sent ?? null,
      lost: trips?.lost ?? null,
      mean: digits(trips?.mean),
      p50: digits(trips?.p50),
      p95: digits(trips?.p95),
      p99: digits(trips?.p99),
      max: digits(trips?.max),
    },
  ];
}

/** Of each round. */
export function accountRows({ intervalNs, sender, accounts }: Subject): TableRow[] {
  return accounts.map(({ elapsed, sent, missed, seen, opened, sendErrors, stalls, endMs }) => ({
    interval: `${intervalNs / 1000} us`,
    sender,
    sent,
    missed,
    elapsed: seen === 0 ? null : elapsed,
    unaccounted: seen === 0 ? null : elapsed - sent - missed,
    "on the wire": seen === 0 ? null : seen,
    opened,
    "send errors": sendErrors,
    stalls,
    "ended in ms": digits(endMs, 0),
  }));
}

/** `12000`, or `>= 12000` where the conditions can't be told apart. */
export function lowText(found: N95 | null): string {
  if (found === null) return "";
  const low = found.low >= 1e5 ? found.low.toExponential(1).replace("e+", "e") : String(Math.round(found.low));
  return `${found.atLeast ? ">= " : ""}${low}`;
}

function estimateText(found: N95 | null): string {
  if (found === null || !Number.isFinite(found.estimate)) return "";
  return found.estimate >= 1e5
    ? found.estimate.toExponential(1).replace("e+", "e")
    : String(Math.round(found.estimate));
}

export function comparisonRow({ intervalNs, sender, a, b, bulk, all }: Comparison): TableRow {
  return {
    interval: `${intervalNs / 1000} us`,
    sender,
    compared: `${b} - ${a}`,
    "bulk low": lowText(bulk),
    "bulk estimate": estimateText(bulk),
    "all slots low": lowText(all),
    "all slots estimate": estimateText(all),
    gaps: bulk === null ? null : Math.min(...bulk.gaps),
  };
}

export function machineRow({ intervalNs, sender, spinners }: Subject): TableRow {
  const gaps = spinners.flatMap(({ gapsUs }) => (gapsUs === undefined ? [] : [gapsUs]));
  const lost = spinners.reduce((sum, { gapPercent }) => sum + (gapPercent ?? 0), 0) / spinners.length;
  const over = (pick: (spinner: Subject["spinners"][number]) => number) =>
    spinners.reduce((sum, spinner) => sum + pick(spinner), 0);
  const seconds = over((spinner) => spinner.seconds);
  return {
    interval: `${intervalNs / 1000} us`,
    "after sender": sender,
    stretches: spinners.length,
    "lost %": digits(lost, 3),
    // The time that was lost, in slots: what even a perfect sender must send late or miss.
    "lost slots": digits(((lost / 100) * seconds * 1e9) / intervalNs, 1),
    "missed %": percent(
      over(({ missed }) => missed),
      over(({ sent }) => sent),
    ),
    gaps: gaps.reduce((sum, { count }) => sum + count, 0),
    "longest us": digits(Math.max(...gaps.map(({ max }) => max)), 0),
  };
}
