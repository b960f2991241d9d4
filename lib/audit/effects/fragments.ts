/** Outer fragments: what no constant tunnel should need, and which pieces there are. */
import type { HeaderCount, Observation } from "../observation.js";
import { percent, type Effect } from "./effect.js";

/** More fragments follow: the lowest of the flags. */
const MORE = 1;

/** Whether a direction's datagrams come in fragments, and whether these are alike. */
export function fragmentEffects({ headers, fragments = [] }: Observation): Effect[] {
  const total = countOf(headers);
  const first = countOf(headers.filter(({ fields }) => (fields.flags & MORE) !== 0));
  const later = countOf(fragments);
  if (first + later === 0) return [];
  const share = total === 0 ? 1 : first / total;
  const whole = first === total ? "every datagram comes" : `${percent(share)} of the datagrams come`;
  const words = `${whole} in fragments (${first} first ones, ${later} later ones): a length of the outer packets that fits the path needs none`;
  return [{ effect: "fragments", measure: share, p: 0, words }, ...varied(fragments)];
}

/** Later fragments that begin at one place must have one length, and one TTL. */
function varied(fragments: readonly HeaderCount[]): Effect[] {
  const offsets = [...new Set(fragments.map(({ fields }) => fields.fragmentOffset))];
  return offsets.flatMap((offset): Effect[] => {
    const here = fragments.filter(({ fields }) => fields.fragmentOffset === offset);
    return (["length", "ttl", "dscp", "ecn", "flags"] as const).flatMap((field): Effect[] => {
      const values = new Map<number, number>();
      for (const { fields, count } of here) values.set(fields[field], (values.get(fields[field]) ?? 0) + count);
      if (values.size < 2) return [];
      const list = [...values].slice(0, 3).map(([value, count]) => `${value} (${count})`);
      const words = `${field === "ttl" ? "TTL" : field} of fragments that begin at byte ${8 * offset} is not constant: ${list.join(", ")}`;
      return [{ effect: "headers", measure: values.size - 1, p: 0, words }];
    });
  });
}

function countOf(counts: readonly HeaderCount[]): number {
  return counts.reduce((sum, { count }) => sum + count, 0);
}
