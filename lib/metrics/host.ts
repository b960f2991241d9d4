/** What of the machine belongs beside a tunnel's figures. */
import { readFileSync } from "node:fs";

/** One tick of USER_HZ, on every architecture that this runs on (proc_stat(5)), seconds. */
const TICK_SECONDS = 0.01;
/** Column of the first line, after its name: user nice system idle iowait irq softirq steal. */
const STEAL = 8;

/**
 * Time that the hypervisor gave to others while something here wanted to run, seconds since the start, summed over all
 * cores. null if the kernel doesn't say.
 */
export function stealSeconds(read: () => string = () => readFileSync("/proc/stat", "utf8")): number | null {
  try {
    const ticks = Number(read().split("\n", 1)[0]?.split(/\s+/)[STEAL]);
    return Number.isFinite(ticks) ? ticks * TICK_SECONDS : null;
  } catch {
    return null;
  }
}
