/** Memory that has to be fetched or made before it can be used. */
import type { Change, Check, Finding } from "../finding.js";
import { numberAt } from "../parse.js";
import type { System } from "../system.js";

/** Share of memory below which the kernel soon reclaims in the way of programs. */
const LITTLE = 0.1;
/** Share of the last 10 s in which somebody waited for memory, percent. */
const PRESSURE = 1;

export const memoryPressure: Check = {
  id: "memory-pressure",
  title: "swap and memory pressure",
  group: "memory",
  look: (system) => [...swap(system), ...pressure(system), ...balancing(system)],
};

function kilobytes(system: System, name: string): number | undefined {
  const text = new RegExp(`^${name}:\\s*(\\d+) kB`, "m").exec(system.readFile("/proc/meminfo") ?? "")?.[1];
  return text === undefined ? undefined : Number(text);
}

function swap(system: System): Finding[] {
  const [total, available] = [kilobytes(system, "MemTotal"), kilobytes(system, "MemAvailable")];
  const used = (kilobytes(system, "SwapTotal") ?? 0) - (kilobytes(system, "SwapFree") ?? 0);
  if (total === undefined || available === undefined) return [];
  const share = available / total;
  const evidence = `/proc/meminfo: ${Math.round(share * 100)} % available, ${Math.round(used / 1024)} MiB swapped out`;
  const cost =
    "The timed thread's own memory is locked. The rest of the tunnel waits for the disk, and the kernel reclaims memory " +
    "on the timed thread's core.";
  if (share < LITTLE) {
    return [
      {
        severity: "warning",
        what: `${Math.round(share * 100)} % of memory is available`,
        cost,
        evidence,
        advice: "End what uses it (ps aux --sort -rss | head), or add memory.",
      },
    ];
  }
  if (used > 0) {
    const what = `${Math.round(used / 1024)} MiB are swapped out`;
    return [{ severity: "note", what, cost, evidence, remedy: ["sudo swapoff -a"] }];
  }
  return [{ severity: "ok", what: "memory is free and nothing is swapped out", evidence }];
}

function pressure(system: System): Finding[] {
  return (["memory", "cpu"] as const).flatMap((name): Finding[] => {
    const path = `/proc/pressure/${name}`;
    const line = (system.readFile(path) ?? "").split("\n")[0] ?? "";
    const percent = Number(/avg10=([\d.]+)/.exec(line)?.[1] ?? 0);
    // Waiting for a core is what a busy machine does; the timed thread doesn't take part in it.
    if (percent < (name === "cpu" ? 20 : PRESSURE)) return [];
    return [
      {
        severity: name === "cpu" ? "note" : "warning",
        what: `programs waited for ${name === "cpu" ? "a core" : "memory"} ${percent} % of the last 10 s`,
        cost:
          name === "cpu"
            ? "The tunnel's ordinary threads wait as well: later handshakes and later inner packets, not later slots."
            : "Reclaiming memory takes locks that sending needs as well: slots can be milliseconds late.",
        evidence: `${path}: ${line}`,
        advice: "Look at what runs (top), and measure again without it.",
      },
    ];
  });
}

function balancing(system: System): Finding[] {
  const path = "/proc/sys/kernel/numa_balancing";
  const nodes = system.readDir("/sys/devices/system/node").filter((name) => /^node\d+$/.test(name));
  if (nodes.length < 2 || (numberAt(system, path) ?? 0) === 0) return [];
  const changes: Change[] = [{ kind: "file", path, value: "0" }];
  return [
    {
      severity: "warning",
      what: `the kernel moves memory between ${nodes.length} nodes by itself`,
      cost: "It unmaps pages to see who uses them: a fault of a few microseconds on the timed thread, now and then.",
      evidence: `${path}: 1`,
      remedy: [`sudo sysctl -w kernel.numa_balancing=0`],
      fix: { changes },
    },
  ];
}
