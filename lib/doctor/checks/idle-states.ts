/** How deep an idle core sleeps, and how long it takes to wake up. */
import type { Change, Check } from "../finding.js";
import { numberAt } from "../parse.js";
import type { System } from "../system.js";

/** A state that takes longer than this to leave, us, is worth to be closed. */
const DEEP_US = 10;

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

export const idleStates: Check = {
  id: "idle-states",
  title: "C-states",
  group: "cores",
  look(system, { cpu }) {
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
