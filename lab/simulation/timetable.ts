/** When the slots of a run were due, and whether another run's were due at the same instants. */
import type { Role } from "../../lib/native/options.js";
import type { Simulator } from "./simulator.js";

/** By end: the instants of its deadlines, ns of its CLOCK_MONOTONIC, by their numbers. Those that were missed are not there. */
export type Timetable = Readonly<Record<Role, ReadonlyMap<number, number>>>;

export function readTimetable(simulator: Simulator): Timetable {
  const of = (end: Role): Map<number, number> => {
    const pairs = simulator.simulationTimetable(end);
    const deadlines = new Map<number, number>();
    for (let at = 0; at < pairs.length; at += 2) deadlines.set(pairs[at]!, pairs[at + 1]!);
    return deadlines;
  };
  return { client: of("client"), server: of("server") };
}

/** @returns the first deadline that is another one in the other run; null: each that neither missed is the same. */
export function firstMoved(timetable: Timetable, other: Timetable): string | null {
  for (const end of ["client", "server"] as const) {
    let compared = 0;
    for (const [number, atNs] of timetable[end]) {
      const otherNs = other[end].get(number);
      if (otherNs === undefined) continue;
      if (otherNs !== atNs) return `deadline ${number} of the ${end} was moved by ${atNs - otherNs} ns`;
      compared += 1;
    }
    if (compared < other[end].size / 2) return `the ${end} had ${compared} deadlines of ${other[end].size}`;
  }
  return null;
}
