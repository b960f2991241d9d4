/** Cores that spinny tunnels poll on: two on one core would each miss half of their slots. */
import { I405Error } from "../common/errors.js";
import type { LocalSettings } from "../options/settings.js";

const claimed = new Set<number>();

/**
 * Claims the core of a spinny, pinned tunnel. Other tunnels need no claim.
 *
 * @returns A function that gives the core back, once.
 * @throws {I405Error} `ERR_I405_CPU_IN_USE`
 */
export function claimCpu({ pollMode, cpus }: LocalSettings): () => void {
  // The first dispatcher is the one that polls.
  const [cpu] = cpus;
  if (pollMode !== "spinny" || cpu === undefined) return () => undefined;
  if (claimed.has(cpu)) {
    throw new I405Error(
      "ERR_I405_CPU_IN_USE",
      `cpu: another spinny tunnel of this program polls on core ${cpu}. Give each a core of its own`,
      { option: "cpu" },
    );
  }
  claimed.add(cpu);
  let held = true;
  return () => {
    if (held) claimed.delete(cpu);
    held = false;
  };
}
