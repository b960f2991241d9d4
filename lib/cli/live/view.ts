/** The live view as lines: a pure function of what was seen. Times are UTC, as in the log. */
import { rateText } from "../demo/view.js";
import { describePathShortly } from "../describe-path.js";
import {
  count,
  counterLines,
  heading,
  labelled,
  latenessLine,
  pathLines,
  recordLines,
  wireLines,
} from "../status/render.js";
import type { Snapshot } from "../status/snapshot.js";
import { columns } from "../terminal/bars.js";
import type { Line } from "../terminal/style.js";
import type { History } from "./history.js";

/** In front of a curve: label, rate. */
const MARGIN = 28;
const SHORTEST_CURVE = 8;
const LONGEST_CURVE = 120;
/** Rows that the newest records take. */
const RECORDS = 8;

export function renderLive(history: History, width: number): Line[] {
  const { last: snapshot, rates } = history;
  if (snapshot === null) return ["waiting for the first figures"];
  const cells = Math.min(LONGEST_CURVE, Math.max(SHORTEST_CURVE, width - MARGIN));
  const { bytesSent, bytesReceived, slots, p99 } = history;
  // Both directions are drawn against one top, so that they can be compared.
  const top = Math.max(1, ...bytesSent.slice(-cells), ...bytesReceived.slice(-cells));
  const curve = (label: string, figure: string, values: readonly number[], most: number) =>
    labelled(label, `${figure.padEnd(MARGIN - 14)}  ${columns(values.slice(-cells), most)}`);
  return [
    heading(snapshot),
    ...wireLines(snapshot),
    "",
    curve("slots/s", slotsText(history, snapshot), slots, Math.max(1, ...slots.slice(-cells))),
    missedLine(history, snapshot),
    curve("p99", p99.length === 0 ? "-" : `${(p99.at(-1) ?? 0).toFixed(1)} us`, p99, Math.max(1, ...p99.slice(-cells))),
    latenessLine(snapshot),
    "",
    curve("sent", rateText(rates?.bytesSentPerSecond ?? 0), bytesSent, top),
    curve("received", rateText(rates?.bytesReceivedPerSecond ?? 0), bytesReceived, top),
    labelled(
      "queue",
      `${count(snapshot.stats.inner.queuedBytes)} bytes, ${count(snapshot.stats.inner.queueDrops)} dropped`,
    ),
    "",
    ...pathLines(snapshot),
    ...counterLines(snapshot),
    "",
    ...recordLines(snapshot, RECORDS),
  ];
}

function slotsText({ rates }: History, { connection, command }: Snapshot): string {
  const now = (rates?.slotsPerSecond ?? 0).toFixed(1);
  if (connection === null) return now;
  const { intervalNs } = command === "client" ? connection.wire.up : connection.wire.down;
  return `${now} of ${(1e9 / intervalNs).toFixed(1)}`;
}

function missedLine({ rates }: History, { stats }: Snapshot): Line {
  const now = rates?.missed ?? 0;
  const text = labelled("missed", `${count(now)} in the last second, ${count(stats.slots.missed)} in all`);
  return now > 0 ? { text, style: "bad" } : text;
}

/** The same without a terminal: one line. */
export function renderLiveLine({ last: snapshot, rates, p99 }: History): string {
  if (snapshot === null) return "waiting for the first figures";
  const { state, stats } = snapshot;
  const late = p99.length === 0 ? "" : `; lateness p99 ${(p99.at(-1) ?? 0).toFixed(1)} us`;
  return (
    `${state}: ${(rates?.slotsPerSecond ?? 0).toFixed(1)} slots/s, ${rates?.missed ?? 0} missed; ` +
    `inside ${rateText(rates?.bytesSentPerSecond ?? 0)} sent, ${rateText(rates?.bytesReceivedPerSecond ?? 0)} received, ` +
    `${stats.inner.queuedBytes} bytes wait; ${describePathShortly(stats.path)}${late}`
  );
}
