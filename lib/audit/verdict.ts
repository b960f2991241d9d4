/** What the figures mean, and what to do about it, in words. */
import type { AuditPair } from "../../types/audit.js";
import type { Schedule } from "./schedule.js";

/** Stronger words than this many intervals are not asked for: the project's goal for an n95. */
const GOAL = 1e6;
/** n95 of all slots is smaller than that of the bulk by more than this: single slots are what tells. */
const TAILS_TELL = 5;
/** The widest jitter that is advised, as a share of the interval: the default. */
const WIDE = 0.5;
/** Wider by less than this isn't worth advice: the width may be a guess. */
const NARROWER = 0.95;
/** n95 of a density without edges grows with this power of its width. */
const POWER = 4;

type Pair = Omit<AuditPair, "words" | "advice">;

/** 4 h 20 min. */
export function span(seconds: number): string {
  const units: [string, number][] = [
    ["years", 365.25 * 86_400],
    ["d", 86_400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ];
  const at = Math.max(
    units.findIndex(([, size]) => seconds >= size),
    0,
  );
  if (seconds < 1) return `${String(Number(seconds.toPrecision(2)))} s`;
  const [unit, size] = units[at]!;
  if (unit === "years") return `${String(Number((seconds / size).toPrecision(2)))} years`;
  const next = units[at + 1];
  const whole = Math.floor(seconds / size);
  const rest = next === undefined ? 0 : Math.floor((seconds - whole * size) / next[1]);
  return rest === 0 || next === undefined ? `${whole} ${unit}` : `${whole} ${unit} ${rest} ${next[0]}`;
}

/** 1.6 x 10^6, or 12,000. */
export function count(value: number): string {
  if (value < 1e6) return Math.round(value).toLocaleString("en");
  const power = Math.floor(Math.log10(value));
  return `${String(Number((value / 10 ** power).toPrecision(2)))} x 10^${power}`;
}

/** Something was found that tells the two apart. */
export function tells({ n95, findings }: Pick<AuditPair, "n95" | "findings">): boolean {
  return findings.length > 0 || n95?.atLeast === false;
}

/** The verdict of a pair in a sentence. */
export function wordsFor(pair: Pair, { intervalNs }: Schedule): string {
  const { direction, a, b, control, n95, findings } = pair;
  if (n95 === null) return tooFew(pair);
  if (control) return controlWords(pair);
  const needs = `to tell "${b}" from "${a}", an observer of ${direction} needs`;
  const time = (intervals: number) =>
    `${span((intervals * intervalNs) / 1e9)} of traffic (${count(intervals)} intervals)`;
  const by = findings[0] === undefined ? "" : `; clearest: ${findings[0].words}`;
  if (n95.atLeast) {
    const beyond = findings.length > 0 ? " by single gaps, but something else tells them apart" : "";
    return `${needs} at least ${time(n95.low)}${beyond}${by}`;
  }
  return `${needs} about ${time(n95.estimate ?? n95.low)}, at least ${count(n95.low)}${by}`;
}

/** Something may have been found all the same, by a test that needs fewer. */
function tooFew({ direction, a, b, control, findings }: Pair): string {
  const what = control ? `control, two halves of "${a}", ${direction}` : `${direction}, "${b}" against "${a}"`;
  const found = findings[0] === undefined ? "" : `; what was found: ${findings[0].words}`;
  return `${what}: too few gaps for an n95, which says nothing of whether they can be told apart${found}`;
}

function controlWords({ direction, a, n95, findings }: Pair): string {
  const where = `control, two halves of "${a}", ${direction}`;
  if (findings.length === 0 && n95?.atLeast !== false) return `${where}: nothing tells them apart, as it should be`;
  const by = findings[0]?.words ?? `n95 about ${count(n95?.estimate ?? 0)}`;
  return `${where}: they differ by themselves (${by}); what is no clearer than this says nothing`;
}

/** What would make the pair harder to tell apart. */
export function adviceFor(pair: Pair, schedule: Schedule): string[] {
  const { n95, n95AllSlots, control, findings } = pair;
  if (control || n95 === null) return [];
  const has = (...effects: string[]) => findings.some(({ effect }) => effects.includes(effect));
  const advice: string[] = [];
  if (has("headers"))
    advice.push("header fields must be constant: look at what changes them on the way, or at the sender");
  if (has("bytes")) advice.push("payloads must look random: encrypt everything behind the UDP header");
  const tails = n95AllSlots !== null && n95AllSlots.low * TAILS_TELL < n95.low && n95AllSlots.low < GOAL;
  if (tails || has("skipped", "spectrum")) {
    advice.push(
      "single late or skipped slots tell: look for what stalls the sender (i405 doctor), and send from two cores (--dispatchers 2)",
    );
  }
  if (has("rate"))
    advice.push("the mean interval changes: deadlines must follow from deadlines, never from when something was sent");
  if (n95.low >= GOAL || (n95.atLeast && findings.length === 0)) return advice;
  const { jitterNs } = schedule;
  if (has("gaps", "spread", "attacker") || !n95.atLeast) {
    advice.push(
      "send errors scatter differently: --cpu with a core that devices don't interrupt (i405 doctor names it), and " +
        "--poll-mode dozy with --burner cpu, which keeps that core in one state; in a virtual machine try --burner all as " +
        "well, because a hypervisor may give an idle machine's cores back later than a busy one's",
    );
    if (jitterNs < NARROWER * WIDE * schedule.intervalNs) advice.push(widerJitter(jitterNs, schedule));
    advice.push("twice the interval, with jitter in proportion: about 16 times the intervals, 32 times the time");
  }
  return advice;
}

function widerJitter(jitterNs: number, { intervalNs, shape }: Schedule): string {
  const wide = WIDE * intervalNs;
  if (jitterNs === 0) return "jitter of half of the interval, cos4, hides errors of microseconds; here there is none";
  if (shape === "uniform" || shape === "two-step") {
    return "a density with edges shows every delay at the edge: a smooth one (cos4) of half of the interval hides it";
  }
  return `jitter of half of the interval instead of ${Math.round((100 * jitterNs) / intervalNs)} %: about ${count((wide / jitterNs) ** POWER)} times the intervals`;
}
