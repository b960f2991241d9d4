/** The demo's screen as lines of text: a pure function of what was watched. */
import { formatRate } from "../../common/units.js";
import type { Deviation } from "../../index.js";
import { bar, columns } from "../terminal/bars.js";
import { histogram } from "./figures.js";
import { COLUMN_MS, type Condition, type Direction, type Watch } from "./watch.js";

export interface View {
  watch: Watch;
  condition: Condition;
  nowMs: number;
  leftMs: number;
  /** `sleepy`, and so on. */
  pollMode: string;
  intervalMs: number;
  jitterMs: number;
  /** Newest report of each end. */
  lateness: Partial<Record<"client" | "server", Deviation>>;
}

/** Cells of a rate's bar. */
const RATE_CELLS = 24;
/** Cells of one of the two histograms. */
const SHARE_CELLS = 22;
/** Rows of the histogram, each a tenth of the jitter's whole width. */
const BINS = 10;

export function renderView(view: View, width: number): string[] {
  const { watch, condition, leftMs, pollMode, intervalMs } = view;
  const lines = [
    `i405 demo: two ends on 127.0.0.1, ${pollMode}, a slot every ${intervalMs} ms each way. ` +
      `${Math.ceil(leftMs / 1000)} s left.`,
    "",
    `INSIDE  what the two programs send: now ${condition.toUpperCase()}`,
    ...rateLines(view, "inside", () => ""),
    "",
    `WIRE    what somebody in between sees (a relay of this demo, in a thread of its own)`,
    ...rateLines(view, "wire", () => `  ${lengthsText(watch)}`),
    "",
    ...historyLines(watch, Math.min(80, width - 12)),
    "",
    ...histogramLines(view),
    "",
    ...latenessLines(view),
  ];
  // Every character here is one cell and one UTF-16 unit.
  return lines.map((line) => line.slice(0, width).trimEnd());
}

function rateLines({ watch, nowMs }: View, where: "inside" | "wire", more: () => string): string[] {
  return (["up", "down"] as const).map((direction) => {
    const rate = watch[where][direction].rate(nowMs);
    return `  ${direction.padEnd(6)}${rateText(rate).padStart(13)}  ${bar(rate / topRate(watch, nowMs), RATE_CELLS)}${more()}`;
  });
}

/** The wire's rate fills three quarters of a bar, so that nothing runs over. */
function topRate(watch: Watch, nowMs: number): number {
  const rates = (["up", "down"] as const).map((direction: Direction) => watch.wire[direction].rate(nowMs));
  return Math.max(1, ...rates) / 0.75;
}

export function rateText(bytesPerSecond: number): string {
  return bytesPerSecond === 0 ? "0 B/s" : formatRate(Number(bytesPerSecond.toPrecision(4)));
}

export function lengthsText({ lengths }: Watch): string {
  if (lengths.size === 0) return "nothing yet";
  const sorted = [...lengths].sort((a, b) => a - b);
  return lengths.size === 1 ? `all of ${sorted[0]} bytes` : `${sorted[0]} to ${sorted.at(-1)} bytes`;
}

function historyLines(watch: Watch, cells: number): string[] {
  const inside = watch.inside.up.columns;
  const wire = watch.wire.up.columns;
  const count = Math.max(inside.length, wire.length);
  // The newest column is still filling.
  const part = (values: readonly number[]) => {
    return Array.from({ length: Math.max(0, count - 1) }, (_, place) => values[place] ?? 0).slice(-cells);
  };
  const top = Math.max(1, ...wire, ...inside);
  return [
    `UP, over time (a column is ${COLUMN_MS / 1000} s)`,
    `  inside  ${columns(part(inside), top)}`,
    `  wire    ${columns(part(wire), top)}`,
  ];
}

function histogramLines({ watch, intervalMs, jitterMs }: View): string[] {
  const from = intervalMs - jitterMs;
  const to = intervalMs + jitterMs;
  const quiet = watch.seen("up", "quiet").intervals;
  const busy = watch.seen("up", "busy").intervals;
  const shares = [quiet, busy].map((samples) => histogram(samples, from, to, BINS));
  const top = Math.max(0.01, ...shares.flat());
  const rows = Array.from({ length: BINS }, (_, bin) => {
    const bars = shares.map((share) => bar((share[bin] ?? 0) / top, SHARE_CELLS));
    return `  ${(from + ((to - from) * (bin + 0.5)) / BINS).toFixed(2)} ms  ${bars.join("   ")}`;
  });
  const heading = `${`quiet (${quiet.length})`.padEnd(SHARE_CELLS)}   busy (${busy.length})`;
  return ["INTERVALS between datagrams, up", `           ${heading}`, ...rows];
}

function latenessLines({ lateness }: View): string[] {
  const cells = (values: (number | string)[]) => {
    return values.map((value) => (typeof value === "number" ? value.toFixed(1) : value).padStart(9)).join("");
  };
  const rows = (["client", "server"] as const).map((end) => {
    const figures = lateness[end];
    if (figures === undefined) return `  ${end}`;
    const { p50, p90, p99, max, missed } = figures;
    return `  ${end.padEnd(6)}${cells([p50, p90, p99, max, String(missed)])}`;
  });
  return ["LATENESS of slots, us, newest report", `        ${cells(["p50", "p90", "p99", "max", "missed"])}`, ...rows];
}

/** The same without a terminal: one line. */
export function renderLine({ watch, condition, nowMs, lateness }: View): string {
  const rate = (where: "inside" | "wire", direction: Direction) => rateText(watch[where][direction].rate(nowMs));
  const late = lateness.client === undefined ? "" : `; lateness p99 ${lateness.client.p99.toFixed(1)} us`;
  return (
    `${((nowMs - watch.startMs) / 1000).toFixed(1).padStart(6)} s  ${condition.padEnd(5)}  ` +
    `inside up ${rate("inside", "up")}, down ${rate("inside", "down")}; ` +
    `wire up ${rate("wire", "up")}, down ${rate("wire", "down")}, ${lengthsText(watch)}${late}`
  );
}
