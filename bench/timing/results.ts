/** Everything that was measured, and what follows from it: rows for the table, the JSON file and the plot. */
import { n95, type N95 } from "../../lib/statistics/n95.js";
import type { Measured } from "../../lab/host/yardstick.js";
import { overallCarried, roundTrips, type Carried, type RoundTrips } from "./carried.js";
import { joined, overStretches, wireLateness, type Lateness } from "./figures.js";
import { pairs, type Session } from "./plan.js";
import { overallUse, type ProgramUse } from "./programs.js";
import { BARE, type Condition } from "./selection.js";
import type { Account, Measurement, Measurements } from "./session.js";

/** Where the bulk ends, on both sides. */
const BULK = 0.999;

/** One sender at one interval, over all rounds. */
export interface Subject {
  intervalNs: number;
  sender: string;
  conditions: Condition[];
  measurements: Measurement[];
  spinners: Measured[];
  /** Of each round; a plain sender has none. */
  accounts: Account[];
}

/** One sender under one condition. Microseconds; medians over stretches of what holds for a stretch. */
export interface Row {
  intervalNs: number;
  sender: string;
  condition: Condition;
  wire: Lateness | null;
  programs: ProgramUse[];
  carried: Carried | null;
  roundTrips: RoundTrips | null;
  /** Of the deviations on the wire, this condition to idle. */
  sdRatio: number | null;
  /** Of the medians on the wire, this condition less idle. Null where stretches have no common origin. */
  medianShiftUs: number | null;
  /** Sum over the stretches. */
  stolenS: number;
  stretches: number;
}

/** How well two conditions can be told apart at the jitter asked for. */
export interface Comparison {
  intervalNs: number;
  sender: string;
  a: "idle";
  b: Condition;
  /** Trimmed at p99.9 on both sides. */
  bulk: N95 | null;
  all: N95 | null;
}

/** Collects measurements of sessions. */
export class Results {
  readonly subjects: Subject[] = [];

  add({ intervalNs, sender, stretches }: Session, { measurements, account }: Measurements, spinner: Measured): void {
    let subject = this.subjects.find((one) => one.intervalNs === intervalNs && one.sender === sender.name);
    if (subject === undefined) {
      subject = { intervalNs, sender: sender.name, conditions: [], measurements: [], spinners: [], accounts: [] };
      this.subjects.push(subject);
    }
    subject.conditions.push(...stretches);
    subject.measurements.push(...measurements);
    subject.spinners.push(spinner);
    if (account !== null) subject.accounts.push(account);
  }
}

function rowOf({ intervalNs, sender, conditions, measurements }: Subject, condition: Condition): Row {
  const parts = measurements.filter((_, place) => conditions[place] === condition);
  return {
    intervalNs,
    sender,
    condition,
    wire: overStretches(parts.map(({ errorsNs }) => wireLateness(errorsNs))),
    programs: overallUse(parts.map(({ programs }) => programs)),
    carried: overallCarried(parts.map(({ carried }) => carried)),
    roundTrips: roundTrips(parts.map(({ pinged }) => pinged)),
    sdRatio: null,
    medianShiftUs: null,
    stolenS: parts.reduce((sum, { stolenS }) => sum + stolenS, 0),
    stretches: parts.length,
  };
}

/** Each stretch by itself, in the order of measuring: how far they differ says what the medians are worth. */
export function singleStretches({ conditions, measurements }: Subject) {
  return measurements.map(({ errorsNs, ...rest }, place) => ({
    condition: conditions[place],
    wire: wireLateness(errorsNs),
    ...rest,
  }));
}

/** A row per condition, idle first, each compared with idle. */
export function rows(subject: Subject): Row[] {
  const all = [...new Set(subject.conditions)].map((condition) => rowOf(subject, condition));
  const idle = all.find(({ condition }) => condition === "idle")?.wire;
  return all.map((row) =>
    row.wire === null || !idle
      ? row
      : {
          ...row,
          sdRatio: row.wire.sd / idle.sd,
          medianShiftUs: subject.sender === BARE ? null : row.wire.p50 - idle.p50,
        },
  );
}

/** n95 of each condition against idle, and of idle against idle. @param jitterShare half width over the interval */
export function comparisons(subject: Subject, jitterShare: number): Comparison[] {
  const { intervalNs, sender, conditions, measurements } = subject;
  const errors = (places: readonly number[]) => joined(places.map((place) => measurements[place]!.errorsNs));
  return pairs(conditions).map(({ condition, a, b }) => {
    const compared = (trim: number) => {
      try {
        return n95(errors(a), errors(b), { jitter: jitterShare * intervalNs, trim });
      } catch {
        return null; // Too few slots were sent.
      }
    };
    return { intervalNs, sender, a: "idle", b: condition, bulk: compared(BULK), all: compared(1) };
  });
}
