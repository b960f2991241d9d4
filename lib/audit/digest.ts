/** A report shortened for a reader: what holds of several pairs or conditions is said once. */
import type { AuditPair, AuditReport } from "../../types/audit.js";

/** Each piece of advice, and for which conditions. */
export function adviceOnce(pairs: readonly AuditPair[]): { words: string; where: string[] }[] {
  const where = new Map<string, Set<string>>();
  for (const { direction, b, advice } of pairs) {
    for (const words of advice) where.set(words, (where.get(words) ?? new Set()).add(`${direction}, ${b}`));
  }
  return [...where].map(([words, places]) => ({ words, where: [...places] }));
}

/**
 * The clearest finding of each effect in each direction, of those of single conditions, and where else it was found.
 */
export function findingsOnce(findings: AuditReport["findings"]): string[] {
  const groups = new Map<string, AuditReport["findings"]>();
  for (const finding of findings) {
    const key = `${finding.direction} ${finding.effect}`;
    groups.set(key, [...(groups.get(key) ?? []), finding]);
  }
  return [...groups.values()].map(([first, ...rest]) => {
    const { direction, label, words } = first!;
    const others = new Set(rest.flatMap((finding) => finding.label ?? []));
    others.delete(label ?? "");
    const also = others.size === 0 ? "" : `; less clearly also under ${[...others].join(", ")}`;
    return `${direction}${label === null ? "" : `, ${label}`}: ${words}${also}`;
  });
}
