/** The report as a short text for a terminal. */
import type { AuditPair, AuditReport } from "../../types/audit.js";
import { formatDuration } from "../common/units.js";
import { adviceOnce, findingsOnce } from "./digest.js";
import { count, span, tells } from "./verdict.js";
import { warningWords } from "./warnings.js";

/** Findings of a pair that the text has; the rest is in the other reports. */
const SHOWN = 3;

const PLACES: Readonly<Record<AuditReport["source"]["observedAt"], string>> = {
  capture: "as captured",
  peer: "as the other end received them",
  call: "at the call that sends",
  software: "by the kernel's transmit timestamps",
  hardware: "by the card's transmit timestamps",
};

/** What was watched, and how. */
export function sourceWords({ source, directions, complete }: AuditReport): string[] {
  const { file, format, observedAt, packets, seconds, port, endpoints, resolutionNs, otherPackets, cutOff } = source;
  const number = (count: number) => count.toLocaleString("en");
  const blind = directions.every(({ headers }) => headers.every(({ values }) => values.length === 0));
  const captured = format !== "observations";
  const left = captured ? "packets of others left out" : "slots that nobody could tell of";
  return [
    `${file}: ${number(packets)} ${captured ? "packets" : "datagrams"} in ${span(seconds)}`,
    ...(captured ? [] : [`sends ${PLACES[observedAt]}`]),
    ...(captured && port !== null ? [`port ${port}`] : []),
    ...(endpoints === null ? [] : [`between ${endpoints.client} and ${endpoints.server}`]),
    ...(captured ? [`timestamps of ${formatDuration(Math.max(resolutionNs, 1))}`] : []),
    ...(otherPackets > 0 ? [`${number(otherPackets)} ${left}`] : []),
    ...(cutOff ? ["the file ends within a packet"] : []),
    ...(blind ? ["header fields and bytes not looked at"] : []),
    ...(complete ? [] : ["ended early"]),
  ];
}

export function textOf(report: AuditReport): string {
  const { directions, pairs, findings } = report;
  const [head, ...notes] = sourceWords(report);
  const wires = directions.map(({ direction, intervalNs, jitterNs, jitterShape, guessed, assumedJitterNs }) => {
    const jitter = jitterNs === 0 ? "no jitter" : `jitter ${formatDuration(jitterNs)} ${jitterShape}`;
    const assumed = assumedJitterNs === null ? "" : `, n95 as for ${formatDuration(assumedJitterNs)} ${jitterShape}`;
    const how = guessed.length === 0 ? "" : ` (${guessed.join(", ")} guessed)`;
    return `${direction}: every ${formatDuration(intervalNs)}, ${jitter}${assumed}${how}`;
  });
  const alone = findingsOnce(findings).map((words) => `  ! ${words}`);
  const advice = adviceOnce(pairs).map(({ words, where }) => `  -> ${words} (${where.join("; ")})`);
  return [
    head!,
    `  ${notes.join(", ")}`,
    ...wires.map((line) => `  ${line}`),
    ...report.warnings.map((warning) => `  warning: ${warningWords(warning)}`),
    "",
    ...verdictLines(report),
    "",
    ...table(pairs),
    "",
    ...pairs.filter(({ control }) => !control).flatMap(pairLines),
    ...controlLines(pairs),
    ...(alone.length === 0 ? [] : ["", "Whatever is compared:", ...alone]),
    ...(advice.length === 0 ? [] : ["", "What would help:", ...advice]),
  ].join("\n");
}

/** What came of it, first of all. */
export function verdictLines({ verdict, untold }: AuditReport): string[] {
  const [first, ...more] = verdictWords({ verdict, untold });
  return [first!, ...more.map((why) => `  ${why}`)];
}

/** The verdict, and what could not be judged. */
export function verdictWords({ verdict, untold }: Pick<AuditReport, "verdict" | "untold">): string[] {
  switch (verdict) {
    case "leaks":
      return ["Verdict: something tells", ...untold.map((why) => `besides, nothing can be told of some of it: ${why}`)];
    case "nothing-found":
      return ["Verdict: nothing was found that tells"];
    case "cannot-tell":
      return ["Verdict: cannot tell. Nothing was found, but too little was seen", ...untold];
  }
}

function pairLines({ words, findings }: AuditPair): string[] {
  return [`* ${words}`, ...findings.slice(1, SHOWN).map((finding) => `    also: ${finding.words}`)];
}

/** Only those that say something. */
function controlLines(pairs: readonly AuditPair[]): string[] {
  const controls = pairs.filter(({ control }) => control);
  const speaking = controls.filter((pair) => tells(pair) || pair.n95 === null);
  const silent = controls.length - speaking.length;
  const rest =
    silent === 0 ? [] : [`  ${silent} of ${controls.length} controls: nothing tells them apart, as it should be`];
  return [...speaking.map(({ words }) => `  ${words}`), ...rest];
}

/** n95 per pair, all slots beside the bulk. */
function table(pairs: readonly AuditPair[]): string[] {
  const figure = (n95: AuditPair["n95"]) => {
    if (n95 === null) return "-";
    return n95.atLeast ? `>= ${count(n95.low)}` : `${count(n95.estimate ?? n95.low)} (${count(n95.low)} at least)`;
  };
  const rows = pairs.map(({ direction, a, b, control, n95, n95AllSlots, attacker, findings }) => [
    direction,
    control ? `${a}, control` : `${b} - ${a}`,
    figure(n95),
    figure(n95AllSlots),
    attacker === null ? "-" : `${(100 * attacker.accuracy).toFixed(1)} %`,
    String(findings.length),
  ]);
  const all = [["", "compared", "n95 of the bulk", "n95 of all slots", "learned attacker", "findings"], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ")}`.trimEnd());
}
