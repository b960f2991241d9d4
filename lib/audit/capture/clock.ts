/**
 * The capturing machine's clock. If it was set back, the packets after that are out of order until the old time is
 * reached again, and those before and after are mixed. Captures of several cores are out of order too, by a little.
 * There, a packet that comes late fits into a hole that was left for it.
 */
import { median } from "../../statistics/quantile.js";

/**
 * A packet that is behind by more than this, 2 s, is not just out of order: no capture's buffers hold it for so long.
 */
const MOST_DISORDER_NS = 2e9;
/** Fewest datagrams in a row that are behind. Fewer are put in order, because they can't be told from a disorder. */
const FEWEST_BEHIND = 4;
/** Most steps that are believed. A file with more is out of order for another reason. */
const MOST_STEPS = 50;
/** Gaps by which two directions' view of one step may differ. */
const TOLERANCE = 3;

/** The clock was set back between two datagrams of one list. */
export interface Step {
  /** Of the first datagram afterwards. */
  index: number;
  /** The latest time before it, and the first one after it. */
  beforeNs: number;
  afterNs: number;
}

/** Steps of one list, and how many datagrams of it are behind others without one. */
export interface Order {
  steps: Step[];
  behind: number;
  /** The usual gap. */
  gapNs: number;
}

/** @param timesNs of one direction and one interface, as they stand in the file */
export function orderOf(timesNs: Float64Array): Order {
  const gapNs = usualGap(timesNs);
  const order: Order = { steps: [], behind: 0, gapNs };
  let latest = -Infinity;
  let begin = 0;
  for (let at = 0; at < timesNs.length; at += 1) {
    const time = timesNs[at]!;
    if (time >= latest) {
      latest = time;
      continue;
    }
    let end = at;
    let [from, to] = [time, time];
    while (end < timesNs.length && timesNs[end]! < latest) {
      from = Math.min(from, timesNs[end]!);
      to = Math.max(to, timesNs[end]!);
      end += 1;
    }
    const block = end - at;
    const { between, above } = countBefore(timesNs, begin, at, from, to);
    // The shorter of the two rows decides, because one may reach to where there was nothing yet.
    const interleaved = block >= FEWEST_BEHIND && between >= Math.min(block, between + above) / 2 && between > 1;
    if (order.steps.length < MOST_STEPS && (interleaved || latest - time > MOST_DISORDER_NS)) {
      order.steps.push({ index: at, beforeNs: latest, afterNs: time });
      latest = time;
      begin = at;
      continue;
    }
    order.behind += block;
    at = end - 1;
  }
  return order;
}

/** Of the packets since the last step: how many lie in a span, and above it. They are almost in order. */
function countBefore(timesNs: Float64Array, begin: number, end: number, from: number, to: number) {
  let [between, above] = [0, 0];
  let strays = 0;
  for (let at = end - 1; at >= begin && strays < FEWEST_BEHIND; at -= 1) {
    const time = timesNs[at]!;
    if (time < from) strays += 1;
    else if (time <= to) between += 1;
    else above += 1;
  }
  return { between, above };
}

function usualGap(timesNs: Float64Array): number {
  const gaps: number[] = [];
  for (let at = 1; at < timesNs.length; at += 1) {
    const gap = timesNs[at]! - timesNs[at - 1]!;
    if (gap > 0) gaps.push(gap);
  }
  return gaps.length === 0 ? 0 : median(Float64Array.from(gaps));
}

/** One setting back, as all lists have it. */
export interface SetBack {
  beforeNs: number;
  afterNs: number;
  /** What is added to times afterwards, so that they go on behind those before. */
  addNs: number;
}

/**
 * Agrees on steps. A step that one list shows is looked for in the others, and each step adds the same to all lists.
 *
 * @param lists each with its order, whose steps become the agreed ones, one for one
 */
export function agree(lists: readonly { timesNs: Float64Array; order: Order }[]): SetBack[] {
  const most = lists.reduce((one, other) => (other.order.steps.length > one.order.steps.length ? other : one));
  const gapNs = Math.max(...lists.map(({ order }) => order.gapNs));
  const agreed = most.order.steps.map(({ beforeNs, afterNs }): SetBack => ({ beforeNs, afterNs, addNs: 0 }));
  for (const { timesNs, order } of lists) {
    order.steps = agreed.map((step) => find(timesNs, order, step, TOLERANCE * gapNs));
  }
  agreed.forEach((step, number) => {
    const back = lists.map(({ order }) => order.steps[number]!).map(({ beforeNs, afterNs }) => beforeNs - afterNs);
    // Beyond the longest gap that is drawn.
    step.addNs = Math.max(...back) + 2 * gapNs;
  });
  return agreed;
}

function find(timesNs: Float64Array, { steps }: Order, { beforeNs, afterNs }: SetBack, toleranceNs: number): Step {
  const close = (time: number, wanted: number) => Math.abs(time - wanted) <= toleranceNs;
  const own = steps.find((step) => close(step.beforeNs, beforeNs) && close(step.afterNs, afterNs));
  if (own !== undefined) return own;
  for (let at = 1; at < timesNs.length; at += 1) {
    const [before, after] = [timesNs[at - 1]!, timesNs[at]!];
    if (after < before && close(before, beforeNs) && close(after, afterNs)) {
      return { index: at, beforeNs: before, afterNs: after };
    }
  }
  // Too few datagrams were behind to show it: they are put in order, and what comes later goes on behind them.
  const later = timesNs.findIndex((time) => time > beforeNs);
  return { index: later < 0 ? timesNs.length : later, beforeNs, afterNs: beforeNs };
}
