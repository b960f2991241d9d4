/** How exactly a sleep can end: timer slack and timer resolution. */
import type { Check, Finding } from "../finding.js";
import { kernelOption, numberAt } from "../parse.js";

const SLACK = "/proc/self/timerslack_ns";

export const timers: Check = {
  id: "timers",
  title: "timer slack and resolution",
  group: "clocks",
  look(system) {
    const findings: Finding[] = [];
    const slack = numberAt(system, SLACK);
    if (slack !== undefined) {
      findings.push({
        severity: "ok",
        what: `timer slack is ${slack / 1000} us here, and 1 ns for the timed thread, which sets its own`,
        evidence: `${SLACK}: ${slack}`,
      });
    }
    const resolution = /\.resolution:\s*(\d+) nsecs/.exec(system.readFile("/proc/timer_list") ?? "")?.[1];
    const option = kernelOption(system, "HIGH_RES_TIMERS");
    if ((resolution !== undefined && resolution !== "1") || option === "n") {
      findings.push({
        severity: "problem",
        what: "the kernel has no high-resolution timers",
        cost: "A sleep ends at the next clock tick, 1 to 10 ms late; only spinning is exact.",
        evidence:
          resolution === undefined ? "kernel configuration: HIGH_RES_TIMERS=n" : `/proc/timer_list: ${resolution} ns`,
        advice: "Use a kernel with CONFIG_HIGH_RES_TIMERS, and no highres=off on its command line.",
      });
    }
    return findings;
  },
};
