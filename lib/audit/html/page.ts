/** The report as one page that needs nothing else: no network, no script. */
import type { AuditPair, AuditReport } from "../../../types/audit.js";
import { formatDuration } from "../../common/units.js";
import { referenceOf } from "../analyse.js";
import type { Subject } from "../compare.js";
import { adviceOnce, findingsOnce } from "../digest.js";
import { deadlinesKnown } from "../gaps.js";
import { labelsOf } from "../observation.js";
import { sourceWords, verdictWords } from "../text.js";
import { tells } from "../verdict.js";
import { warningWords } from "../warnings.js";
import { chart, type Axis, type Curve } from "./chart.js";
import { colourOf, themed } from "./colours.js";
import { correlations, densities, differences, overTime, quantiles, spectra, valuesOf } from "./curves.js";
import { escape } from "./escape.js";
import { STYLE } from "./style.js";
import { conditionTable, headerTable, pairTable } from "./tables.js";

/** @param subjects in the order of the report's directions */
export function pageOf(report: AuditReport, subjects: readonly Subject[]): string {
  const { source, pairs, directions, findings } = report;
  const body = [
    `<h1>How much does this tunnel leak?</h1>`,
    `<p class="soft">${escape(sourceWords(report).join(", "))}</p>`,
    ...report.warnings.map((warning) => `<div class="verdict bad">${escape(warningWords(warning))}</div>`),
    ...summary(report),
    `<h2>n95: intervals that an observer needs, to be right in 95 of 100 cases</h2>`,
    pairTable(pairs, directions),
    `<p class="notes">The bulk is without the thousandth of the slots at either end. A control compares two halves of one condition: what is found there, the machine does by itself. "At least": more can't be said from what was watched.</p>`,
    `<h2>In words</h2>`,
    ...pairs.filter(({ control }) => !control).map(verdict),
    ...findingsOnce(findings).map((words) => `<div class="verdict bad">${escape(words)}</div>`),
    ...pairs
      .filter((pair) => pair.control && (tells(pair) || pair.n95 === null))
      .map(({ words }) => `<p class="notes">${escape(words)}</p>`),
    ...advice(pairs),
    ...subjects.flatMap((subject, index) => {
      const direction = directions[index]!;
      return [
        `<h2>${escape(direction.direction)}: every ${formatDuration(direction.intervalNs)}</h2>`,
        conditionTable(direction),
        ...charts(subject),
        ...(direction.headers.some(({ values }) => values.length > 0)
          ? [`<h3>Header fields</h3>`, headerTable(direction)]
          : []),
      ];
    }),
  ];
  const title = `i405 audit: ${escape(source.file)}`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${title}</title><style>${STYLE}</style></head>
<body><main>${body.join("\n")}</main></body></html>
`;
}

function summary(report: AuditReport): string[] {
  const [first, ...why] = verdictWords(report);
  const list = why.length > 0 ? `<ul>${why.map((each) => `<li>${escape(each)}</li>`).join("")}</ul>` : "";
  const good = report.verdict === "nothing-found";
  return [`<div class="verdict${good ? "" : " bad"}">${escape(first!)}${list}</div>`];
}

function verdict(pair: AuditPair): string {
  const also = pair.findings.slice(1).map(({ words }) => `<li>${escape(words)}</li>`);
  const list = also.length > 0 ? `<ul>${also.join("")}</ul>` : "";
  return `<div class="verdict${tells(pair) ? " bad" : ""}">${escape(pair.words)}${list}</div>`;
}

function advice(pairs: readonly AuditPair[]): string[] {
  const lines = adviceOnce(pairs).map(({ words, where }) => {
    return `<li class="advice">${escape(words)} <span class="soft">(${escape(where.join("; "))})</span></li>`;
  });
  return lines.length === 0 ? [] : [`<h2>What would help</h2>`, `<ul>${lines.join("")}</ul>`];
}

function charts(subject: Subject): string[] {
  const labels = labelsOf(subject.observation);
  const reference = referenceOf(labels) ?? "";
  const values = valuesOf(subject);
  const what = deadlinesKnown(subject.observation) ? "send error, us" : "gap, us";
  const figures: [string, string, Axis, Axis, Curve[]][] = [
    [`Density`, `of each condition`, { name: what }, { name: "1/us" }, densities(values)],
    [
      ...(["Difference", `of the distributions to "${reference}"; dashed: where chance alone stays in 95 %`] as const),
      ...([{ name: what }, { name: "share" }, differences(values, reference)] as const),
    ],
    [
      ...(["Quantiles", `less those of "${reference}"`] as const),
      ...([{ name: `${what}, ${reference}` }, { name: "difference, us" }, quantiles(values, reference)] as const),
    ],
    ["Over time", "scatter of gaps, window by window", { name: "s" }, { name: "sd, us" }, overTime(subject)],
    [
      ...(["Spectrum", "of how far the stream is behind"] as const),
      ...([{ name: "Hz", logarithmic: true }, { name: "power", logarithmic: true }, spectra(subject)] as const),
    ],
    ["Autocorrelation", "of gaps", { name: "gaps before" }, { name: "correlation" }, correlations(subject)],
  ];
  const legend = labels.map((label, index) => `<span style="--c:${themed(colourOf(index))}">${escape(label)}</span>`);
  const drawn = figures
    .filter(([, , , , curves]) => curves.some(({ points }) => points.length > 0))
    .map(([title, rest, x, y, curves]) => {
      const plot = chart(escape(`${title} ${rest}`), x, y, curves);
      return `<figure>${plot}<figcaption><b>${title}</b> ${escape(rest)}</figcaption></figure>`;
    });
  return [`<div class="legend">${legend.join("")}</div>`, `<div class="charts">${drawn.join("")}</div>`];
}
