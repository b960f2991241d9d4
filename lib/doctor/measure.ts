/**
 * Measures what this machine does to a timed thread: lateness of sleep and of sleep-then-spin, idle and under load, and
 * what the machine takes away by itself. Idle and loaded stretches take turns, so that the machine's own drift falls on
 * both.
 */
import type { NativeLateness, NativeLosses, Probes } from "../native/probes.js";
import type { underLoad } from "./load.js";

export type Condition = "idle" | "loaded";
export const CONDITIONS: readonly Condition[] = ["idle", "loaded"];

/** The doctor's slots: 1 ms, as in docs/real-time.md. */
export const INTERVAL_NS = 1_000_000;
/** Spun before each deadline, as dozy does. */
export const MARGIN_NS = 120_000;
/** Rounds of idle and loaded. */
const ROUNDS = 2;

/** Of one way to wait, a stretch of each round. */
export type Stretches = Record<Condition, NativeLateness[]>;
/** What a burner keeps busy. */
export type Burnt = "cpu" | "all";
const BURNT: readonly Burnt[] = ["cpu", "all"];

/** What was measured on one core. */
export interface CoreMeasurement {
  cpu: number;
  sleep: Stretches;
  /** Sleep, then spin, as dozy does. */
  spin: Stretches;
  /** The same with each burner; null where it wasn't measured. */
  burner: Record<Burnt, Stretches> | null;
  losses: NativeLosses[];
  /** By the kernel's counter, in steps of 10 ms, over all stretches of all cores; null if it doesn't say. */
  stolenMs: number | null;
}

export interface Measurements {
  seconds: number;
  cores: CoreMeasurement[];
}

export interface MeasureRequest {
  /** Cores to measure, at most a few; of the first also what a burner does for it, if there is another core. */
  cpus: readonly number[];
  /** Cores to load. */
  cores: number;
  /** All stretches together. */
  seconds: number;
  /** Stolen from a core since the start. */
  stolenMs(cpu: number): number | undefined;
  isStopped(): boolean;
  onProgress(text: string): void;
}

/** What tests put in place of the machine. */
export interface MeasureTools {
  probes: Probes;
  underLoad: typeof underLoad;
}

/** Undefined if it was stopped. */
export async function measure(tools: MeasureTools, request: MeasureRequest): Promise<Measurements | undefined> {
  const { cpus, seconds } = request;
  const isStopped = () => request.isStopped();
  const { probes } = tools;
  const none = (): Stretches => ({ idle: [], loaded: [] });
  const cores = cpus.map((cpu, index): CoreMeasurement => {
    const burner = index === 0 && request.cores > 1 ? { cpu: none(), all: none() } : null;
    return { cpu, sleep: none(), spin: none(), burner, losses: [], stolenMs: null };
  });
  const stolenBefore = cpus.map((cpu) => request.stolenMs(cpu));
  // Each round measures every way to wait in both conditions, and the losses once.
  const stretches = cores.reduce((sum, { burner }) => sum + CONDITIONS.length * (burner === null ? 2 : 4) + 1, 0);
  const stretchNs = (seconds * 1e9) / (ROUNDS * stretches);
  const slots = Math.max(1, Math.floor(stretchNs / INTERVAL_NS));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const condition of CONDITIONS) {
      request.onProgress(`measuring, ${condition}, round ${round + 1} of ${ROUNDS}`);
      const look = async () => {
        for (const core of cores) {
          if (isStopped()) return;
          const probe = { cpu: core.cpu, intervalNs: INTERVAL_NS, slots };
          core.sleep[condition].push(await probes.lateness({ ...probe, marginNs: null, burner: "off" }));
          if (isStopped()) return;
          core.spin[condition].push(await probes.lateness({ ...probe, marginNs: MARGIN_NS, burner: "off" }));
          for (const burner of core.burner === null ? [] : BURNT) {
            if (isStopped()) return;
            const result = await probes.lateness({ ...probe, marginNs: MARGIN_NS, burner });
            core.burner?.[burner][condition].push(result);
          }
          if (isStopped() || condition === "loaded") continue;
          core.losses.push(await probes.losses({ cpu: core.cpu, durationNs: Math.round(stretchNs) }));
        }
      };
      if (condition === "idle") await look();
      else await tools.underLoad(request.cores, look);
      if (isStopped()) return undefined;
    }
  }
  cores.forEach((core, index) => {
    const [before, after] = [stolenBefore[index], request.stolenMs(core.cpu)];
    if (before !== undefined && after !== undefined) core.stolenMs = after - before;
  });
  return { seconds, cores };
}

/** Share of a core's time that was lost in gaps above 50 us. */
export function lostShare({ losses }: CoreMeasurement): number {
  const wanted = losses.reduce((sum, { wantedNs }) => sum + wantedNs, 0);
  const lost = losses.reduce((sum, { lostNs }) => sum + lostNs, 0);
  return wanted === 0 ? 0 : lost / wanted;
}
