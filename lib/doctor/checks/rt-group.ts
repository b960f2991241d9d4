/** CONFIG_RT_GROUP_SCHED: real-time budgets of control groups. */
import { groupFolders } from "../cgroups.js";
import type { Check, Finding } from "../finding.js";
import { bootOption, kernelOption, numberAt } from "../parse.js";

export const rtGroup: Check = {
  id: "rt-group",
  title: "real-time budget of the cgroup",
  group: "scheduling",
  look(system) {
    const option = kernelOption(system, "RT_GROUP_SCHED");
    if (option === undefined) return [];
    const off = option !== "y" || bootOption(system, "rt_group_sched") === "0";
    const config = `kernel configuration: RT_GROUP_SCHED=${option}`;
    if (off) return [{ severity: "ok", what: "cgroups need no real-time budget", evidence: config }];
    const budgets = groupFolders(system, "cpu").flatMap((folder) => {
      const path = `${folder}/cpu.rt_runtime_us`;
      const value = numberAt(system, path);
      return value === undefined ? [] : [{ path, value }];
    });
    const [own] = budgets;
    if (own === undefined) {
      return [
        {
          severity: "note",
          what: "the kernel wants a real-time budget for every cgroup; this one's can't be read",
          cost: "In a cgroup without one, SCHED_FIFO is refused whatever the privileges.",
          evidence: config,
          advice: "If sched-fifo is refused: start i405 from the root cgroup, or boot with rt_group_sched=0.",
        },
      ];
    }
    const evidence = `${config}; ${own.path}: ${own.value}`;
    if (own.value !== 0) {
      return [{ severity: "ok", what: "the cgroup has a real-time budget", evidence }];
    }
    const empty = budgets.filter(({ value }) => value === 0).reverse();
    const finding: Finding = {
      severity: "problem",
      what: "this cgroup has no real-time budget",
      cost: "SCHED_FIFO is refused whatever the privileges; other programs can delay slots by milliseconds.",
      evidence,
      // Written from the top down, because a group can't have more than the one above it.
      remedy: empty.map(({ path }) => `echo 900000 | sudo tee ${path}`),
      fix: {
        changes: empty.map(({ path }) => ({ kind: "file", path, value: "900000" })),
        onlyIfAsked: "it takes real-time budget from the other cgroups",
      },
    };
    return [finding];
  },
};
