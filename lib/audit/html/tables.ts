/** The tables of the page: n95 per pair with bars, conditions, header fields. */
import type { AuditDirection, AuditN95, AuditPair } from "../../../types/audit.js";
import { FIELD_NAMES } from "../effects/headers.js";
import type { HeaderFields } from "../observation.js";
import { count, span } from "../verdict.js";
import { escape } from "./escape.js";

/** Heads of columns of numbers begin with this. */
const NUMBERS = "#";

/** The bars' logarithmic axis: from a handful of intervals to more than anybody watches. */
const [LEAST, MOST] = [1, 1e9];
/** Send errors, as far as deadlines are known. */
const ERROR_COLUMNS = [
  ["p50Us", "#send error p50, us"],
  ["p90Us", "#p90"],
  ["p99Us", "#p99"],
  ["p999Us", "#p99.9"],
  ["maxUs", "#longest"],
] as const;
/** Values of a header field that are listed. */
const SHOWN = 4;

function figure(n95: AuditN95 | null): string {
  if (n95 === null) return "too few gaps";
  if (n95.atLeast) return `at least ${count(n95.low)}`;
  return `${count(n95.estimate ?? n95.low)} <span class="soft">(${count(n95.low)} at least)</span>`;
}

function bar(n95: AuditN95 | null): string {
  if (n95 === null) return "";
  const value = Math.min(Math.max(n95.atLeast ? n95.low : (n95.estimate ?? n95.low), LEAST), MOST);
  const width = (100 * Math.log(value / LEAST)) / Math.log(MOST / LEAST);
  return `<div class="bar"><i${n95.atLeast ? ' class="open"' : ""} style="width:${width.toFixed(1)}%"></i></div>`;
}

export function pairTable(pairs: readonly AuditPair[], directions: readonly AuditDirection[]): string {
  const rows = pairs.map(({ direction, a, b, control, n95, n95AllSlots, attacker, findings }) => {
    const interval = directions.find((each) => each.direction === direction)?.intervalNs ?? 0;
    const time = n95 === null ? "" : span((n95.low * interval) / 1e9);
    const what = control ? `${escape(a)}, control` : `${escape(b)} - ${escape(a)}`;
    const learned = attacker === null ? "" : `${(100 * attacker.accuracy).toFixed(1)} %`;
    return `<tr${control ? ' class="control"' : ""}><td>${escape(direction)}</td><td class="name">${what}</td><td class="n">${figure(n95)}</td><td>${bar(n95)}</td><td class="n">${time}</td><td class="n">${figure(n95AllSlots)}</td><td class="n">${learned}</td><td class="n">${findings.length}</td></tr>`;
  });
  return table(
    [
      "",
      "compared",
      "#n95 of the bulk",
      "1 to 10^9",
      "#of traffic, at least",
      "#n95 of all slots",
      "#learned attacker",
      "#findings",
    ],
    rows,
  );
}

export function conditionTable({ conditions }: AuditDirection): string {
  const rows = conditions.map(({ label, stretches, seconds, datagrams, skipped, gapSdUs, sendErrors }) => {
    const cells = [String(stretches), seconds.toFixed(0), datagrams.toLocaleString("en"), skipped.toLocaleString("en")];
    const errors = ERROR_COLUMNS.map(([of]) => (sendErrors === null ? "" : significant(sendErrors[of])));
    const numbers = [...cells, significant(gapSdUs), ...errors].map((cell) => `<td class="n">${cell}</td>`).join("");
    return `<tr><td class="name">${escape(label)}</td>${numbers}</tr>`;
  });
  const heads = ["condition", "#stretches", "#seconds", "#datagrams", "#skipped or very late", "#sd of gaps, us"];
  return table([...heads, ...ERROR_COLUMNS.map(([, head]) => head)], rows);
}

/** Three digits that count, and no exponent. */
function significant(value: number): string {
  return value.toLocaleString("en", { maximumSignificantDigits: 3 });
}

export function headerTable({ headers }: AuditDirection): string {
  const rows = headers
    .filter(({ values }) => values.length > 0)
    .map(({ field, values }) => {
      const shown = values.slice(0, SHOWN).map(({ value, counts }) => {
        const where = Object.entries(counts).map(([label, times]) => `${escape(label)} ${times.toLocaleString("en")}`);
        return `<b>${escape(value)}</b> <span class="soft">${where.join(", ")}</span>`;
      });
      const more = values.length > SHOWN ? `<br>and ${values.length - SHOWN} more` : "";
      const odd = values.length > 1 && field !== "identification" ? ' class="bad-text"' : "";
      return `<tr><td${odd}>${FIELD_NAMES[field as keyof HeaderFields]}</td><td>${shown.join("<br>")}${more}</td></tr>`;
    });
  return table(["field", "values, with datagrams by condition"], rows);
}

function table(heads: readonly string[], rows: readonly string[]): string {
  const head = heads
    .map((text) => (text.startsWith(NUMBERS) ? `<th class="n">${text.slice(1)}</th>` : `<th>${text}</th>`))
    .join("");
  return `<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${rows.join("")}</tbody></table></div>`;
}
