/** The distributions as SVG, drawn as the audit draws: two charts per sender and interval, conditions overlaid. */
import { chart, type Curve } from "../../lib/audit/html/chart.js";
import { colourOf, palette } from "../../lib/audit/html/colours.js";
import { densities, type Values } from "../../lib/audit/html/curves.js";
import { escape } from "../../lib/audit/html/escape.js";
import { quantile } from "../../lib/statistics/quantile.js";
import { joined } from "./figures.js";
import type { Subject } from "./results.js";
import { CONDITIONS, type Condition } from "./selection.js";

/** Sizes of a chart with its title and of the legend's entries, pixels. */
const [WIDTH, HEIGHT, TITLE, ENTRY] = [480, 270, 30, 95];
/** A density ends so many times as far out as its bulk: the tail has a chart of its own. */
const [BULK, BEYOND] = [0.9, 1.5];
/** Points of a tail: more would not show. */
const POINTS = 300;
/** A logarithmic axis has no 0: what is earlier is drawn there, us. */
const EARLIEST_US = 0.01;

/** What the style of the audit's page says of its variables. */
const COLOURS = new Map(
  `--ink:#222;--faint:#ddd;${palette(false)}`.split(";").map((each) => each.split(":") as [string, string]),
);
const ALL: readonly Condition[] = ["idle", ...CONDITIONS];
const LATENESS = "lateness on the wire, us";

/** Lateness of all stretches of each condition. */
function valuesOf({ conditions, measurements }: Subject): Values[] {
  return [...new Set(conditions)]
    .map((condition) => {
      const stretches = measurements.filter((_, place) => conditions[place] === condition);
      const sent = joined(stretches.map(({ errorsNs }) => errorsNs)).filter((error) => !Number.isNaN(error));
      const us = sent.map((error) => error / 1000).sort();
      return { label: condition, colour: colourOf(ALL.indexOf(condition)), us };
    })
    .filter(({ us }) => us.length > 0);
}

/** Without what lies far out. */
function bulkOf(values: readonly Values[]): Values[] {
  const from = Math.min(...values.map(({ us }) => us[0]!));
  const to = from + BEYOND * (Math.max(...values.map(({ us }) => quantile(us, BULK))) - from);
  return values.map(({ us, ...rest }) => ({ ...rest, us: us.filter((value) => value <= to) }));
}

/** Share of the slots that are later than x, at places evenly spread over the logarithm of the share. */
export function tail(sorted: Float64Array): [number, number][] {
  const count = sorted.length;
  const ranks = Array.from({ length: POINTS }, (_, index) => Math.floor(count ** (index / (POINTS - 1))));
  return [...new Set(ranks)].reverse().map((rank) => [Math.max(sorted[count - rank]!, EARLIEST_US), rank / count]);
}

function text(x: number, y: number, words: string, fill = "var(--ink)"): string {
  return `<text x="${x}" y="${y}" fill="${fill}">${escape(words)}</text>`;
}

/** The charts of one sender and interval, below those before. */
function row(subject: Subject, index: number): string {
  const top = (index + 1) * TITLE + index * HEIGHT;
  const values = valuesOf(subject);
  const tails = values.map(({ label, colour, us }): Curve => ({ name: label, colour, points: tail(us) }));
  const name = `${subject.sender}, ${subject.intervalNs / 1000} us`;
  const charts = [
    chart("density", { name: LATENESS }, { name: "1/us" }, densities(bulkOf(values))),
    chart("tail", { name: LATENESS, logarithmic: true }, { name: "share of slots later", logarithmic: true }, tails),
  ];
  const placed = charts.map((svg, column) => svg.replace("<svg ", `<svg x="${column * WIDTH}" y="${top + TITLE}" `));
  return [text(20, top + 20, name), ...placed].join("");
}

/** The whole picture. */
export function plot(subjects: readonly Subject[]): string {
  const size = `width="${2 * WIDTH}" height="${subjects.length * (HEIGHT + TITLE) + TITLE}"`;
  const style = 'style="background:#fff;font:13px sans-serif"';
  const seen = ALL.filter((condition) => subjects.some(({ conditions }) => conditions.includes(condition)));
  const legend = seen.map((condition, place) =>
    text(20 + place * ENTRY, 20, condition, `var(--c${ALL.indexOf(condition).toString(16)})`),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${style}>${legend.join("")}${subjects.map(row).join("")}</svg>\n`.replace(
    /var\((--\w+)\)/g,
    (_, name: string) => COLOURS.get(name)!,
  );
}
