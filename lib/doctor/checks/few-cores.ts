/** How many cores there are to give one away, and whether two of them are one. */
import type { Check, Finding } from "../finding.js";
import { formatList, parseList } from "../parse.js";

/** With fewer cores, one that never rests is more than a provider's fair share, and the others lack it. */
const ENOUGH = 4;

export const fewCores: Check = {
  id: "few-cores",
  title: "number of cores",
  group: "cores",
  look(system, { cpu }) {
    const count = system.cores.length;
    const evidence = `/proc/self/status: Cpus_allowed_list ${formatList(system.cores)}`;
    const findings: Finding[] = [];
    if (count >= ENOUGH)
      findings.push({ severity: "ok", what: `${count} cores: one can be the tunnel's alone`, evidence });
    else if (count > 1) {
      findings.push({
        severity: "note",
        what: `${count} cores: spinny (and a burner) would take one of them for good`,
        cost:
          "What else runs here has the rest. A provider that counts processor time (fair use, CPU credits) may slow the " +
          "machine down for it, and then slots are late.",
        evidence,
        advice: "Use dozy, or ask the provider for cores of your own.",
      });
    } else {
      findings.push({
        severity: "warning",
        what: "one core: the timed thread shares it with everything else",
        cost: "spinny would starve the rest of the machine; the receiving half waits for the sending one.",
        evidence,
        advice: "Use sleepy or dozy with intervals of 1 ms or more.",
      });
    }
    const siblings = parseList(
      system.readFile(`/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`) ?? "",
    ).filter((sibling) => sibling !== cpu);
    if (siblings.length > 0) {
      findings.push({
        severity: "note",
        what: `core ${cpu} shares its execution units with core ${formatList(siblings)} (SMT)`,
        cost: "Load on the sibling slows the timed thread down by up to a half: a microsecond or two at the call.",
        evidence: `/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list: ${formatList([cpu, ...siblings])}`,
        advice: "Keep the sibling free of other work (taskset, cpuset), or offline: echo 0 in its `online` file.",
      });
    }
    return findings;
  },
};
