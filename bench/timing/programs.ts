/** What the programs of a stretch use, CPU and memory, and how late their own calls are. */
import { residentBytes, threadCpu } from "../../lab/figures/stats.js";
import { median, overStretches, type Lateness } from "./figures.js";

/** One program in one stretch. */
export interface ProgramUse {
  /** `client` or `server`; of a plain sender `sender` or `receiver`. */
  name: string;
  /** As it reports it; null if it doesn't. */
  call: Lateness | null;
  /** Shares of one core, by the threads' names. */
  threads: Record<string, number>;
  /** Bytes at the end of the stretch; null of a program that has ended by then. */
  resident: number | null;
  /** Bytes more than at its beginning. */
  grown: number | null;
}

/** What one look at a running program tells. */
export interface Glance {
  ms: number;
  threads: ReturnType<typeof threadCpu>;
  resident: number;
}

export function glance(pid: number): Glance {
  return { ms: performance.now(), threads: threadCpu(pid), resident: residentBytes(pid) };
}

/** What a program did between two looks. */
export function useOf(name: string, before: Glance, after: Glance, call: Lateness | null = null): ProgramUse {
  const seconds = (after.ms - before.ms) / 1000;
  const threads: Record<string, number> = {};
  for (const thread of after.threads) {
    const used = thread.seconds - (before.threads.find(({ tid }) => tid === thread.tid)?.seconds ?? 0);
    threads[thread.name] = (threads[thread.name] ?? 0) + used / seconds;
  }
  return { name, call, threads, resident: after.resident, grown: after.resident - before.resident };
}

/** All its threads, shares of one core. */
export function cpuShare({ threads }: ProgramUse): number {
  return Object.values(threads).reduce((sum, share) => sum + share, 0);
}

/** One program over the stretches of a condition: medians. */
function overall(name: string, parts: readonly ProgramUse[]): ProgramUse {
  const known = (values: readonly (number | null)[]) => values.filter((value) => value !== null);
  const middle = (values: readonly number[]) => (values.length === 0 ? null : median(values));
  const names = [...new Set(parts.flatMap(({ threads }) => Object.keys(threads)))];
  return {
    name,
    call: overStretches(parts.map(({ call }) => call)),
    threads: Object.fromEntries(
      names.map((thread) => [thread, median(parts.map(({ threads }) => threads[thread] ?? 0))]),
    ),
    resident: middle(known(parts.map(({ resident }) => resident))),
    grown: middle(known(parts.map(({ grown }) => grown))),
  };
}

/** Each program over the stretches of a condition. */
export function overallUse(stretches: readonly (readonly ProgramUse[])[]): ProgramUse[] {
  const all = stretches.flat();
  return [...new Set(all.map(({ name }) => name))].map((name) =>
    overall(
      name,
      all.filter((use) => use.name === name),
    ),
  );
}
