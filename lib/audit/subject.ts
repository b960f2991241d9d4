/** Makes observations ready for comparing: their schedule, send errors where the schedule is a grid, the clip. */
import { gridErrors } from "./grid.js";
import { allGaps } from "./gaps.js";
import type { Subject } from "./compare.js";
import { withJitter, type Assumed } from "./assume.js";
import type { Remarks } from "./analyse.js";
import type { Observation } from "./observation.js";
import { findSchedule, requireInterval, type KnownSchedule } from "./schedule.js";
import { auditWarning } from "./warnings.js";
import { clipOf } from "./windows.js";

/** Gaps that a direction must have to be looked at. */
export const FEWEST_GAPS = 200;

/**
 * @returns null for a direction with too few datagrams to say anything
 * @throws {I405Error} `ERR_I405_CAPTURE` if its interval can't be right
 */
export function subjectOf(
  observation: Observation,
  known: KnownSchedule,
  assumed: Assumed | undefined,
): Subject | null {
  const gaps = allGaps(observation.seen);
  if (gaps.length < FEWEST_GAPS) return null;
  const schedule = findSchedule(gaps, known);
  requireInterval(observation, schedule);
  // Sorts the gaps in place: nobody needs their order any more.
  const clip = clipOf(gaps);
  if (schedule.jitterNs === 0) {
    for (const seen of observation.seen) seen.errorsNs ??= gridErrors(seen.timesNs, schedule.intervalNs);
  }
  const view = { observation, schedule, clip };
  if (assumed === undefined || schedule.jitterNs > 0) return { ...view, shown: view };
  const shown = withJitter(observation, schedule.intervalNs, assumed);
  const shownSchedule = { ...schedule, ...assumed };
  return { ...view, shown: { observation: shown, schedule: shownSchedule, clip: clipOf(allGaps(shown.seen)) } };
}

/** What there is to say of directions that couldn't be looked at. */
export function directionRemarks(observations: readonly Observation[], subjects: readonly Subject[]): Remarks {
  const seen = new Set(subjects.map(({ observation }) => observation.direction));
  const untold = observations
    .filter(({ direction }) => !seen.has(direction))
    .map(({ direction, seen }) => {
      const gaps = allGaps(seen).length;
      return `${direction}: it has ${gaps} gaps inside the stretches, of ${FEWEST_GAPS} that are needed`;
    });
  const missing = ["up", "down"].filter((name) => observations.every(({ direction }) => direction !== name));
  const warnings = missing.map((direction) =>
    auditWarning(
      "I405_AUDIT_DIRECTION",
      `nothing of the direction ${direction} was seen, and nothing is said of it`,
      "Capture both ways, or know that the other one isn't audited",
    ),
  );
  return { warnings, untold };
}
