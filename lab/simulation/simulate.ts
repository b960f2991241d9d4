/** One simulated run: the real machines of both ends in virtual time, from a seed. */
import { adapt, type NativeModule } from "../../lib/native/loader.js";
import { makeCircumstances, type WireName } from "./circumstances.js";
import { startProcess, type SimulatedProcess, type Told, type Trace } from "./process.js";
import { seedRandomness } from "./randomness.js";
import type { Figures, Load, Path, Plant, Simulator, Waking } from "./simulator.js";
import { firstDifference, firstMoved, readTimetable, type Timetable } from "./timetable.js";

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
  /** Lengths and intervals; default: by the seed. */
  wire?: WireName;
  /** Default: "drawn", without faults "wide". */
  path?: Path;
  /** Default: none. */
  plant?: Plant;
  /** Deadlines and lengths have to be these, but for slots that were missed in one of the runs. Without faults only. */
  like?: Timetable;
  /** The client's deadlines have to be these, whatever the lengths. Without faults only. */
  paced?: Timetable;
  /** Hears of all that enters or leaves the machines; default: nobody. `atNs` is the simulation's time. */
  trace?: (atNs: number, ...what: Parameters<Trace>) => void;
}

/** From the end of a process to its next start, and from a start in vain to the next one. */
const START_AGAIN_NS = 2e9;

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
  const { seed, seconds, faults = true, load = "usual", waking = "usual", plant = "nothing", wire } = options;
  const { path = faults ? "drawn" : "wide" } = options;
  const restore = seedRandomness(`${seed} ${seconds}`);
  const told: Told = { warnings: new Map(), silences: 0, rekeys: 0, roams: 0, ends: 0 };
  const trace: Trace = (...what) => options.trace?.(simulator.simulationNowNs(), ...what);
  try {
    const circumstances = makeCircumstances(seed, plant, wire);
    const stateFiles = circumstances.server.store !== null;
    const durationNs = seconds * 1e9;
    const addon = adapt(simulator as unknown as NativeModule);
    const { boundNs, narrowBoundNs, attemptNs, unconfirmedNs, ownStart, automatic } = circumstances;
    simulator.simulationBegin({
      ...{ seed, durationNs, faults, boundNs, narrowBoundNs, attemptNs, unconfirmedNs },
      ...{ stateFiles, ownStart, load, waking, path, automatic, plant },
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
          processes[end] = startProcess(simulator, addon, end, circumstances, told, trace);
          if (processes[end] === null) simulator.simulationStartLater(end, START_AGAIN_NS);
        } else if (entry.kind === "killed") {
          processes[end]?.release();
          processes[end] = null;
        } else if (entry.kind === "events") {
          processes[end]?.handle(entry.events);
        } else {
          processes[end]?.fireTimer();
        }
        if (processes[end]?.refused === true) {
          // Whoever supervises it starts it again.
          processes[end].release();
          processes[end] = null;
          told.ends += 1;
          simulator.simulationStartLater(end, START_AGAIN_NS);
        }
      }
    } catch (error) {
      broken = error instanceof Error ? error.message : String(error);
    }
    const timetable = readTimetable(simulator);
    if (options.like !== undefined) broken ??= firstDifference(timetable, options.like);
    if (options.paced !== undefined) broken ??= firstMoved(timetable, options.paced, "client");
    return { outcome: { ...simulator.simulationEnd(), ...told, broken }, timetable };
  } finally {
    restore();
  }
}
