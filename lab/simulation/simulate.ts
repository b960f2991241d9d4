/** One simulated run: the real machines of both ends in virtual time, from a seed. */
import { adapt, type NativeModule } from "../../lib/native/loader.js";
import { makeCircumstances } from "./circumstances.js";
import { SimulatedProcess, type Told, type Trace } from "./process.js";
import { seedRandomness } from "./randomness.js";
import type { Figures, Load, Plant, Simulator, Waking } from "./simulator.js";
import { firstMoved, readTimetable, type Timetable } from "./timetable.js";

export interface RunOptions {
  /** Whole number below 2^53. */
  seed: number;
  /** Virtual time, seconds. */
  seconds: number;
  /** Default true; false: a quiet network and two ends that nothing happens to. */
  faults?: boolean;
  /** Default "usual". */
  load?: Load;
  /** Default "usual". */
  waking?: Waking;
  /** Default: none. */
  plant?: Plant;
  /** The deadlines have to be these, but for those that were missed in one of the runs. Without faults only. */
  like?: Timetable;
  /** Hears of all that enters or leaves the machines; default: nobody. `atNs` is the simulation's time. */
  trace?: (atNs: number, ...what: Parameters<Trace>) => void;
}

export interface Outcome extends Figures, Told {
  /** The invariant that was broken, and when; null: none. */
  broken: string | null;
}

/** Runs it to its end or to the first broken invariant. The process's randomness is the seed's meanwhile. */
export function simulate(simulator: Simulator, options: RunOptions): Outcome {
  return simulateTimetable(simulator, options).outcome;
}

/** The same, and when its slots were due. */
export function simulateTimetable(
  simulator: Simulator,
  options: RunOptions,
): { outcome: Outcome; timetable: Timetable } {
  const { seed, seconds, faults = true, load = "usual", waking = "usual", plant = "nothing" } = options;
  const restore = seedRandomness(`${seed} ${seconds}`);
  const told: Told = { warnings: new Map(), silences: 0, rekeys: 0, roams: 0 };
  const trace: Trace = (...what) => options.trace?.(simulator.simulationNowNs(), ...what);
  try {
    const circumstances = makeCircumstances(seed, plant);
    const stateFiles = circumstances.server.store !== null;
    const durationNs = seconds * 1e9;
    const addon = adapt(simulator as unknown as NativeModule);
    const { boundNs, unconfirmedNs, ownStart } = circumstances;
    simulator.simulationBegin({
      ...{ seed, durationNs, faults, boundNs, unconfirmedNs },
      ...{ stateFiles, ownStart, load, waking, plant },
    });
    let broken: string | null = null;
    try {
      const processes: { client: SimulatedProcess | null; server: SimulatedProcess | null } = {
        client: null,
        server: null,
      };
      for (;;) {
        const entry = simulator.simulationRun(processes.client?.timerNs ?? null, processes.server?.timerNs ?? null);
        if (entry.kind === "over") break;
        const { end } = entry;
        trace(end, `< ${entry.kind}`, entry.kind === "events" ? entry.events : undefined);
        if (entry.kind === "started") {
          processes[end] = new SimulatedProcess(simulator, addon, end, circumstances, told, trace);
        } else if (entry.kind === "killed") {
          processes[end]?.release();
          processes[end] = null;
        } else if (entry.kind === "events") {
          processes[end]?.handle(entry.events);
        } else {
          processes[end]?.fireTimer();
        }
      }
    } catch (error) {
      broken = error instanceof Error ? error.message : String(error);
    }
    const timetable = readTimetable(simulator);
    if (options.like !== undefined) broken ??= firstMoved(timetable, options.like);
    return { outcome: { ...simulator.simulationEnd(), ...told, broken }, timetable };
  } finally {
    restore();
  }
}
