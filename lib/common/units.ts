/**
 * Durations and rates as people write them. Both ends of every range are checked here, so that the inside of the
 * library only sees whole nanoseconds and bytes per second.
 */
import { describe, optionError } from "./errors.js";

const NS_PER: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  "\u00b5s": 1e3,
  ms: 1e6,
  s: 1e9,
  min: 60e9,
  // `m` is minutes, as sleep(1) and systemd have it: no duration is a length.
  m: 60e9,
  h: 3600e9,
};

/** They look alike, and keyboards have either. */
const [MICRO_SIGN, GREEK_MU] = ["\u00b5", "\u03bc"];

const PREFIX: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  K: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
};

const NUMBER = /^\s*([0-9]+(?:\.[0-9]+)?)\s*/;
const RATE_UNIT = /^(Ki|Mi|Gi|k|K|M|G|)(B|bit)\/s$/;

/** Bounds of a duration, inclusive, as they are written in messages. */
export interface DurationRange {
  min: string;
  max: string;
  /** The number 0 and "0" are taken too. */
  zero?: boolean;
}

/** Nanoseconds of a duration, or null if it isn't one. A bare `0` needs no unit. */
export function durationNs(text: string): number | null {
  const number = NUMBER.exec(text);
  if (number === null) return null;
  const value = Number(number[1]);
  const unit = text.slice(number[0].length).trim().replace(GREEK_MU, MICRO_SIGN);
  if (unit === "" && value === 0) return 0;
  const factor = Object.hasOwn(NS_PER, unit) ? NS_PER[unit] : undefined;
  return factor === undefined ? null : Math.round(value * factor);
}

/**
 * A duration in nanoseconds.
 *
 * @throws {I405Error} `ERR_I405_OPTION` if it has no unit, an unknown one, or is out of range.
 */
export function parseDuration(option: string, value: unknown, range: DurationRange): number {
  if (range.zero && (value === 0 || value === "0")) return 0;
  const ns = typeof value === "string" ? durationNs(value) : null;
  const least = durationNs(range.min) ?? 0;
  const most = durationNs(range.max) ?? Number.MAX_SAFE_INTEGER;
  if (ns === null || ns > most || (ns < least && !(range.zero && ns === 0))) {
    const bounds = `"${range.min}" to "${range.max}"`;
    throw optionError({
      option,
      came: describe(value),
      expected: range.zero && least > 0 ? `0 or ${bounds}` : bounds,
      remedy: ns === null ? "Write a number and its unit: ns, us, ms, s, min or h" : undefined,
    });
  }
  return ns;
}

/** Least and most bytes per second: a datagram of 100 bytes each second, and more than any link carries. */
const LEAST_RATE = 100;
const MOST_RATE = 1e12;

/** Bytes per second of a rate, or null if it isn't one. */
export function rateBytes(text: string): number | null {
  const number = NUMBER.exec(text);
  if (number === null) return null;
  const unit = RATE_UNIT.exec(text.slice(number[0].length).trim());
  if (unit === null) return null;
  const bits = unit[2] === "bit";
  return (Number(number[1]) * (PREFIX[unit[1] ?? ""] ?? 1)) / (bits ? 8 : 1);
}

/**
 * A rate in bytes per second.
 *
 * @throws {I405Error} `ERR_I405_OPTION` if it has no unit, an unknown one, or is out of range.
 */
export function parseRate(option: string, value: unknown): number {
  const rate = typeof value === "string" ? rateBytes(value) : null;
  if (rate === null || rate < LEAST_RATE || rate > MOST_RATE) {
    throw optionError({
      option,
      came: describe(value),
      expected: `a rate from "100B/s" to "1000GB/s"`,
      remedy: rate === null ? `Write a number and its unit, as in "100KiB/s", "1MB/s" or "8Mbit/s"` : undefined,
    });
  }
  return rate;
}

const STEPS: readonly (readonly [string, number])[] = [
  ["s", 1e9],
  ["ms", 1e6],
  ["us", 1e3],
  ["ns", 1],
];

/** Nanoseconds as a person would write them, at most four digits behind the point: `8.5ms`. */
export function formatDuration(ns: number): string {
  const [unit, factor] = STEPS.find(([, size]) => ns >= size) ?? ["ns", 1];
  return `${String(Number((ns / factor).toFixed(4)))}${unit}`;
}

const RATE_STEPS: readonly (readonly [string, number])[] = [
  ["GiB/s", 2 ** 30],
  ["MiB/s", 2 ** 20],
  ["KiB/s", 2 ** 10],
  ["B/s", 1],
];

/** Bytes per second as a person would write them, at most two digits behind the point: `100KiB/s`. */
export function formatRate(bytesPerSecond: number): string {
  const [unit, factor] = RATE_STEPS.find(([, size]) => bytesPerSecond >= size) ?? ["B/s", 1];
  return `${String(Number((bytesPerSecond / factor).toFixed(2)))}${unit}`;
}
