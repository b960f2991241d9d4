/** How deep an idle core sleeps, and how long it takes to wake up. */
import type { Change, Check, Finding } from "../finding.js";
import { numberAt } from "../parse.js";
import type { System } from "../system.js";
import { isVirtual } from "./hypervisor.js";

/** A state that takes longer than this to leave, us, is worth to be closed. */
const DEEP_US = 10;
const CPUIDLE = "/sys/devices/system/cpu/cpuidle";
/** How long the guest polls before it halts a core, at most; 0: not at all (Documentation/virt/guest-halt-polling.rst). */
const POLL_NS = "/sys/module/haltpoll/parameters/guest_halt_poll_ns";

interface State {
  folder: string;
  name: string;
  latencyUs: number;
  isDisabled: boolean;
}

function statesOf(system: System, cpu: number): State[] {
  const folder = `/sys/devices/system/cpu/cpu${cpu}/cpuidle`;
  return system.readDir(folder).map((state) => ({
    folder: `${folder}/${state}`,
    name: system.readFile(`${folder}/${state}/name`) ?? state,
    latencyUs: numberAt(system, `${folder}/${state}/latency`) ?? 0,
    isDisabled: system.readFile(`${folder}/${state}/disable`) !== "0",
  }));
}

/** In a virtual machine: the hypervisor has to wake a halted core up, which no list of states tells. */
function halted(system: System, driver: string): Finding {
  const governor = system.readFile(`${CPUIDLE}/current_governor`) ?? "?";
  const pollNs = driver === "haltpoll" && governor === "haltpoll" ? (numberAt(system, POLL_NS) ?? 0) : 0;
  return {
    severity: pollNs > 0 ? "note" : "warning",
    what:
      pollNs > 0
        ? `an idle core polls for ${pollNs / 1000} us and is halted then, and the hypervisor has to wake it up`
        : "an idle core is halted at once, and the hypervisor has to wake it up",
    cost:
      "A core that is idle between two slots comes back late, by 20 to 100 us, and one that works doesn't: exactly the " +
      "difference that shows load. dozy wakes up ahead of it, if the margin is longer.",
    evidence:
      `${CPUIDLE}: driver ${driver}, governor ${governor}` +
      (driver === "haltpoll" ? `; ${POLL_NS}: ${system.readFile(POLL_NS) ?? "?"}` : ""),
    advice: "Keep the timed thread's core awake (--burner cpu).",
  };
}

export const idleStates: Check = {
  id: "idle-states",
  title: "C-states",
  group: "cores",
  look(system, { cpu }) {
    const driver = system.readFile(`${CPUIDLE}/current_driver`);
    const halts = driver === "haltpoll" || (driver === "none" && isVirtual(system));
    if (halts) return [halted(system, driver)];
    const states = statesOf(system, cpu);
    if (states.length === 0) return [];
    const evidence = `/sys/devices/system/cpu/cpu${cpu}/cpuidle: ${states
      .map(({ name, latencyUs, isDisabled }) => `${name} ${latencyUs} us${isDisabled ? " (disabled)" : ""}`)
      .join(", ")}`;
    const deep = states.filter(({ latencyUs, isDisabled }) => !isDisabled && latencyUs > DEEP_US);
    if (deep.length === 0) return [{ severity: "ok", what: "no deep idle state is in use", evidence }];
    const changes = deep.map(({ folder }): Change => ({ kind: "file", path: `${folder}/disable`, value: "1" }));
    const longest = Math.max(...deep.map(({ latencyUs }) => latencyUs));
    return [
      {
        severity: "warning",
        what: `core ${cpu} sleeps as deep as ${deep.at(-1)?.name ?? "?"}, ${longest} us to wake up`,
        cost:
          `An idle machine is up to ${longest} us later than a busy one, whose core never gets there: exactly the ` +
          "difference that shows load. dozy wakes up ahead of it, if the margin is longer.",
        evidence,
        remedy: changes.map((change) => (change.kind === "file" ? `echo 1 | sudo tee ${change.path}` : "")),
        advice:
          "A tunnel that keeps its core awake (the burner) needs none of this. /dev/cpu_dma_latency only works while a program " +
          "holds it open at 0: a tunnel can, the doctor can't.",
        fix: { changes },
      },
    ];
  },
};
