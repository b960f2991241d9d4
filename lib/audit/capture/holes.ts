/**
 * Spans in which nothing at all was captured. The clock was set forward, or the capture lost packets, or the network
 * stood still. A sender is not the cause: it can't make both directions silent alike and then go on as if nothing had
 * happened.
 */
import { median } from "../../statistics/quantile.js";
import { gapsOf } from "../gaps.js";
import type { Seen } from "../observation.js";

/** A gap that no tunnel makes: in usual gaps of its direction, and at least 50 ms. */
const [LONG, LEAST_NS] = [20, 50e6];
/** Usual gaps by which the ends of both directions' gaps may differ. */
const TOLERANCE = 3;
/**
 * How many gaps after a hole must be as usual. A machine that stood still has everything that arrived meanwhile at
 * once.
 */
const AFTERWARDS = 3;
/** More holes than these are a property of what is watched, and compared like everything else. */
const MOST_HOLES = 3;

export interface Hole {
  fromNs: number;
  toNs: number;
  label: string;
}

/** Cuts stretches at holes that all directions have. */
export function cutHoles(directions: readonly Seen[][]): { directions: Seen[][]; holes: Hole[] } {
  const uncut = { directions: directions.map((seen) => [...seen]), holes: [] };
  const [first, ...others] = directions;
  if (first === undefined || others.length === 0) return uncut;
  const usual = directions.map(usualGap);
  const toleranceNs = TOLERANCE * Math.max(...usual);
  const candidates = directions.map((seen, index) => longGaps(seen, usual[index]!));
  const close = (one: Hole, other: Hole) =>
    Math.abs(one.fromNs - other.fromNs) < toleranceNs && Math.abs(one.toNs - other.toNs) < toleranceNs;
  const holes = candidates[0]!.filter((hole) =>
    candidates.slice(1).every((others) => others.some((other) => close(hole, other))),
  );
  if (holes.length === 0 || holes.length > MOST_HOLES) return uncut;
  const cut = directions.map((seen, index) => {
    const own = candidates[index]!.filter((gap) => holes.some((hole) => close(gap, hole)));
    return seen.flatMap((stretch) => cutAt(stretch, own));
  });
  return { directions: cut, holes };
}

function usualGap(seen: readonly Seen[]): number {
  return Math.max(0, ...seen.filter(({ timesNs }) => timesNs.length > 1).map(({ timesNs }) => median(gapsOf(timesNs))));
}

function longGaps(seen: readonly Seen[], usualNs: number): Hole[] {
  const long = Math.max(LONG * usualNs, LEAST_NS);
  return seen.flatMap(({ label, timesNs }) => {
    const found: Hole[] = [];
    for (let at = 1; at + AFTERWARDS < timesNs.length; at += 1) {
      const [fromNs, toNs] = [timesNs[at - 1]!, timesNs[at]!];
      if (toNs - fromNs <= long) continue;
      const afterwards = (timesNs[at + AFTERWARDS]! - toNs) / AFTERWARDS;
      if (afterwards > usualNs / 2) found.push({ fromNs, toNs, label });
    }
    return found;
  });
}

function cutAt(seen: Seen, holes: readonly Hole[]): Seen[] {
  const inside = holes.find(({ fromNs, toNs }) => seen.timesNs.includes(fromNs) && seen.timesNs.includes(toNs));
  if (inside === undefined) return [seen];
  const place = seen.timesNs.indexOf(inside.toNs);
  const { label, fromNs, toNs, timesNs } = seen;
  return [
    { label, fromNs, toNs: inside.fromNs, timesNs: timesNs.subarray(0, place) },
    ...cutAt(
      { label, fromNs: inside.toNs, toNs, timesNs: timesNs.subarray(place) },
      holes.filter((hole) => hole !== inside),
    ),
  ];
}
