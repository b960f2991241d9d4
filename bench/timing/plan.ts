/** In which order stretches are measured, how long it takes, and which of them are compared. */
import { OF_TUNNELS, type Condition, type Selection, type Sender } from "./selection.js";

/** Time for a handshake and the first slots, which belong to no stretch, in seconds. */
export const SETTLE_S = 1.5;
/** Between two stretches, while a load comes up or goes away, in seconds. */
export const CHANGE_S = 0.7;

/** Time for TCP to find the tunnel's rate, in seconds. */
export const TCP_S = 5;

/** The stretches of one sender in one round: its tunnel stays up through all of them. */
export interface Session {
  intervalNs: number;
  sender: Sender;
  /** From 1. */
  round: number;
  stretches: Condition[];
}

/**
 * Idle before each condition, A B A C: whatever else changes with time, a condition and its idle stretch see it alike.
 * At least two idle ones over all rounds, which are compared with one another.
 */
export function stretches(conditions: readonly Condition[], rounds: number): Condition[] {
  const order = conditions.flatMap((condition): Condition[] => ["idle", condition]);
  return conditions.length * rounds < 2
    ? [...order, ...(order.length === 0 ? (["idle"] as const) : []), "idle"]
    : order;
}

/** Everything, in order: within an interval the senders take turns, round by round. */
export function plan({ senders, conditions, intervalsNs, rounds }: Selection): Session[] {
  return intervalsNs.flatMap((intervalNs) =>
    Array.from({ length: rounds }, (_, index) =>
      senders.map((sender) => ({
        intervalNs,
        sender,
        round: index + 1,
        stretches: stretches(
          sender.pollMode === null ? conditions.filter((condition) => !OF_TUNNELS.includes(condition)) : conditions,
          rounds,
        ),
      })),
    ).flat(),
  );
}

/** How long a session takes with the spinner's stretch after it, in seconds. */
export function sessionSeconds(session: Session, stretchS: number): number {
  const tcp = session.stretches.filter((condition) => condition === "tcp").length;
  return 2 * SETTLE_S + session.stretches.length * (stretchS + CHANGE_S) + tcp * TCP_S + stretchS;
}

/** `4 min 10 s`, to ten seconds; `40 s`. */
export function roughly(seconds: number): string {
  const tens = Math.max(Math.round(seconds / 10), 1) * 10;
  return tens < 60 ? `${tens} s` : `${Math.floor(tens / 60)} min ${tens % 60} s`;
}

/** Two lists of stretches to tell apart; each by its place in the order of measuring. */
export interface Pair {
  /** `busy`, or `idle` for the control: idle against idle. */
  condition: Condition;
  a: number[];
  b: number[];
}

/**
 * What is compared with what, given the conditions of one sender's stretches in order: each condition with the idle
 * stretches right before it, and every other idle stretch with those between.
 */
export function pairs(measured: readonly Condition[]): Pair[] {
  const found = new Map<Condition, Pair>();
  measured.forEach((condition, place) => {
    if (condition === "idle") return;
    const pair = found.get(condition) ?? { condition, a: [], b: [] };
    pair.a.push(place - 1);
    pair.b.push(place);
    found.set(condition, pair);
  });
  const idle = measured.flatMap((condition, place) => (condition === "idle" ? [place] : []));
  const control: Pair = {
    condition: "idle",
    a: idle.filter((_, index) => index % 2 === 0),
    b: idle.filter((_, index) => index % 2 === 1),
  };
  return [...(idle.length < 2 ? [] : [control]), ...found.values()];
}
