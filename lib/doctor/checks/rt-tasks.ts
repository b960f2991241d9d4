/** Other tasks that can take a core from the timed thread. */
import type { Check } from "../finding.js";
import { formatList, words } from "../parse.js";
import type { System } from "../system.js";

/** Priority of the timed threads. At the same priority, the thread that runs goes on. */
const OUR_PRIORITY = 45;
/** SCHED_FIFO, SCHED_RR and SCHED_DEADLINE of sched(7). */
const POLICIES: Readonly<Record<string, string>> = { 1: "SCHED_FIFO", 2: "SCHED_RR", 6: "SCHED_DEADLINE" };
/** Fields of proc_pid_stat(5) behind the name, which may contain anything: state is the first. */
const PARENT = 1;
const RT_PRIORITY = 37;
const POLICY = 38;
/** Parent of the kernel's own threads. */
const KTHREADD = "2";
/** Tasks that are named in full. */
const SHOWN = 5;

interface Task {
  name: string;
  process: string;
  policy: string;
  priority: number;
  isKernel: boolean;
}

export const rtTasks: Check = {
  id: "rt-tasks",
  title: "other real-time tasks",
  group: "scheduling",
  look(system, { cpu }) {
    const processes = system.readDir("/proc").filter((name) => /^\d+$/.test(name) && name !== String(system.pid));
    const tasks = processes.flatMap((process) => tasksOf(system, process)).filter(({ isKernel }) => !isKernel);
    const above = tasks.filter(({ policy, priority }) => policy === "SCHED_DEADLINE" || priority >= OUR_PRIORITY);
    const others = formatList(system.cores.filter((core) => core !== cpu));
    const evidence = `/proc/*/task/*/stat: ${processes.length} processes`;
    if (above.length > 0) {
      return [
        {
          severity: "warning",
          what: `${above.length} tasks go before the timed thread or are its equals: ${above.slice(0, SHOWN).map(named).join(", ")}`,
          cost: "While one of them runs on the timed thread's core, slots wait.",
          evidence,
          remedy: above.slice(0, SHOWN).map(({ process }) => `sudo taskset -acp ${others} ${process}`),
          advice: "Give them other cores than the timed thread (--cpu), or a priority below 45 (chrt -f -p).",
        },
      ];
    }
    if (tasks.length > 0) {
      const what = `real-time tasks below the timed thread: ${tasks.slice(0, SHOWN).map(named).join(", ")}`;
      return [{ severity: "note", what, cost: "None on its core; on other cores they use its cache.", evidence }];
    }
    return [{ severity: "ok", what: "no other program has real-time tasks", evidence }];
  },
};

function named({ name, process, policy, priority }: Task): string {
  return `${name} (${process}, ${policy}${policy === "SCHED_DEADLINE" ? "" : ` ${priority}`})`;
}

function tasksOf(system: System, process: string): Task[] {
  return system.readDir(`/proc/${process}/task`).flatMap((thread) => {
    const text = system.readFile(`/proc/${process}/task/${thread}/stat`) ?? "";
    const open = text.indexOf("(");
    const close = text.lastIndexOf(")");
    const fields = words(text.slice(close + 1));
    const policy = POLICIES[fields[POLICY] ?? ""];
    if (open < 0 || policy === undefined) return [];
    const isKernel = fields[PARENT] === KTHREADD || process === KTHREADD;
    return [{ name: text.slice(open + 1, close), process, policy, priority: Number(fields[RT_PRIORITY]), isKernel }];
  });
}
