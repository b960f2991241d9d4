/** What the demo found, in a few lines with their figures. */
import { describeDirection } from "../describe.js";
import type { TunnelStats, WireDirection } from "../../index.js";
import { quantile } from "../../statistics/quantile.js";
import { compare, pooled } from "./figures.js";
import { LONGEST, SHORTEST } from "./traffic.js";
import { lengthsText, rateText } from "./view.js";
import type { Condition, Direction, Watch } from "./watch.js";

export interface Outcome {
  watch: Watch;
  endMs: number;
  wire: WireDirection;
  /** Both ends. */
  stats: readonly TunnelStats[];
  /** How the program was called: `i405` or `npm start --`. */
  program: string;
}

export function renderVerdict(outcome: Outcome): string[] {
  const { watch, endMs, stats } = outcome;
  const sum = (pick: (slots: TunnelStats["slots"]) => bigint) => {
    return stats.reduce((total, { slots }) => total + pick(slots), 0n).toString();
  };
  return [
    "WHAT WAS SEEN",
    `  inside     quiet ${rateText(watch.insideRate("quiet", endMs))}, busy ${rateText(watch.insideRate("busy", endMs))} up, ` +
      `in packets of ${SHORTEST} to ${LONGEST} bytes`,
    `  wire       ${describeDirection(outcome.wire)}, each way`,
    `  datagrams  up: ${perSecond(watch, "up")}; down: ${perSecond(watch, "down")}; ${lengthsText(watch)}`,
    `  intervals  up: ${intervals(watch, "up")}`,
    `             down: ${intervals(watch, "down")}`,
    `  lateness   ${late(watch)}`,
    `  slots      ${sum(({ sent }) => sent)} sent by both ends, ${sum(({ missed }) => missed)} missed`,
    "",
    ...judgement(watch),
    "",
    ...nextSteps(outcome.program),
  ];
}

const CONDITIONS: readonly Condition[] = ["quiet", "busy"];

function perSecond(watch: Watch, direction: Direction): string {
  return CONDITIONS.map((condition) => {
    const { datagrams, watchedMs } = watch.seen(direction, condition);
    return `${condition} ${(watchedMs === 0 ? 0 : (datagrams * 1000) / watchedMs).toFixed(1)}/s`;
  }).join(", ");
}

function intervals(watch: Watch, direction: Direction): string {
  return CONDITIONS.map((condition) => {
    const ascending = [...watch.seen(direction, condition).intervals].sort((a, b) => a - b);
    // Quantiles, because the relay is an ordinary thread: what holds it up for once would rule a standard deviation.
    const [p5, p50, p95] = [0.05, 0.5, 0.95].map((share) => quantile(ascending, share).toFixed(2));
    return `${condition} p5 ${p5} ms, p50 ${p50}, p95 ${p95}`;
  }).join("; ");
}

function late(watch: Watch): string {
  return CONDITIONS.map((condition) => {
    const reports = watch.lateness[condition];
    const { count, mean, stddev } = pooled(reports);
    if (count === 0) return `${condition} not measured`;
    const max = Math.max(0, ...reports.map((report) => report.max));
    return `${condition} mean ${mean.toFixed(1)} us, stddev ${stddev.toFixed(1)}, max ${max.toFixed(1)}`;
  }).join("; ");
}

/** If all sizes are the same, and intervals of both kinds look alike, the wire didn't tell. */
function judgement(watch: Watch): string[] {
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
  const lines: string[] = [];
  let alike = watch.lengths.size === 1;
  let enough = true;
  for (const direction of ["up", "down"] as const) {
    const found = compare(watch.seen(direction, "quiet").intervals, watch.seen(direction, "busy").intervals);
    if (found === null) {
      enough = false;
      continue;
    }
    if (found.difference > found.chance) alike = false;
    lines.push(
      `  The intervals of quiet and busy stretches, ${direction}, differ by ${percent(found.difference)} at most; ` +
        `chance alone gives up to ${percent(found.chance)}.`,
    );
  }
  if (!enough) return ["VERDICT  too short to tell quiet from busy, or not to; try --seconds 20."];
  if (alike) {
    return [
      "VERDICT  one size, one rate, one distribution: this watcher cannot tell quiet from busy.",
      ...lines,
      "  It looked for some seconds, through a relay that is itself late by some 0.05 ms, at times by more. A patient",
      "  one sees finer: docs/real-time.md says what the poll modes are good for.",
    ];
  }
  return [
    "VERDICT  this watcher saw a difference between quiet and busy.",
    ...lines,
    "  The relay and the traffic share this machine with the tunnel, so a loaded machine shows here first.",
    "  docs/real-time.md says what helps; --poll-mode dozy is more exact.",
  ];
}

function nextSteps(program: string): string[] {
  return [
    "NEXT  between two machines, as root:",
    `  ${program} genkey --password --out tunnel.password     (once; copy the file to the other machine)`,
    `  ${program} server --listen-addr 0.0.0.0:1405 --password-file tunnel.password --tun-ipv4 10.140.5.1/24`,
    `  ${program} client --peer SERVER:1405 --password-file tunnel.password --tun-ipv4 10.140.5.2/24`,
  ];
}
