/** From observations to the report: every direction, every pair of conditions, a control for each condition. */
import type { AuditCondition, AuditDirection, AuditPair, AuditReport } from "../../types/audit.js";
import type { N95 } from "../statistics/n95.js";
import { compare, findingsOf, type Comparison, type Subject, type View } from "./compare.js";
import { uniformityEffects } from "./effects/bytes.js";
import { lateCount } from "./effects/distribution.js";
import { echoEffects } from "./effects/echo.js";
import type { Effect } from "./effects/effect.js";
import { fragmentEffects } from "./effects/fragments.js";
import { FIELD_NAMES, fieldValues, variedHeaders } from "./effects/headers.js";
import { changePointEffect, periodEffect } from "./effects/memory.js";
import { allGaps, concat } from "./gaps.js";
import { labelsOf, seenAs, type HeaderCount, type HeaderFields, type Observation, type Seen } from "./observation.js";
import { sendErrorsOf } from "./send-errors.js";
import { untoldOf } from "./untold.js";
import { adviceFor, tells, wordsFor } from "./verdict.js";
import type { AuditWarning } from "./warnings.js";
import { clipped } from "./windows.js";

/** What the source of the observations knows. The rest of the report is made here. */
export type Source = AuditReport["source"];

/** What the source of the observations says beside what was seen. */
export interface Remarks {
  warnings: AuditWarning[];
  /** Directions of which there is too little to make a subject of. */
  untold: string[];
}

/** Labels that others are compared with. */
const QUIET = /^(idle|quiet|nothing|baseline)/i;

/** What an analysis is told while it runs. */
export interface Running {
  onProgress: (what: string) => void;
  /** Ends it early. */
  signal?: AbortSignal | null;
}

/** Everything, pair by pair; in between other things may run. */
export async function analyse(
  source: Source,
  subjects: readonly Subject[],
  running: Running,
  { warnings, untold }: Remarks = { warnings: [], untold: [] },
): Promise<AuditReport> {
  const report: AuditReport = {
    ...{ version: 1, source, directions: subjects.map(directionOf), pairs: [], findings: [] },
    ...{ leaks: false, verdict: "cannot-tell", untold: [], warnings, complete: true },
  };
  const steps = subjects.flatMap((subject) => [
    ...stepsOf(subject).map(({ say, take }) => ({ say, take: () => void report.pairs.push(take()) })),
    {
      say: `${subject.observation.direction}: every condition by itself`,
      take: () => void report.findings.push(...conditionFindings(subject, subjects)),
    },
  ]);
  for (const [done, { say, take }] of steps.entries()) {
    // So that signals arrive, and callbacks of the caller run.
    await new Promise(setImmediate);
    if (running.signal?.aborted) {
      report.complete = false;
      break;
    }
    running.onProgress(`${done + 1} of ${steps.length}, ${say}`);
    take();
  }
  report.leaks = report.findings.length > 0 || report.pairs.some((pair) => !pair.control && tells(pair));
  report.untold = [...untold, ...untoldOf(report, subjects)];
  const silent = report.untold.length > 0 ? "cannot-tell" : "nothing-found";
  report.verdict = report.leaks ? "leaks" : silent;
  return report;
}

/** If a datagram is fragmented, its first fragment speaks for all, except for where they begin. */
function shownHeaders({ headers, fragments = [] }: Observation, field: keyof HeaderFields): HeaderCount[] {
  return field === "fragmentOffset" ? [...headers, ...fragments] : headers;
}

/** The condition that the others are compared with. */
export function referenceOf(labels: readonly string[]): string | undefined {
  return labels.find((label) => QUIET.test(label)) ?? labels[0];
}

/** One comparison each: conditions against the reference, then every condition against itself. */
function stepsOf({ shown }: Subject): { say: string; take: () => AuditPair }[] {
  const { observation } = shown;
  const { direction } = observation;
  const labels = labelsOf(observation);
  const reference = referenceOf(labels);
  const pairs = labels.filter((label) => label !== reference).map((label) => ({ a: reference!, b: label }));
  return [...pairs, ...labels.map((label) => ({ a: label, b: label }))].map(({ a, b }) => {
    const control = a === b;
    const say = control ? `${direction}: ${a}, one half against the other` : `${direction}: ${a} against ${b}`;
    const take = () => {
      const [one, other] = control ? halves(seenAs(observation, a)) : [seenAs(observation, a), seenAs(observation, b)];
      const found = compare(one, other, shown, control ? null : [a, b]);
      return pairOf(shown, { direction, a, b, control }, found, [one, other]);
    };
    return { say, take };
  });
}

function pairOf(
  { schedule }: View,
  named: Pick<AuditPair, "direction" | "a" | "b" | "control">,
  found: Comparison,
  sides: readonly [readonly Seen[], readonly Seen[]],
): AuditPair {
  const pair = {
    ...named,
    n95: plain(found.bulk),
    n95AllSlots: plain(found.all),
    method: found.method,
    gaps: sides.map((seen) => allGaps(seen).length) as [number, number],
    attacker: found.attack && { accuracy: found.attack.accuracy, gapsPerWindow: found.attack.gapsPerWindow },
    findings: found.findings,
  };
  return {
    ...pair,
    words: wordsFor(pair, schedule),
    advice: adviceFor(pair, schedule),
  };
}

function plain(found: N95 | null): AuditPair["n95"] {
  if (found === null) return null;
  const finite = (value: number) => (Number.isFinite(value) ? value : null);
  const { low, estimate, high, atLeast } = found;
  return { low, estimate: finite(estimate), high: finite(high), atLeast };
}

/** Every other stretch against those between; a single stretch is cut in the middle. */
export function halves(all: readonly Seen[]): [Seen[], Seen[]] {
  // One without datagrams would make a half of nothing.
  const seen = all.filter(({ timesNs }) => timesNs.length > 0);
  if (seen.length > 1) return [seen.filter((_, index) => index % 2 === 0), seen.filter((_, index) => index % 2 === 1)];
  const [only] = seen;
  if (only === undefined) return [[], []];
  const middle = (only.timesNs.length / 2) | 0;
  const cut = only.timesNs[middle] ?? only.toNs;
  const slot = only.errorsNs === undefined ? 0 : (only.errorsNs.length / 2) | 0;
  const part = (from: number, to: number, fromNs: number, toNs: number): Seen => ({
    ...{ label: only.label, fromNs, toNs, timesNs: only.timesNs.subarray(from, to) },
    ...(only.errorsNs && { errorsNs: from === 0 ? only.errorsNs.subarray(0, slot) : only.errorsNs.subarray(slot) }),
  });
  return [[part(0, middle, only.fromNs, cut)], [part(middle, only.timesNs.length, cut, only.toNs)]];
}

/** What needs no second condition. */
function conditionFindings(subject: Subject, subjects: readonly Subject[]): AuditReport["findings"] {
  const { observation, schedule, clip } = subject;
  const { direction, innerNs, bytes } = observation;
  const others = subjects
    .filter((one) => one !== subject)
    .map((one) => concat(one.observation.seen.map((s) => s.timesNs)));
  const of = (label: string): Effect[] => {
    const seen = seenAs(observation, label);
    const echo = (effect: "echo-inner" | "echo-direction", events: Float64Array, what: string) =>
      echoEffects(effect, seen, events, schedule, clip, what);
    return [
      ...periodEffect(seen, schedule),
      ...changePointEffect(seen, clip),
      ...(innerNs === undefined ? [] : echo("echo-inner", innerNs, "an inner packet")),
      ...others.flatMap((events) => echo("echo-direction", events, "a datagram of the other direction")),
    ];
  };
  const named = (label: string | null, effects: Effect[]) => effects.map((effect) => ({ label, ...effect }));
  // All together: with a dozen conditions, as many tests would find as many times what is chance.
  const found = findingsOf([
    ...named(null, variedHeaders(observation)),
    ...named(null, fragmentEffects(observation)),
    ...bytes.flatMap((counts) => named(counts.label, uniformityEffects(counts))),
    ...labelsOf(observation).flatMap((label) => named(label, of(label))),
  ]);
  return found.map((finding) => ({ direction, ...finding }));
}

function directionOf({ observation, schedule, clip, shown }: Subject): AuditDirection {
  const sendErrors = sendErrorsOf(observation);
  const conditions = labelsOf(observation).map((label): AuditCondition => {
    const seen = seenAs(observation, label);
    const gaps = allGaps(seen);
    return {
      label,
      stretches: seen.length,
      seconds: seen.reduce((sum, { fromNs, toNs }) => sum + (toNs - fromNs) / 1e9, 0),
      datagrams: seen.reduce((sum, { timesNs }) => sum + timesNs.length, 0),
      skipped: lateCount(gaps, schedule),
      gapSdUs: Math.sqrt(clipped(gaps, clip).variance) / 1000 || 0,
      sendErrors: sendErrors?.get(label) ?? null,
    };
  });
  const headers = (Object.keys(FIELD_NAMES) as (keyof HeaderFields)[]).map((field) => ({
    field,
    values: fieldValues(shownHeaders(observation, field), field).map(({ value, counts }) => ({ value, counts })),
  }));
  const { intervalNs, jitterNs, guessed } = schedule;
  const assumed = shown.schedule.jitterNs === jitterNs ? null : shown.schedule.jitterNs;
  const wire = { intervalNs, jitterNs, jitterShape: shown.schedule.shape, guessed, assumedJitterNs: assumed };
  return { direction: observation.direction, ...wire, conditions, headers };
}
