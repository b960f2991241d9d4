/** The kernel's limits on real-time threads: the throttle, and in newer kernels a server for everybody else. */
import type { Check, Finding } from "../finding.js";
import { numberAt } from "../parse.js";
import type { System } from "../system.js";

const RUNTIME = "/proc/sys/kernel/sched_rt_runtime_us";
const PERIOD = "/proc/sys/kernel/sched_rt_period_us";
const FAIR_SERVERS = "/sys/kernel/debug/sched/fair_server";
/** Below this share the pause of spinny, 8 % of the time, isn't enough. */
const SHIPPED_SHARE = 0.95;

const CONSENT = "the limit holds for the whole machine; without it a real-time thread that hangs hangs its core";

export const rtThrottle: Check = {
  id: "rt-throttle",
  title: "real-time throttle",
  group: "scheduling",
  look(system) {
    const runtime = numberAt(system, RUNTIME);
    const period = numberAt(system, PERIOD);
    if (runtime === undefined || period === undefined) return [];
    return [throttle(runtime, period), ...fairServer(system)];
  },
};

function throttle(runtime: number, period: number): Finding {
  const evidence = `${RUNTIME}: ${runtime}, ${PERIOD}: ${period}`;
  if (runtime < 0 || runtime >= period) {
    return { severity: "ok", what: "real-time threads are not throttled", evidence };
  }
  const change = { kind: "file", path: RUNTIME, value: "-1" } as const;
  const finding: Finding = {
    severity: "note",
    what: `real-time threads may run ${runtime} of every ${period} us`,
    cost:
      "A thread that spins without a pause is stopped for the rest (measured: 37 to 40 ms at the call, 5,500 us sd on " +
      "the wire). sleepy and dozy don't reach it. spinny pauses to stay below; with less than 0.2 ms between slots it is " +
      "an ordinary thread for 8 % of the time instead.",
    evidence,
    remedy: [`sudo sysctl -w kernel.sched_rt_runtime_us=-1`],
    advice: `Only for spinny with short intervals, and rather with --lift-rt-throttle, which ends with the tunnel: ${CONSENT}.`,
    fix: { changes: [change], onlyIfAsked: CONSENT },
  };
  if (runtime / period >= SHIPPED_SHARE) return finding;
  return { ...finding, severity: "warning", what: `${finding.what}, less than as shipped (950000 of 1000000)` };
}

function fairServer(system: System): Finding[] {
  const limited = system.readDir(FAIR_SERVERS).flatMap((cpu) => {
    const runtime = numberAt(system, `${FAIR_SERVERS}/${cpu}/runtime`) ?? 0;
    const period = numberAt(system, `${FAIR_SERVERS}/${cpu}/period`) ?? 0;
    return runtime > 0 ? [{ cpu, runtime, period }] : [];
  });
  const [first] = limited;
  if (first === undefined) return [];
  return [
    {
      severity: "note",
      what: `the fair server keeps ${first.runtime / 1e6} ms of every ${first.period / 1e6} ms for ordinary threads`,
      cost: "Like the throttle: a real-time thread that never pauses loses the core to ordinary ones that wait.",
      evidence: `${FAIR_SERVERS}/${first.cpu}/runtime: ${first.runtime} ns (${limited.length} cores)`,
      remedy: [`echo 0 | sudo tee ${FAIR_SERVERS}/${first.cpu}/runtime`],
      advice: "Only for spinny with short intervals, and only for its core.",
    },
  ];
}
