/** What the kernel reads the time from. */
import type { Check, Finding } from "../finding.js";

const FOLDER = "/sys/devices/system/clocksource/clocksource0";
/** Read without a system call. */
const FAST = ["tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"];

export const clocksource: Check = {
  id: "clocksource",
  title: "clock source",
  group: "clocks",
  look(system) {
    const current = system.readFile(`${FOLDER}/current_clocksource`);
    if (current === undefined) return [];
    const available = (system.readFile(`${FOLDER}/available_clocksource`) ?? "").split(/\s+/);
    const evidence = `${FOLDER}/current_clocksource: ${current} (available: ${available.join(", ")})`;
    if (FAST.includes(current)) return [{ severity: "ok", what: `the clock source is ${current}`, evidence }];
    const finding: Finding = {
      severity: "problem",
      what: `the clock source is ${current}`,
      cost:
        "Every look at the clock is a system call, 1 us and more in place of 20 ns: a spinning thread is that much less " +
        "exact, and a memory-mapped timer is one for all cores, so load on them shows.",
      evidence,
    };
    const better = FAST.find((name) => available.includes(name));
    if (better === undefined) {
      return [
        {
          ...finding,
          advice:
            "The kernel found the TSC unstable (dmesg | grep -i tsc). After a look at why: tsc=reliable on its command line.",
        },
      ];
    }
    const change = { kind: "file", path: `${FOLDER}/current_clocksource`, value: better } as const;
    return [{ ...finding, remedy: [`echo ${better} | sudo tee ${change.path}`], fix: { changes: [change] } }];
  },
};
