/** Line charts as SVG, drawn without a browser. */
import { createRequire } from "node:module";
import { FAINT, INK, themed } from "./colours.js";

/**
 * The part of echarts that is used here. Its own types need a browser's types, which nothing else of i405 should see.
 */
interface Echarts {
  init(
    element: null,
    theme: null,
    options: { renderer: "svg"; ssr: true; width: number; height: number },
  ): {
    setOption(option: object): void;
    renderToSVGString(options: { useViewBox: boolean }): string;
    dispose(): void;
  };
}

const echarts = createRequire(import.meta.url)("echarts") as Echarts;

/** Pixels; the page scales them to its columns. Labels are still read at three quarters of the size, on a phone. */
const [WIDTH, HEIGHT, FONT] = [480, 270, 13];

/** One curve. */
export interface Curve {
  name: string;
  colour: string;
  points: [number, number][];
  /** Thinner and dashed: a bound, a reference. */
  dashed?: boolean;
  /** Points instead of a line. */
  dots?: boolean;
}

export interface Axis {
  name: string;
  logarithmic?: boolean;
  min?: number;
  max?: number;
}

/** Label of an axis: 0.01, 100, 1e-5. */
function label(value: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size < 0.001 || size >= 1e5 ? value.toExponential(0).replace("e+", "e") : String(Number(value.toPrecision(3)));
}

/** The chart, and the text for those who don't see it. */
export function chart(title: string, x: Axis, y: Axis, curves: readonly Curve[]): string {
  const drawn = echarts.init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height: HEIGHT });
  try {
    drawn.setOption({
      animation: false,
      textStyle: { fontFamily: "inherit" },
      grid: { left: 64, right: 16, top: 12, bottom: 46 },
      xAxis: axisOf(x, 30),
      yAxis: axisOf(y, 48),
      series: curves.map(({ name, colour, points, dashed, dots }) => ({
        name,
        type: dots ? "scatter" : "line",
        data: points,
        color: colour,
        showSymbol: false,
        symbolSize: 3,
        silent: true,
        lineStyle: { width: dashed ? 1 : 1.6, type: dashed ? "dashed" : "solid" },
      })),
    });
    const svg = themed(drawn.renderToSVGString({ useViewBox: true }));
    return svg.replace("<svg ", `<svg role="img" aria-label="${title}" `);
  } finally {
    drawn.dispose();
  }
}

function axisOf({ name, logarithmic, min, max }: Axis, gap: number) {
  return {
    type: logarithmic ? ("log" as const) : ("value" as const),
    name,
    ...{ nameLocation: "middle" as const, nameGap: gap, scale: true, splitNumber: 4 },
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
    nameTextStyle: { color: INK, fontSize: FONT },
    axisLabel: { color: INK, fontSize: FONT - 1, formatter: label, hideOverlap: true },
    axisLine: { show: true, lineStyle: { color: INK }, onZero: false },
    axisTick: { show: true, lineStyle: { color: INK } },
    splitLine: { lineStyle: { color: FAINT } },
  };
}
