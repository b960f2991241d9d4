/** The exit code of an audit, and why it isn't 0. */
import type { AuditReport } from "../../../types/audit.js";
import { EXIT_CANNOT_TELL, EXIT_OK, EXIT_WARNING } from "../exit-codes.js";

/** Effects that need no counting of intervals. */
const AT_ONCE = new Set(["headers", "bytes"]);

/** @param failUnder intervals; undefined: nothing was asked for */
export function judge(report: AuditReport, failUnder?: number): { code: number; why: string | null } {
  const { verdict, untold } = report;
  const [first = "nothing was compared"] = untold;
  if (failUnder === undefined) {
    if (verdict !== "cannot-tell") return { code: EXIT_OK, why: null };
    return { code: EXIT_CANNOT_TELL, why: `it cannot tell: ${first}` };
  }
  const { known, open } = weakest(report);
  if (known < failUnder) return { code: EXIT_WARNING, why: `an n95 is under ${failUnder} (${known})` };
  if (untold.length > 0) return { code: EXIT_CANNOT_TELL, why: `it cannot tell: ${first}` };
  if (open >= failUnder) return { code: EXIT_OK, why: null };
  const why = `it cannot tell: what was watched says no more than "at least ${Math.floor(open)}", and ${failUnder} is asked for; watch for longer`;
  return { code: EXIT_CANNOT_TELL, why };
}

/**
 * The least n95 of any two conditions. `known` is the least of those that were told apart, and 0 if something tells at
 * once. `open` is the least of those of which only "at least" can be said; more watching would raise it.
 */
function weakest({ pairs, findings }: AuditReport): { known: number; open: number } {
  const least = { known: Infinity, open: Infinity };
  const tellsAtOnce = (list: readonly { effect: string }[]) => list.some(({ effect }) => AT_ONCE.has(effect));
  if (tellsAtOnce(findings)) least.known = 0;
  for (const pair of pairs.filter(({ control }) => !control)) {
    if (tellsAtOnce(pair.findings)) least.known = 0;
    for (const n95 of [pair.n95, pair.n95AllSlots]) {
      if (n95 === null) continue;
      const side = n95.atLeast ? "open" : "known";
      least[side] = Math.min(least[side], n95.low);
    }
  }
  return least;
}
