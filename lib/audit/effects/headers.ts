/** Header fields: in a constant tunnel each has one value, whatever happens. */
import { chiSquaredP } from "../../statistics/two-sample.js";
import { OUTSIDE, type HeaderCount, type HeaderFields, type Observation } from "../observation.js";
import type { Effect } from "./effect.js";

/** Names that people know them by. */
export const FIELD_NAMES: Readonly<Record<keyof HeaderFields, string>> = {
  version: "IP version",
  length: "IP length",
  ttl: "TTL",
  dscp: "DSCP",
  ecn: "ECN",
  flags: "IP flags",
  fragmentOffset: "fragment offset",
  flowLabel: "flow label",
  headerLength: "IP header length",
  protocol: "protocol",
  sourcePort: "source port",
  destinationPort: "destination port",
  identification: "IP identification",
  udpChecksum: "UDP checksum",
};

/** One value of a field. */
export interface FieldValue {
  value: string;
  /** Datagrams by condition. */
  counts: Record<string, number>;
  firstNs: number;
  lastNs: number;
}

/** Every value that a field had, the most frequent first. */
export function fieldValues(headers: readonly HeaderCount[], field: keyof HeaderFields): FieldValue[] {
  const values = new Map<string, FieldValue>();
  for (const { label, fields, count, firstNs, lastNs } of headers) {
    const value = String(fields[field]);
    const known = values.get(value) ?? { value, counts: {}, firstNs, lastNs };
    known.counts[label] = (known.counts[label] ?? 0) + count;
    known.firstNs = Math.min(known.firstNs, firstNs);
    known.lastNs = Math.max(known.lastNs, lastNs);
    values.set(value, known);
  }
  const total = ({ counts }: FieldValue) => Object.values(counts).reduce((sum, count) => sum + count, 0);
  return [...values.values()].sort((one, other) => total(other) - total(one));
}

/** Fields that may vary from datagram to datagram without saying anything; their behaviour is compared all the same. */
const VARYING: readonly (keyof HeaderFields)[] = ["identification"];

/** Fields that have several values in the whole capture, whatever the condition. */
export function variedHeaders({ headers }: Observation): Effect[] {
  return (Object.keys(FIELD_NAMES) as (keyof HeaderFields)[])
    .filter((field) => !VARYING.includes(field))
    .flatMap((field): Effect[] => {
      const [most, ...others] = fieldValues(headers, field);
      if (most === undefined || others.length === 0) return [];
      const count = ({ counts }: FieldValue) => Object.values(counts).reduce((sum, each) => sum + each, 0);
      const odd = others.reduce((sum, each) => sum + count(each), 0);
      const [first] = others as [FieldValue];
      const where = Object.keys(first.counts)
        .map((label) => (label === OUTSIDE ? "outside of the stretches" : `in "${label}"`))
        .join(", ");
      const times = `${(first.firstNs / 1e9).toFixed(1)} to ${(first.lastNs / 1e9).toFixed(1)} s`;
      const more = others.length > 1 ? `, and ${others.length - 1} more values` : "";
      const words = `${FIELD_NAMES[field]} is not constant: ${most.value} in ${count(most)} datagrams, ${first.value} in ${count(first)} (${where}, ${times})${more}`;
      return [{ effect: "headers", measure: odd, p: 0, words }];
    });
}

/** Does a field have another mixture of values under one condition than under another? */
export function headerEffects({ headers }: Observation, a: string, b: string): Effect[] {
  return (Object.keys(FIELD_NAMES) as (keyof HeaderFields)[]).flatMap((field): Effect[] => {
    const values = fieldValues(headers, field).filter(({ counts }) => (counts[a] ?? 0) + (counts[b] ?? 0) > 0);
    if (values.length < 2) return [];
    const [n, m] = [a, b].map((label) => values.reduce((sum, { counts }) => sum + (counts[label] ?? 0), 0));
    if (!n || !m) return [];
    // Expected counts may be small here; the G-test bears that better than Pearson's.
    const part = (count: number, expected: number) => (count > 0 ? 2 * count * Math.log(count / expected) : 0);
    let statistic = 0;
    for (const { counts } of values) {
      const [x, y] = [counts[a] ?? 0, counts[b] ?? 0];
      statistic += part(x, ((x + y) * n) / (n + m)) + part(y, ((x + y) * m) / (n + m));
    }
    const p = chiSquaredP(statistic, values.length - 1);
    const share = (label: string, total: number) => (values[0]!.counts[label] ?? 0) / total;
    const list = values
      .slice(0, 3)
      .map(({ value, counts }) => `${value} (${counts[a] ?? 0} against ${counts[b] ?? 0})`);
    const words = `${FIELD_NAMES[field]} goes with the condition: ${list.join(", ")}`;
    return [{ effect: "headers", measure: Math.abs(share(a, n) - share(b, m)), p, words }];
  });
}
