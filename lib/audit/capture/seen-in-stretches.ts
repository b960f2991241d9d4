/**
 * From the times of one direction to what was seen in each stretch. Where the clock was set back, the stretch is cut:
 * no gap is taken over that seam, and the times behind it go on after those before it.
 */
import { Growing } from "../growing.js";
import type { Seen, Stretch } from "../observation.js";
import type { Order, SetBack } from "./clock.js";
import { stretchFinder } from "./stretch-finder.js";

/** One interface's datagrams of a direction, in the order of the file. */
export interface Timed {
  timesNs: Float64Array;
  order: Order;
}

/** What was seen, and what couldn't be put into a stretch. */
export interface InStretches {
  seen: Seen[];
  /** Datagrams of times that the clock showed twice, in two stretches. */
  ambiguous: number;
}

export function seenInStretches(
  lists: readonly Timed[],
  stretches: readonly Stretch[],
  originS: number,
  setBacks: readonly SetBack[],
): InStretches {
  const eras = setBacks.length + 1;
  const found = Array.from({ length: eras }, () => stretches.map(() => new Growing()));
  const addNs = Array.from({ length: eras }, (_, era) =>
    setBacks.slice(0, era).reduce((sum, step) => sum + step.addNs, 0),
  );
  const edges = stretches.flatMap(({ from, to }) => [(from - originS) * 1e9, (to - originS) * 1e9]);
  // If a stretch begins or ends among times that came twice, nobody knows on which side such a datagram is.
  const twice = setBacks.filter(({ beforeNs, afterNs }) => edges.some((edge) => afterNs < edge && edge < beforeNs));
  const spans = extents(lists, eras);
  let ambiguous = 0;
  for (const { timesNs, order } of lists) {
    const stretchAt = stretchFinder(stretches);
    let era = 0;
    timesNs.forEach((time, index) => {
      while (era < order.steps.length && index >= order.steps[era]!.index) era += 1;
      const stretch = stretchAt(time, originS);
      if (stretch < 0) return;
      const unclear = twice.some((step) => {
        const number = setBacks.indexOf(step);
        const [before, after] = [spans[number]!, spans[number + 1]!];
        return time > Math.max(before.from, after.from) && time < Math.min(before.to, after.to);
      });
      if (unclear) ambiguous += 1;
      else found[era]![stretch]!.push(time + addNs[era]!);
    });
  }
  const seen = stretches.flatMap(({ from, to, label }, stretch): Seen[] => {
    const parts = found.map((each, era) => ({ era, timesNs: each[stretch]!.sorted() }));
    const filled = parts.filter(({ timesNs }) => timesNs.length > 0);
    return (filled.length > 0 ? filled : parts.slice(0, 1)).map(({ era, timesNs }) => {
      const begins = Math.max((from - originS) * 1e9, era > 0 ? setBacks[era - 1]!.afterNs : -Infinity);
      const ends = Math.min((to - originS) * 1e9, era < setBacks.length ? setBacks[era]!.beforeNs : Infinity);
      const fromNs = begins + addNs[era]!;
      return { label, fromNs, toNs: Math.max(ends + addNs[era]!, fromNs), timesNs };
    });
  });
  return { seen: seen.sort((one, other) => one.fromNs - other.fromNs), ambiguous };
}

/** First and last time of each era, of all lists. */
function extents(lists: readonly Timed[], eras: number): { from: number; to: number }[] {
  return Array.from({ length: eras }, (_, era) => {
    let [from, to] = [Infinity, -Infinity];
    for (const { timesNs, order } of lists) {
      const begin = era === 0 ? 0 : order.steps[era - 1]!.index;
      const end = order.steps[era]?.index ?? timesNs.length;
      for (let at = begin; at < end; at += 1) {
        from = Math.min(from, timesNs[at]!);
        to = Math.max(to, timesNs[at]!);
      }
    }
    return { from, to };
  });
}
