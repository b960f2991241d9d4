/** Cores that the kernel keeps free of other programs and of its own clock tick. */
import type { Check } from "../finding.js";
import { formatList, kernelOption, parseList } from "../parse.js";

const FOLDER = "/sys/devices/system/cpu";

export const isolation: Check = {
  id: "isolation",
  title: "isolated and tickless cores",
  group: "cores",
  look(system, { cpu }) {
    const isolated = parseList(system.readFile(`${FOLDER}/isolated`) ?? "");
    const tickless = parseList(system.readFile(`${FOLDER}/nohz_full`) ?? "");
    const evidence = `${FOLDER}/isolated: ${formatList(isolated) || "none"}; nohz_full: ${formatList(tickless) || "none"}`;
    if (isolated.includes(cpu)) {
      const quiet = tickless.includes(cpu) ? " and without a clock tick" : "";
      return [{ severity: "ok", what: `core ${cpu} is isolated${quiet}`, evidence }];
    }
    if (isolated.length > 0) {
      return [
        {
          severity: "warning",
          what: `core ${cpu} isn't among the isolated cores, ${formatList(isolated)}`,
          cost: "Other programs are scheduled on it, and their caches and interrupts come along.",
          evidence,
          advice: `Give --cpu ${isolated[0] ?? ""}.`,
        },
      ];
    }
    if (system.cores.length < 2) return [];
    const canTickless = kernelOption(system, "NO_HZ_FULL") === "y";
    const words = `isolcpus=${canTickless ? "nohz,domain,managed_irq," : ""}${cpu}${canTickless ? ` nohz_full=${cpu}` : ""}`;
    return [
      {
        severity: "note",
        what: "no core is kept free for the timed thread",
        cost: "Others run on its core between slots and leave its caches cold: about a factor of two at the p99.",
        evidence,
        advice: `Add to the kernel's command line, for a machine that is the tunnel's: ${words} irqaffinity=${formatList(system.cores.filter((core) => core !== cpu))}`,
      },
    ];
  },
};
