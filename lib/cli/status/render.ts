/** A snapshot as lines for people: pure functions, for `i405 status` and for the upper part of the live view. */
import { describeDirection } from "../describe.js";
import { describePathParts } from "../describe-path.js";
import type { Line, Style } from "../terminal/style.js";
import type { Snapshot } from "./snapshot.js";

const STYLES: Readonly<Partial<Record<string, Style>>> = { connected: "good", listening: "bold", silent: "bad" };

/** Label in front of a line, padded so that what follows stands in a column. */
export function labelled(label: string, text: string): string {
  return `  ${label.padEnd(10)}${text}`;
}

export function heading(snapshot: Snapshot): Line {
  const { name, pid, state, connection, address, command } = snapshot;
  const whom = connection?.endpoint ?? address;
  const towards = command === "server" ? "on" : "to";
  const text = `${name} (process ${pid}): ${state} ${connection === null ? towards : "with"} ${whom}`;
  const style = STYLES[state];
  return style === undefined ? text : { text, style };
}

export function wireLines({ connection, command, localAddress, deviceName, pollMode }: Snapshot): Line[] {
  const device = deviceName === null ? "" : `, interface ${deviceName}`;
  const lines = [labelled("here", `${localAddress ?? "not open yet"}${device}, ${pollMode}`)];
  if (connection === null) return lines;
  const { up, down } = connection.wire;
  const [out, back] = command === "client" ? [up, down] : [down, up];
  lines.push(
    labelled("sends", describeDirection(out)),
    labelled("gets", `${describeDirection(back)}, ${connection.cipher}`),
  );
  return lines;
}

/** `12,345`: counters are long. */
export function count(value: number): string {
  return value.toLocaleString("en");
}

export function counterLines({ stats }: Snapshot): Line[] {
  const { slots, inner, datagrams } = stats;
  const drops = inner.queueDrops + inner.readerDrops + inner.malformed;
  const strangers = datagrams.unknown + datagrams.replayed + datagrams.overBudget;
  const lines: Line[] = [
    labelled(
      "slots",
      `${count(slots.sent)} sent: ${count(slots.carrying)} carrying, ${count(slots.cover)} cover, ` +
        `${count(slots.handshake)} handshake; ${count(slots.missed)} missed, ${count(slots.late)} late`,
    ),
    labelled(
      "inside",
      `${count(inner.packetsSent)} packets (${count(inner.bytesSent)} bytes) sent, ` +
        `${count(inner.packetsReceived)} (${count(inner.bytesReceived)}) received, ${count(drops)} dropped`,
    ),
  ];
  if (strangers > 0) {
    const { unknown, replayed, overBudget } = datagrams;
    const text = `${count(unknown)} forged, ${count(replayed)} replayed, ${count(overBudget)} over the budget`;
    lines.push(labelled("strangers", text));
  }
  if (slots.sendErrors > 0) {
    const text = `${count(slots.sendErrors)} datagrams refused by the kernel, the last with errno ${slots.lastSendErrno}`;
    lines.push({ text: labelled("errors", text), style: "bad" });
  }
  return lines;
}

/** Losses, round trip, and how old things are. Before anything came there is nothing to say. */
export function pathLines({ stats: { path } }: Snapshot): Line[] {
  if (path.inbound.expected === 0 && path.handshakeMsAgo === null) return [];
  const { lossIn, lossOut, roundTrip, heard } = describePathParts(path);
  return [
    labelled("loss in", lossIn),
    labelled("loss out", lossOut),
    labelled("rtt", roundTrip),
    labelled("heard", heard),
  ];
}

export function latenessLine({ deviation }: Snapshot): Line {
  if (deviation === null || deviation.count === 0) return labelled("lateness", "no report yet");
  const { p50, p90, p99, p999, max, stddev, source } = deviation;
  const figures = [
    ["p50", p50],
    ["p90", p90],
    ["p99", p99],
    ["p99.9", p999],
    ["max", max],
    ["stddev", stddev],
  ] as const;
  const text = figures.map(([name, value]) => `${name} ${value.toFixed(1)}`).join(", ");
  return labelled("lateness", `${text} us${source === "call" ? "" : ` by ${source} timestamps`}`);
}

export function recordLines({ records }: Snapshot, most: number): Line[] {
  return records.slice(-most).map(({ time, level, text }): Line => {
    const line = `  ${time.slice(11, 19)}  ${text}`;
    return level === "warn" || level === "error" ? { text: line, style: "bad" } : line;
  });
}

/** All of it. */
export function renderStatus(snapshot: Snapshot): Line[] {
  return [
    heading(snapshot),
    labelled("since", `${snapshot.since}, i405 ${snapshot.version}`),
    ...wireLines(snapshot),
    ...pathLines(snapshot),
    ...counterLines(snapshot),
    latenessLine(snapshot),
    ...recordLines(snapshot, 5),
  ];
}
