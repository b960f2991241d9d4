/** Which core is interrupted least by devices: the one for the timed thread. */
import { parseList, words } from "./parse.js";
import type { System } from "./system.js";

/** Interrupts of devices by core, since the start. Those with names (LOC, RES, CAL) follow the load, not the core. */
function deviceInterrupts(system: System): Map<number, number> {
  const [head = "", ...lines] = (system.readFile("/proc/interrupts") ?? "").split("\n");
  const cores = words(head).flatMap((word) => /^CPU(\d+)$/.exec(word)?.[1] ?? []);
  const counts = new Map<number, number>(cores.map((core) => [Number(core), 0]));
  for (const line of lines) {
    const [name = "", ...fields] = words(line);
    if (!/^\d+:$/.test(name)) continue;
    cores.forEach((core, index) => {
      counts.set(Number(core), (counts.get(Number(core)) ?? 0) + (Number(fields[index]) || 0));
    });
  }
  return counts;
}

/** The allowed cores, the quietest first: isolated ones, then by interrupts, and of equals the last. */
export function quietestCores(system: System): number[] {
  const isolated = parseList(system.readFile("/sys/devices/system/cpu/isolated") ?? "");
  const counts = deviceInterrupts(system);
  const rank = (core: number) => (isolated.includes(core) ? 0 : 1);
  return [...system.cores].sort((a, b) => rank(a) - rank(b) || (counts.get(a) ?? 0) - (counts.get(b) ?? 0) || b - a);
}
