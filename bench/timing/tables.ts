/** Rows of the terminal's tables. */
import type { N95 } from "../../lib/statistics/n95.js";
import { rounded, type Row as TableRow } from "../lib/report.js";
import type { Lateness } from "./figures.js";
import type { Comparison, Row, Subject } from "./results.js";

function digits(value: number | null | undefined, places = 2): number | null {
  return value === null || value === undefined ? null : rounded(value, places);
}

function head({ intervalNs, sender, condition }: Row): TableRow {
  return { interval: `${intervalNs / 1000} us`, sender, condition };
}

function quantiles(lateness: Lateness | null): TableRow {
  return {
    p50: digits(lateness?.p50),
    p90: digits(lateness?.p90),
    p99: digits(lateness?.p99),
    "p99.9": digits(lateness?.p999),
    max: digits(lateness?.max, 0),
    missed: lateness?.missed ?? null,
  };
}

export function wireRow(row: Row): TableRow {
  return {
    ...head(row),
    sd: digits(row.wire?.sd),
    "x idle": digits(row.sdRatio),
    "p50-idle": digits(row.medianShiftUs),
    p1: digits(row.wire?.p1),
    ...quantiles(row.wire),
    "sd untrimmed": digits(row.wire?.sdUntrimmed),
  };
}

export function callRow(row: Row): TableRow {
  return {
    ...head(row),
    sd: digits(row.call?.sd),
    p1: digits(row.call?.p1),
    ...quantiles(row.call),
    "cpu us/slot": digits(row.cpuUsPerSlot),
    "stolen ms": digits(row.stolenS * 1000, 0),
  };
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
  const percent = spinners.reduce((sum, { gapPercent }) => sum + (gapPercent ?? 0), 0) / spinners.length;
  const seconds = spinners.reduce((sum, spinner) => sum + spinner.seconds, 0);
  return {
    interval: `${intervalNs / 1000} us`,
    "after sender": sender,
    stretches: spinners.length,
    "lost %": digits(percent, 3),
    // The time that was lost, in slots: what even a perfect sender must send late or miss.
    "lost slots": digits(((percent / 100) * seconds * 1e9) / intervalNs, 1),
    gaps: gaps.reduce((sum, { count }) => sum + count, 0),
    "longest us": digits(Math.max(...gaps.map(({ max }) => max)), 0),
  };
}
