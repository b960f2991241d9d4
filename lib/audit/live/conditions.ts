/** What may be going on in a stretch, and in which order it does. */
import type { LoadKind } from "./load.js";
import { randomFrom, type Pattern } from "./patterns.js";

export interface Condition {
  /** Its name in reports. */
  label: string;
  up: Pattern;
  down: Pattern;
  load: LoadKind | null;
  /** The event loop of the tunnel's program stands still. */
  blocked: boolean;
}

const QUIET: Condition = { label: "quiet", up: "nothing", down: "nothing", load: null, blocked: false };
const carrying = (label: string, up: Pattern, down: Pattern): Condition => ({ ...QUIET, label, up, down });
const busy = (label: string, load: LoadKind): Condition => ({ ...QUIET, label, load });

export const CONDITIONS = {
  quiet: QUIET,
  "saturated-up": carrying("saturated up", "saturated", "nothing"),
  "saturated-down": carrying("saturated down", "nothing", "saturated"),
  "saturated-both": carrying("saturated both ways", "saturated", "saturated"),
  "now-and-then": carrying("one packet now and then", "now-and-then", "now-and-then"),
  bursts: carrying("bursts", "bursts", "bursts"),
  stream: carrying("constant stream", "stream", "stream"),
  "busy-cpu": busy("busy: all cores", "cpu"),
  "busy-memory": busy("busy: memory", "memory"),
  "busy-disk": busy("busy: disk", "disk"),
  "busy-interrupts": busy("busy: interrupts", "interrupts"),
  "event-loop": { ...QUIET, label: "event loop blocked", blocked: true },
} as const satisfies Record<string, Condition>;

export type ConditionName = keyof typeof CONDITIONS;
export const CONDITION_NAMES = Object.keys(CONDITIONS) as ConditionName[];

/** Stretches of the others to one quiet one. */
const OTHERS_PER_QUIET = 3;
/** Rounds that are aimed at: a condition needs several stretches, or the machine's drift is taken for it. */
const ROUNDS = 4;
/** A stretch is of this length, s, unless there is no time for it. */
const [SHORTEST_S, LONGEST_S] = [2, 30];
/** What a stretch takes beside its own length, s: settling, and fetching the other end's records. */
export const OVERHEAD_S = 2.5;

export interface Plan {
  /** Stretch after stretch. */
  order: ConditionName[];
  stretchS: number;
}

/** Every condition with the others between, in random order. @param names without `quiet`, which is always in. */
export function planOf(names: readonly ConditionName[], totalS: number, stretchS: number | null, seed: number): Plan {
  const others = names.filter((name) => name !== "quiet");
  const quiet = Math.max(Math.ceil(others.length / OTHERS_PER_QUIET), 1);
  const perRound = others.length + quiet;
  const each = stretchS ?? Math.min(Math.max(totalS / (ROUNDS * perRound) - OVERHEAD_S, SHORTEST_S), LONGEST_S);
  const rounds = Math.max(Math.floor(totalS / (perRound * (each + OVERHEAD_S))), 1);
  const random = randomFrom(seed);
  const order = Array.from({ length: rounds }, () =>
    shuffled([...others, ...Array.from({ length: quiet }, () => "quiet" as const)], random),
  ).flat();
  return { order, stretchS: each };
}

/** Fisher and Yates. */
function shuffled<Value>(list: readonly Value[], random: () => number): Value[] {
  const mixed = [...list];
  for (let at = mixed.length - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1));
    [mixed[at], mixed[other]] = [mixed[other]!, mixed[at]!];
  }
  return mixed;
}
