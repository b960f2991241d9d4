/** Whether this is a virtual machine, and how much of its time the hypervisor has kept. */
import type { Check, Finding } from "../finding.js";
import { words } from "../parse.js";
import type { System } from "../system.js";

/** Share of stolen time since the start from which on it is a warning. */
const MUCH_STOLEN = 0.001;

export const hypervisor: Check = {
  id: "hypervisor",
  title: "hypervisor",
  group: "machine",
  look(system) {
    const found = signs(system);
    if (found.length === 0) {
      return [
        { severity: "ok", what: "no hypervisor", evidence: "/proc/cpuinfo, /sys/hypervisor, DMI: no sign of one" },
      ];
    }
    const stolen = stolenShare(system);
    const finding: Finding = {
      severity: (stolen ?? 0) > MUCH_STOLEN ? "warning" : "note",
      what: `a virtual machine${stolen === undefined ? "" : `; ${(stolen * 100).toFixed(3)} % of its time was stolen since the start`}`,
      cost:
        "The hypervisor takes a core away for up to 100 ms, and no priority helps: those slots are late or missed. The counter " +
        "has steps of 10 ms and misses most of it (measured on such a machine: 1.6 % lost).",
      evidence: [...found, ...(stolen === undefined ? [] : ["/proc/stat: steal"])].join("; "),
      advice:
        "Cores of your own (dedicated vCPUs) end it. Keeping them busy, with a burner, makes it independent of your load.",
    };
    return [finding];
  },
};

export function isVirtual(system: System): boolean {
  return signs(system).length > 0;
}

function signs(system: System): string[] {
  const found: string[] = [];
  if (/^flags\s*:.*\bhypervisor\b/m.test(system.readFile("/proc/cpuinfo") ?? "")) {
    found.push("/proc/cpuinfo: hypervisor flag");
  }
  const type = system.readFile("/sys/hypervisor/type");
  if (type !== undefined) found.push(`/sys/hypervisor/type: ${type}`);
  const maker = ["sys_vendor", "product_name"].flatMap((name) => system.readFile(`/sys/class/dmi/id/${name}`) ?? []);
  const isMetal = maker.some((name) => name.includes("metal"));
  if (
    !isMetal &&
    /QEMU|KVM|VMware|VirtualBox|Virtual Machine|Xen|Bochs|Amazon EC2|Google Compute/i.test(maker.join(" "))
  ) {
    found.push(`/sys/class/dmi/id: ${maker.join(", ")}`);
  }
  // On ARM no flag says it, but the device tree does.
  const tree = system.readFile("/proc/device-tree/hypervisor/compatible");
  if (tree !== undefined) found.push(`/proc/device-tree/hypervisor: ${tree}`);
  return found;
}

/** Time that was stolen from a core since the start, ms; undefined if the kernel doesn't say. */
export function stolenMs(system: System, cpu: number): number | undefined {
  // In ticks of USER_HZ, which is 100 on every architecture that this runs on (proc_stat(5)).
  const TICK_MS = 10;
  const line = (system.readFile("/proc/stat") ?? "").split("\n").find((each) => each.startsWith(`cpu${cpu} `));
  const ticks = line === undefined ? undefined : words(line)[8];
  return ticks === undefined ? undefined : Number(ticks) * TICK_MS;
}

/** Of /proc/stat's first line: user nice system idle iowait irq softirq steal. */
function stolenShare(system: System): number | undefined {
  const line = (system.readFile("/proc/stat") ?? "").split("\n")[0] ?? "";
  const ticks = words(line).slice(1, 9).map(Number);
  const steal = ticks[7];
  const total = ticks.reduce((sum, value) => sum + value, 0);
  return steal === undefined || total === 0 ? undefined : steal / total;
}
