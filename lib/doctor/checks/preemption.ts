/** Whether the kernel can be interrupted for a real-time thread while it works for somebody else. */
import type { Check, Finding } from "../finding.js";
import { bootOption, chosen, kernelOption } from "../parse.js";
import type { System } from "../system.js";

const DEBUG = "/sys/kernel/debug/sched/preempt";

type Model = "rt" | "full" | "lazy" | "voluntary" | "none";

export const preemption: Check = {
  id: "preemption",
  title: "preemption of the kernel",
  group: "scheduling",
  look(system) {
    const found = modelOf(system);
    if (found === undefined) return [];
    const { model, evidence } = found;
    if (model === "rt") return [{ severity: "ok", what: "the kernel is PREEMPT_RT", evidence }];
    if (model === "full") {
      return [
        {
          severity: "ok",
          what: "the kernel is fully preemptible",
          evidence,
          advice: "A PREEMPT_RT kernel bounds the worst case further: its interrupt handlers can be preempted too.",
        },
      ];
    }
    if (model === "lazy") {
      return [
        {
          severity: "ok",
          what: "the kernel is preemptible at once for real-time threads (lazy)",
          evidence,
          advice: "Without SCHED_FIFO the timed thread waits for the others' turn, up to a tick: see sched-fifo.",
        },
      ];
    }
    return [notPreemptible(system, model, evidence)];
  },
};

function notPreemptible(system: System, model: Model, evidence: string): Finding {
  const finding: Finding = {
    severity: "warning",
    what: `the kernel isn't preemptible (${model})`,
    cost:
      "A system call of another program on the same core holds the timed thread up until it ends: usually microseconds, " +
      "milliseconds with memory or disk load. It only happens under load, so it shows load.",
    evidence,
    advice:
      "For good: preempt=full on the kernel's command line (a kernel with PREEMPT_DYNAMIC), or a PREEMPT_RT kernel.",
  };
  if (system.readFile(DEBUG)?.includes("full") === true) {
    const change = { kind: "file", path: DEBUG, value: "full", choice: true } as const;
    return { ...finding, remedy: [`echo full | sudo tee ${DEBUG}`], fix: { changes: [change] } };
  }
  const dynamic = kernelOption(system, "PREEMPT_DYNAMIC") === "y";
  // Without debugfs the model can't be changed while it runs.
  if (!dynamic) return finding;
  const remedy = ["sudo mount -t debugfs none /sys/kernel/debug", `echo full | sudo tee ${DEBUG}`];
  return { ...finding, remedy };
}

function modelOf(system: System): { model: Model; evidence: string } | undefined {
  const realtime = system.readFile("/sys/kernel/realtime");
  if (realtime === "1") return { model: "rt", evidence: "/sys/kernel/realtime: 1" };
  const version = system.readFile("/proc/version") ?? "";
  if (/PREEMPT_RT\b/.test(version)) return { model: "rt", evidence: "/proc/version: PREEMPT_RT" };
  const running = system.readFile(DEBUG);
  if (running !== undefined) return { model: asModel(chosen(running)), evidence: `${DEBUG}: ${running}` };
  const booted = bootOption(system, "preempt");
  if (booted !== undefined && version.includes("PREEMPT_DYNAMIC")) {
    return { model: asModel(booted), evidence: `/proc/cmdline: preempt=${booted}` };
  }
  for (const [option, model] of [
    ["PREEMPT_NONE", "none"],
    ["PREEMPT_VOLUNTARY", "voluntary"],
    ["PREEMPT_LAZY", "lazy"],
    ["PREEMPT", "full"],
  ] as const) {
    if (kernelOption(system, option) === "y") return { model, evidence: `kernel configuration: ${option}=y` };
  }
  if (/PREEMPT(?!_)/.test(version)) return { model: "full", evidence: `/proc/version: PREEMPT` };
  return undefined;
}

function asModel(word: string | undefined): Model {
  return (["full", "lazy", "voluntary", "none"] as const).find((model) => model === word) ?? "none";
}
