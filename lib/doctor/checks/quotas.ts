/** Limits on the processor time of this process's control groups, and whether it is in a container. */
import { groupFolders } from "../cgroups.js";
import type { Check, Finding } from "../finding.js";
import { formatList, numberAt, parseList } from "../parse.js";
import type { System } from "../system.js";

interface Quota {
  path: string;
  text: string;
  quotaUs: number;
  periodUs: number;
}

export const quotas: Check = {
  id: "cpu-quota",
  title: "containers and CPU quotas",
  group: "scheduling",
  look: (system) => [quota(system), ...container(system), ...cpuset(system)],
};

function quota(system: System): Finding {
  const [least] = [...version2(system), ...version1(system)].sort(
    (a, b) => a.quotaUs / a.periodUs - b.quotaUs / b.periodUs,
  );
  if (least === undefined) {
    return { severity: "ok", what: "no quota on processor time", evidence: "cpu.max, cpu.cfs_quota_us: no limit" };
  }
  const cores = least.quotaUs / least.periodUs;
  return {
    severity: "warning",
    what: `the cgroup may use ${cores.toFixed(2)} cores, counted over ${least.periodUs / 1000} ms`,
    cost:
      "Once it is used up, every ordinary thread of the tunnel stands still until the period ends. A thread under " +
      "SCHED_FIFO is exempt; the fallback without it, and the threads that receive and read, are not.",
    evidence: `${least.path}: ${least.text}`,
    advice: "Start the container without --cpus (or CPUQuota=); to share cores out use --cpuset-cpus instead.",
  };
}

function version2(system: System): Quota[] {
  return groupFolders(system, null).flatMap((folder) => {
    const path = `${folder}/cpu.max`;
    const text = system.readFile(path) ?? "max";
    const [quotaUs, periodUs] = text.split(" ").map(Number);
    return quotaUs !== undefined && periodUs !== undefined && quotaUs > 0 ? [{ path, text, quotaUs, periodUs }] : [];
  });
}

function version1(system: System): Quota[] {
  return groupFolders(system, "cpu").flatMap((folder) => {
    const path = `${folder}/cpu.cfs_quota_us`;
    const quotaUs = numberAt(system, path) ?? -1;
    const periodUs = numberAt(system, `${folder}/cpu.cfs_period_us`) ?? 100_000;
    return quotaUs > 0 ? [{ path, text: `${quotaUs} of ${periodUs}`, quotaUs, periodUs }] : [];
  });
}

const MARKS = ["/.dockerenv", "/run/.containerenv", "/run/systemd/container"];

function container(system: System): Finding[] {
  const mark = MARKS.find((path) => system.readFile(path) !== undefined);
  const group = /docker|kubepods|lxc|libpod/.exec(system.readFile("/proc/self/cgroup") ?? "")?.[0];
  if (mark === undefined && group === undefined) return [];
  return [
    {
      severity: "note",
      what: "this is a container",
      cost: "What is read here of cores, interrupts and the network card is the container's view.",
      evidence: mark ?? `/proc/self/cgroup: ${group ?? ""}`,
      advice:
        "Run the doctor on the host as well. The container needs --cap-add SYS_NICE,IPC_LOCK,NET_ADMIN and /dev/net/tun.",
    },
  ];
}

function cpuset(system: System): Finding[] {
  const online = parseList(system.readFile("/sys/devices/system/cpu/online") ?? "");
  if (online.length <= system.cores.length || system.cores.length === 0) return [];
  return [
    {
      severity: "note",
      what: `only cores ${formatList(system.cores)} of ${formatList(online)} are allowed to this process`,
      evidence: `/proc/self/status: Cpus_allowed_list ${formatList(system.cores)}`,
      advice: "--cpu has to be one of them.",
    },
  ];
}
