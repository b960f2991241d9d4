/** What a schedule may be like: the protocol's bounds, and the jitter that a direction has unless told otherwise. */
import { durationNs, type DurationRange } from "./units.js";

/** The protocol's: outer IP lengths in bytes. The greatest is an IP packet's own. */
export const LENGTH_RANGE = { min: 100, max: 65_535 };
/** The protocol's: mean intervals. */
export const INTERVAL_RANGE: DurationRange = { min: "10us", max: "1s" };
export const INTERVAL_RANGE_NS = { min: durationNs(INTERVAL_RANGE.min)!, max: durationNs(INTERVAL_RANGE.max)! };
/** The protocol's: timeouts that an end may ask for. */
export const TIMEOUT_RANGE: DurationRange = { min: "1ms", max: "24h" };

/**
 * Ours: default half width of the jitter as a part of the mean. How many intervals an observer needs grows with its
 * fourth power. The time that a packet waits grows by 2 % at this width (docs/jitter.md).
 */
export const JITTER_PART = 0.5;
