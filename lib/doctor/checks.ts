/** Every check, in the order in which one would go about it. */
import { clockSlewing } from "./checks/clock-slewing.js";
import { clocksource } from "./checks/clocksource.js";
import { coalescing } from "./checks/coalescing.js";
import { egressLink } from "./checks/egress-link.js";
import { energyEfficientEthernet } from "./checks/energy-efficient-ethernet.js";
import { fewCores } from "./checks/few-cores.js";
import { frequency } from "./checks/frequency.js";
import { hypervisor } from "./checks/hypervisor.js";
import { idleStates } from "./checks/idle-states.js";
import { isolation } from "./checks/isolation.js";
import { kernelSpin } from "./checks/kernel-spin.js";
import { memoryLock } from "./checks/memory-lock.js";
import { memoryPressure } from "./checks/memory-pressure.js";
import { nicInterrupts } from "./checks/nic-interrupts.js";
import { offloads } from "./checks/offloads.js";
import { packetSteering } from "./checks/packet-steering.js";
import { path } from "./checks/path.js";
import { pauseFrames } from "./checks/pause-frames.js";
import { preemption } from "./checks/preemption.js";
import { qdisc } from "./checks/qdisc.js";
import { quotas } from "./checks/quotas.js";
import { rtGroup } from "./checks/rt-group.js";
import { rtTasks } from "./checks/rt-tasks.js";
import { rtThrottle } from "./checks/rt-throttle.js";
import { schedFifo } from "./checks/sched-fifo.js";
import { timers } from "./checks/timers.js";
import { wifi } from "./checks/wifi.js";
import type { Check, Found } from "./finding.js";
import type { System, Target } from "./system.js";

export const CHECKS: readonly Check[] = [
  ...[schedFifo, rtGroup, rtThrottle, preemption, rtTasks, quotas, kernelSpin],
  ...[fewCores, isolation, idleStates, frequency],
  ...[hypervisor],
  ...[clocksource, timers, clockSlewing],
  ...[egressLink, path, qdisc, nicInterrupts, packetSteering, coalescing],
  ...[energyEfficientEthernet, pauseFrames, offloads, wifi],
  ...[memoryLock, memoryPressure],
];

/** All checks. One that fails says so, and doesn't keep the others from looking. */
export function lookAt(system: System, target: Target, checks: readonly Check[] = CHECKS): Found[] {
  return checks.flatMap((check) => {
    const { id, title, group } = check;
    try {
      return check.look(system, target).map((finding) => ({ check: id, title, group, ...finding }));
    } catch (error) {
      const evidence = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      const what = "this check failed: a mistake of i405's own";
      return [{ check: id, title, group, severity: "note", what, evidence } satisfies Found];
    }
  });
}
