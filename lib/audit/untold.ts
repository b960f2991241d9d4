/** What could not be judged. Without packets nothing is found, and that is not the same as finding nothing. */
import type { AuditPair, AuditReport } from "../../types/audit.js";
import { formatDuration } from "../common/units.js";
import type { Subject } from "./compare.js";
import { count } from "./verdict.js";

/** A stretch must have this share of the datagrams that its schedule has slots for. */
const ENOUGH = 0.5;
/** Stretches of a direction that are named; the rest is counted. */
const MOST_NAMED = 5;

export function untoldOf({ complete, pairs, source }: AuditReport, subjects: readonly Subject[]): string[] {
  return [
    ...(complete ? [] : ["it was ended early, and not everything was compared"]),
    ...subjects.flatMap((subject) => emptyStretches(subject, source.fromS)),
    ...pairs.flatMap(pairUntold),
    ...subjects.flatMap(({ observation: { direction, seen } }) =>
      new Set(seen.map(({ label }) => label)).size > 1
        ? []
        : [`${direction}: there is one condition only, "${seen[0]?.label ?? ""}", and nothing to compare it with`],
    ),
  ];
}

function emptyStretches({ observation: { direction, seen }, schedule }: Subject, fromS: number): string[] {
  const beginsNs = Math.min(...seen.map(({ fromNs }) => fromNs));
  const few = seen.flatMap(({ label, fromNs, toNs, timesNs }) => {
    const due = (toNs - fromNs) / schedule.intervalNs;
    if (timesNs.length > 0 && timesNs.length >= ENOUGH * Math.floor(due)) return [];
    const when = (fromS + (fromNs - beginsNs) / 1e9).toFixed(1);
    const has = timesNs.length === 0 ? "no datagram" : `${count(timesNs.length)} datagrams`;
    const long = formatDuration(Math.round(toNs - fromNs));
    return [`${direction}: the stretch of "${label}" from ${when} on, ${long}, has ${has} of about ${count(due)}`];
  });
  const more = few.length - MOST_NAMED;
  return more > 0 ? [...few.slice(0, MOST_NAMED), `${direction}: and ${more} more stretches`] : few;
}

function pairUntold({ direction, a, b, control, n95, n95AllSlots, gaps }: AuditPair): string[] {
  if (n95 !== null && n95AllSlots !== null) return [];
  const what = control ? `the control of "${a}"` : `"${b}" against "${a}"`;
  return [`${direction}: ${what} has too few gaps (${gaps.map(count).join(" and ")}) to say anything`];
}
