/**
 * Echoes: is a slot delayed by something that happens just before it? That is an inner packet that comes in, or a
 * datagram of the other direction that arrives.
 *
 * If deadlines are known, the slot's send error is looked at. If not, the gap *after* the slot is, which is shorter by
 * the slot's lateness. The gap before would say as much, but a longer gap also holds more events, so its length goes
 * with their number even if nothing leaks.
 */
import { median } from "../../statistics/quantile.js";
import { welch } from "../../statistics/two-sample.js";
import type { Seen } from "../observation.js";
import type { Schedule } from "../schedule.js";
import type { Clip } from "../windows.js";
import { short, us, type Effect, type EffectName } from "./effect.js";

/** How long before a slot an event may lie, as shares of the shortest interval. */
const REACHES = [0.9, 0.45, 0.1, 0.02];
/** Slots with and without an event that a test needs. */
const FEWEST = 100;

/**
 * @param events ascending, in the time of the observation
 * @param what they are, for the words: `an inner packet`
 */
export function echoEffects(
  effect: EffectName & `echo-${string}`,
  seen: readonly Seen[],
  events: Float64Array,
  schedule: Schedule,
  clip: Clip,
  what: string,
): Effect[] {
  return REACHES.flatMap((reach): Effect[] => {
    const reachNs = reach * (schedule.intervalNs - schedule.jitterNs || schedule.intervalNs);
    const groups: [number[], number[]] = [[], []];
    for (const stretch of seen) sortOut(stretch, events, reachNs, schedule, clip, groups);
    const [without, having] = groups;
    if (Math.min(without.length, having.length) < FEWEST) return [];
    const { statistic, p } = welch(without, having);
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const delay = mean(having) - mean(without);
    const words = `${what} within ${us(reachNs)} before a slot makes it ${us(Math.abs(delay))} ${delay > 0 ? "later" : "earlier"} (${short(Math.abs(statistic))} standard errors)`;
    return [{ effect, measure: delay, p, words }];
  });
}

/** Puts the lateness of each slot, but for a constant, into the group without or with an event before it. */
function sortOut(
  { timesNs, errorsNs }: Seen,
  events: Float64Array,
  reachNs: number,
  { intervalNs }: Schedule,
  { low, high }: Clip,
  groups: [number[], number[]],
): void {
  let event = 0;
  const before = (time: number, earliest: number) => {
    while (event < events.length && events[event]! < earliest) event += 1;
    return event < events.length && events[event]! < time;
  };
  if (errorsNs !== undefined) {
    // One error for each slot, NaN for the skipped: the n-th that isn't is the n-th datagram's.
    let datagram = 0;
    const bulk = median(errorsNs.filter((error) => !Number.isNaN(error)));
    for (const error of errorsNs) {
      if (Number.isNaN(error)) continue;
      const time = timesNs[datagram++];
      if (time === undefined) return;
      if (Math.abs(error - bulk) > intervalNs / 2) continue;
      // Reckoned from the deadline, to which a delay adds nothing.
      const deadline = time - error + bulk;
      groups[before(deadline, deadline - reachNs) ? 1 : 0].push(error);
    }
    return;
  }
  for (let at = 0; at + 1 < timesNs.length; at += 1) {
    const gap = timesNs[at + 1]! - timesNs[at]!;
    if (gap < low || gap > high) continue;
    const time = timesNs[at]!;
    groups[before(time, time - reachNs) ? 1 : 0].push(intervalNs - gap);
  }
}
