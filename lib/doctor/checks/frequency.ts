/** How the clock frequency of the cores follows load. */
import type { Change, Check, Finding } from "../finding.js";
import { remedyOf } from "../finding.js";
import type { System } from "../system.js";

const FOLDER = "/sys/devices/system/cpu/cpufreq";
const BOOST = `${FOLDER}/boost`;
const NO_TURBO = "/sys/devices/system/cpu/intel_pstate/no_turbo";

export const frequency: Check = {
  id: "frequency",
  title: "clock frequency",
  group: "cores",
  look(system) {
    const policies = system.readDir(FOLDER).filter((name) => /^policy\d+$/.test(name));
    if (policies.length === 0) return [];
    return [governor(system, policies), ...boost(system)];
  },
};

function governor(system: System, policies: readonly string[]): Finding {
  const set = policies.flatMap((policy) => {
    const path = `${FOLDER}/${policy}/scaling_governor`;
    const value = system.readFile(path);
    return value === undefined ? [] : [{ path, value, policy }];
  });
  const slow = set.filter(({ value }) => value !== "performance");
  const [first] = slow;
  const evidence = `${FOLDER}/policy*/scaling_governor: ${[...new Set(set.map(({ value }) => value))].join(", ") || "?"}`;
  if (first === undefined) return { severity: "ok", what: "the governor is performance", evidence };
  const offered = system.readFile(`${FOLDER}/${first.policy}/scaling_available_governors`) ?? "";
  const finding: Finding = {
    severity: "warning",
    what: `the governor is ${first.value}`,
    cost:
      "An idle machine clocks down and takes up to several times as long to wake up and to send as a busy one: tens of " +
      "microseconds that follow the load.",
    evidence,
  };
  if (offered !== "" && !offered.split(" ").includes("performance")) {
    return { ...finding, advice: "The driver offers no performance governor; a burner keeps the clock up instead." };
  }
  const changes = slow.map(({ path }): Change => ({ kind: "file", path, value: "performance" }));
  return { ...finding, remedy: remedyOf(changes), fix: { changes } };
}

function boost(system: System): Finding[] {
  const on = system.readFile(BOOST) === "1" ? BOOST : system.readFile(NO_TURBO) === "0" ? NO_TURBO : undefined;
  if (on === undefined) return [];
  const value = on === BOOST ? "0" : "1";
  const change = { kind: "file", path: on, value } as const;
  return [
    {
      severity: "note",
      what: "the cores clock up by how many of them work (boost)",
      cost: "Load on other cores lowers the timed thread's clock by up to a third, a microsecond or less at the call.",
      evidence: `${on}: ${system.readFile(on) ?? ""}`,
      remedy: remedyOf([change]),
      fix: { changes: [change], onlyIfAsked: "it makes everything on the machine slower" },
    },
  ];
}
