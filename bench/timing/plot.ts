/** The distributions as SVG: a row of two panels per sender and interval, conditions overlaid. */
import * as echarts from "echarts";
import { wireLateness, joined } from "./figures.js";
import type { Subject } from "./results.js";
import { CONDITIONS, type Condition } from "./selection.js";

/** Sizes, pixels. */
const WIDTH = 1100;
const ROW = 300;
const PANEL = { left: [70, 620], width: 430, top: 60, height: 180 } as const;

/** Bins of a density, and points of a tail: more would not show. */
const BINS = 120;
const POINTS = 300;
/** A density's panel goes from the one quantile this many times as far as to the other: the tail has a panel of its own. */
const [FROM, TO, BEYOND] = [0.001, 0.9, 1.5];

/** One colour per condition, the same in every panel (Okabe and Ito's palette, made for colour-blind readers). */
const COLOURS: Readonly<Record<Condition, string>> = Object.fromEntries(
  (["idle", ...CONDITIONS] as const).map((condition, index) => [
    condition,
    ["#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#b8a000", "#999999", "#882255"][
      index
    ]!,
  ]),
) as Record<Condition, string>;

type Point = [number, number];

/** Lateness of all stretches of a condition, microseconds, ascending. */
function latenessUs({ conditions, measurements }: Subject, condition: Condition): Float64Array {
  const stretches = measurements.filter((_, place) => conditions[place] === condition);
  const all = joined(
    stretches.filter(({ errorsNs }) => wireLateness(errorsNs) !== null).map(({ errorsNs }) => errorsNs),
  );
  return all
    .filter((error) => !Number.isNaN(error))
    .map((error) => error / 1000)
    .sort();
}

/** Label of a logarithmic axis: 0.01, 100, 1e-5. */
function power(value: number): string {
  return value < 0.001 ? value.toExponential(0) : String(Number(value.toPrecision(1)));
}

function at(sorted: Float64Array, share: number): number {
  return sorted[Math.floor(share * (sorted.length - 1))] ?? NaN;
}

/** Share of the slots per bin, over the width of a bin. */
export function density(sorted: Float64Array, from: number, to: number): Point[] {
  const width = Math.max(to - from, 0.001) / BINS;
  const counts = new Array<number>(BINS).fill(0);
  for (const value of sorted) {
    const bin = Math.floor((value - from) / width);
    if (bin >= 0 && bin < BINS) counts[bin]! += 1;
  }
  return counts.map((count, bin) => [from + (bin + 0.5) * width, count / sorted.length / width]);
}

/** Share of the slots that are later than x, at places evenly spread over the logarithm of the share. */
export function tail(sorted: Float64Array): Point[] {
  const count = sorted.length;
  const ranks = Array.from({ length: POINTS }, (_, index) => Math.floor(count ** (index / (POINTS - 1))));
  // A logarithmic axis has no 0: what is earlier than 10 ns is drawn there.
  return [...new Set(ranks)].reverse().map((rank) => [Math.max(sorted[count - rank]!, 0.01), rank / count]);
}

function panels(subject: Subject, row: number, xName: boolean) {
  const conditions = [...new Set(subject.conditions)];
  const samples = conditions
    .map((condition) => ({ condition, sorted: latenessUs(subject, condition) }))
    .filter(({ sorted }) => sorted.length > 0);
  const from = Math.min(...samples.map(({ sorted }) => at(sorted, FROM)));
  const to = from + BEYOND * (Math.max(...samples.map(({ sorted }) => at(sorted, TO))) - from);
  const line = (condition: Condition, panel: 0 | 1, data: Point[]) => ({
    name: condition,
    type: "line" as const,
    xAxisIndex: 2 * row + panel,
    yAxisIndex: 2 * row + panel,
    showSymbol: false,
    color: COLOURS[condition],
    lineStyle: { width: 1.2 },
    data,
  });
  const top = row * ROW + PANEL.top;
  const axis = { nameLocation: "middle" as const, nameGap: 28, axisLine: { show: true } };
  const logarithmic = { ...axis, type: "log" as const, gridIndex: 2 * row + 1, axisLabel: { formatter: power } };
  const name = xName ? "lateness on the wire, us" : "";
  return {
    title: {
      text: `${subject.sender}, ${subject.intervalNs / 1000} us`,
      left: 20,
      top: row * ROW + 22,
      textStyle: { fontSize: 14 },
    },
    grid: PANEL.left.map((left) => ({ left, top, width: PANEL.width, height: PANEL.height })),
    xAxis: [
      { ...axis, type: "value" as const, gridIndex: 2 * row, name, min: Math.floor(from), max: Math.ceil(to) },
      { ...logarithmic, name },
    ],
    yAxis: [
      { ...axis, type: "value" as const, gridIndex: 2 * row, name: "density, 1/us", nameGap: 45 },
      { ...logarithmic, name: "share of slots later", nameGap: 50 },
    ],
    series: samples.flatMap(({ condition, sorted }) => [
      line(condition, 0, density(sorted, from, to)),
      line(condition, 1, tail(sorted)),
    ]),
  };
}

/** The whole picture. */
export function plot(subjects: readonly Subject[]): string {
  const rows = subjects.map((subject, row) => panels(subject, row, row === subjects.length - 1));
  const chart = echarts.init(null, null, {
    renderer: "svg",
    ssr: true,
    width: WIDTH,
    height: rows.length * ROW + 40,
  });
  try {
    chart.setOption({
      animation: false,
      backgroundColor: "#ffffff",
      legend: {
        top: 0,
        icon: "rect",
        itemHeight: 4,
        itemGap: 24,
        data: [...new Set(subjects.flatMap(({ conditions }) => conditions))],
      },
      title: rows.map(({ title }) => title),
      grid: rows.flatMap(({ grid }) => grid),
      xAxis: rows.flatMap(({ xAxis }) => xAxis),
      yAxis: rows.flatMap(({ yAxis }) => yAxis),
      series: rows.flatMap(({ series }) => series),
    });
    return chart.renderToSVGString();
  } finally {
    chart.dispose();
  }
}
