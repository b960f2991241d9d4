/** The doctor's report for people: what is wrong first, what to do as commands, what is fine in one line. */
import { isWorse, worstOf, type Found, type Group, type Severity } from "./finding.js";
import type { Recommendation } from "./recommend.js";
import type { DoctorReport } from "./report.js";

export interface Style {
  colours: boolean;
  columns: number;
}

const GROUPS: Readonly<Record<Group, string>> = {
  scheduling: "Scheduling",
  cores: "Cores and power",
  machine: "Virtual machine",
  clocks: "Clocks",
  network: "Network",
  memory: "Memory",
};

const LABELS: Readonly<Record<Severity, string>> = { problem: "PROBLEM", warning: "WARNING", note: "note", ok: "ok" };
/** ECMA-48: red, yellow, cyan, green. */
const COLOURS: Readonly<Record<Severity, number>> = { problem: 31, warning: 33, note: 36, ok: 32 };
/** Columns before the text of a finding. */
const INDENT = 11;
/** Lines longer than this are hard to read, however wide the terminal. */
const WIDEST = 110;
/** Paths that are named of those that couldn't be seen. */
const SHOWN = 3;

export function renderReport({ findings, recommendation, unseen, uid }: DoctorReport, style: Style): string {
  const bad = findings.filter(({ severity }) => severity !== "ok");
  const groups = (Object.keys(GROUPS) as Group[])
    .map((group) => ({ group, findings: bad.filter((finding) => finding.group === group).sort(worstFirst) }))
    .filter((each) => each.findings.length > 0)
    .sort((a, b) => worstFirst({ severity: worstOf(a.findings) }, { severity: worstOf(b.findings) }));
  const parts = groups.map(({ group, findings }) =>
    [GROUPS[group], ...findings.map((finding) => renderFinding(finding, style))].join("\n"),
  );
  return [
    headline(findings),
    ...parts,
    renderRecommendation(recommendation, style),
    ...fine(findings, style),
    ...fixes(findings, style),
    ...notSeen(unseen, uid, style),
  ].join("\n\n");
}

function worstFirst(a: { severity: Severity }, b: { severity: Severity }): number {
  if (a.severity === b.severity) return 0;
  return isWorse(a.severity, b.severity) ? -1 : 1;
}

function headline(findings: readonly Found[]): string {
  const counts = (["problem", "warning", "note"] as const).flatMap((severity) => {
    const count = findings.filter((finding) => finding.severity === severity).length;
    return count === 0 ? [] : [`${count} ${severity}${count === 1 ? "" : "s"}`];
  });
  return `i405 doctor: ${counts.join(", ") || "nothing to say against this machine"}`;
}

function renderFinding(finding: Found, style: Style): string {
  const { severity, what, cost, evidence, remedy = [], advice, check } = finding;
  const label = LABELS[severity].padEnd(INDENT - 2);
  const coloured = style.colours ? `\x1b[${COLOURS[severity]}m${label}\x1b[0m` : label;
  const [first = "", ...rest] = wrap(`${what} [${check}]`, style);
  const lines = [
    `  ${coloured}${first}`,
    ...rest.map(indented),
    ...(cost === undefined ? [] : wrap(cost, style).map(indented)),
    ...wrap(`(${evidence})`, style).map(indented),
    // Commands stay whole, so that they can be copied.
    ...remedy.map((command) => indented(`$ ${command}`)),
    ...(advice === undefined ? [] : wrap(advice, style).map(indented)),
  ];
  return lines.join("\n");
}

function indented(line: string): string {
  return `${" ".repeat(INDENT)}${line}`;
}

function renderRecommendation({ flags, reasons }: Recommendation, style: Style): string {
  const narrow = { ...style, columns: style.columns - INDENT };
  const lines = reasons.flatMap((reason) =>
    wrap(reason, narrow).map((line, index) => `  ${index === 0 ? "-" : " "} ${line}`),
  );
  return [`Recommended here: ${flags}`, ...lines].join("\n");
}

function fine(findings: readonly Found[], style: Style): string[] {
  const bad = new Set(findings.filter(({ severity }) => severity !== "ok").map(({ title }) => title));
  const good = [...new Set(findings.map(({ title }) => title))].filter((title) => !bad.has(title));
  return good.length === 0 ? [] : [wrap(`Fine: ${good.join(", ")}.`, style).join("\n")];
}

function fixes(findings: readonly Found[], style: Style): string[] {
  const names = (consent: boolean) => [
    ...new Set(
      findings.flatMap(({ check, fix }) =>
        fix === undefined || (fix.onlyIfAsked !== undefined) !== consent ? [] : [check],
      ),
    ),
  ];
  const [plain, asked] = [names(false), names(true)];
  const lines = [
    ...(plain.length === 0 ? [] : [`\`i405 doctor --fix\` mends ${plain.join(", ")}; --undo puts it back.`]),
    ...(asked.length === 0 ? [] : [`Only by name, because it costs something: --fix=${asked.join(",")}`]),
  ];
  return lines.length === 0 ? [] : [lines.flatMap((line) => wrap(line, style)).join("\n")];
}

function notSeen(unseen: readonly string[], uid: number, style: Style): string[] {
  if (unseen.length === 0) return [];
  const some = `${unseen.slice(0, SHOWN).join(", ")}${unseen.length > SHOWN ? ", ..." : ""}`;
  const who = uid === 0 ? "though this is root" : "without root; sudo i405 doctor sees more";
  return [
    wrap(`Not seen, ${who}: ${unseen.length} file${unseen.length === 1 ? "" : "s"} (${some}).`, style).join("\n"),
  ];
}

/** Lines that fit behind the indent. */
function wrap(text: string, { columns }: Style): string[] {
  const width = Math.max(30, Math.min(columns, WIDEST) - INDENT);
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + word.length >= width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
