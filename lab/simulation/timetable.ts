/** When the slots of a run were due and how long they were, and whether another run's were the same. */
import type { Role } from "../../lib/native/options.js";
import type { Simulator } from "./simulator.js";

/** By the numbers of an end's deadlines. Those that were missed are not there. */
interface Slots {
  /** Ns of its CLOCK_MONOTONIC. */
  deadlines: ReadonlyMap<number, number>;
  /** UDP bytes. */
  lengths: ReadonlyMap<number, number>;
}

export type Timetable = Readonly<Record<Role, Slots>>;

export function readTimetable(simulator: Simulator): Timetable {
  const of = (end: Role): Slots => {
    const numbers = simulator.simulationTimetable(end);
    const [deadlines, lengths] = [new Map<number, number>(), new Map<number, number>()];
    for (let at = 0; at < numbers.length; at += 3) {
      deadlines.set(numbers[at]!, numbers[at + 1]!);
      lengths.set(numbers[at]!, numbers[at + 2]!);
    }
    return { deadlines, lengths };
  };
  return { client: of("client"), server: of("server") };
}

/** @returns the first deadline of this end that is another one in the other run; null: each that neither missed is the same. */
export function firstMoved(timetable: Timetable, other: Timetable, end: Role): string | null {
  const [mine, others] = [timetable[end].deadlines, other[end].deadlines];
  let compared = 0;
  for (const [number, atNs] of mine) {
    const otherNs = others.get(number);
    if (otherNs === undefined) continue;
    if (otherNs !== atNs) return `deadline ${number} of the ${end} was moved by ${atNs - otherNs} ns`;
    compared += 1;
  }
  return compared < others.size / 2 ? `the ${end} had ${compared} deadlines of ${others.size}` : null;
}

/** @returns the first slot of this end that has another length in the other run. */
function firstOfOtherLength(timetable: Timetable, other: Timetable, end: Role): string | null {
  for (const [number, length] of timetable[end].lengths) {
    const otherLength = other[end].lengths.get(number) ?? length;
    if (otherLength !== length) return `slot ${number} of the ${end} had ${length} bytes, not ${otherLength}`;
  }
  return null;
}

/** @returns what is the first difference, deadlines before lengths, of slots that neither run missed. */
export function firstDifference(timetable: Timetable, other: Timetable): string | null {
  for (const compare of [firstMoved, firstOfOtherLength]) {
    for (const end of ["client", "server"] as const) {
      const difference = compare(timetable, other, end);
      if (difference !== null) return difference;
    }
  }
  return null;
}
