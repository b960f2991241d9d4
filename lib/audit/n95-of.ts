/** n95 of two conditions, by the best estimator that there is for what is known of the deadlines. */
import { binnedN95 } from "../statistics/binned-n95.js";
import { gapErrors, bulkOf } from "../statistics/gap-errors.js";
import { n95, type N95 } from "../statistics/n95.js";
import { jitterDensity } from "../statistics/jitter-density.js";
import { allErrors, allGaps } from "./gaps.js";
import type { Seen } from "./observation.js";
import type { Schedule } from "./schedule.js";

/** Where the bulk ends, on both sides. */
export const BULK = 0.999;
/** Resamples; the interval's ends are of two digits, no more. */
const RESAMPLES = 100;

/** n95 of the bulk, of all slots, and how it was found. */
export interface Distinguished {
  bulk: N95 | null;
  all: N95 | null;
  /** `deconvolved`: deadlines known, resolves far beyond the number of gaps. `histogram`: gaps as they are. */
  method: "deconvolved" | "histogram";
}

/** @param schedule with the jitter that n95 is given for */
export function distinguish(a: readonly Seen[], b: readonly Seen[], schedule: Schedule): Distinguished {
  const known = [...a, ...b].every(({ errorsNs }) => errorsNs !== undefined);
  if (known && schedule.jitterNs > 0) {
    const [one, other] = [allErrors(a), allErrors(b)];
    const of = (trim: number) => {
      if ([one, other].some((errors) => gapErrors(trim < 1 ? bulkOf(errors, trim) : errors).length < 100)) return null;
      const shape = jitterDensity(schedule.shape);
      return n95(one, other, { jitter: schedule.jitterNs, shape, trim, resamples: RESAMPLES });
    };
    return { bulk: of(BULK), all: of(1), method: "deconvolved" };
  }
  const [one, other] = [allGaps(a), allGaps(b)];
  return { bulk: binnedN95(one, other, { trim: BULK }), all: binnedN95(one, other), method: "histogram" };
}
