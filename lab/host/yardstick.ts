/** What the machine does without a tunnel (crates/i405-testkit/src/bin/yardstick.rs). */
import { flags, Program, type Place } from "./program.js";
import { testkit } from "./testkit.js";
import type { Summary } from "../figures/stats.js";

export interface YardstickOptions {
  intervalUs?: number;
  seconds?: number;
  /** Without it nothing is sent, only the waiting is measured. */
  to?: string;
  /** IP length of each datagram. */
  length?: number;
  cpu?: number;
  fifo?: boolean;
  /** Half width of a jitter of two steps. Default: none, a grid. */
  jitterUs?: number;
  /** `spin`: sleep that long after each deadline, which keeps it off the kernel's real-time throttle. */
  breatheUs?: number;
  /** `spin`: shorter gaps don't count. Default 50. */
  gapUs?: number;
}

/** Times in microseconds, as the CLI's deviation has them. */
export interface Measured {
  slots: number;
  sent: number;
  missed: number;
  sendErrors: number;
  seconds: number;
  /** Of one core. */
  cpuShare: number;
  latenessUs: Summary & { p95: number };
  /** `spin`: part of the time that it watched the clock in gaps, the intervals lost in them, and their distribution. */
  gapPercent?: number;
  gapSlots?: number;
  gapsUs?: Summary;
}

/** Starts a bare sleeper or spinner; `event("done")` has the figures. */
export function startYardstick(place: Place, mode: "sleep" | "spin", options: YardstickOptions): Program {
  return new Program(place, [testkit("yardstick"), mode, ...flags(options)]);
}

export async function yardstick(place: Place, mode: "sleep" | "spin", options: YardstickOptions): Promise<Measured> {
  const program = startYardstick(place, mode, options);
  try {
    return await program.event<Measured>("done");
  } finally {
    await program.stop();
  }
}
