/** Whether the timed thread may run under SCHED_FIFO. */
import type { Check, Finding } from "../finding.js";
import { CAP_SYS_NICE, hasCapability, softLimit } from "../parse.js";
import type { System } from "../system.js";

/** Priority that the timed threads ask for. */
const PRIORITY = 45;

const COST = "Other programs can delay slots by milliseconds, and the more so the busier the machine is: load shows.";
const REMEDY = ["sudo setcap cap_sys_nice,cap_net_admin,cap_ipc_lock+ep $(readlink -f $(which node))"];
const ADVICE =
  "Or an rtprio limit of 45 or more: `@i405 - rtprio 45` in /etc/security/limits.conf, LimitRTPRIO=45 in a unit, " +
  "--cap-add SYS_NICE or --ulimit rtprio=45 for a container.";

export const schedFifo: Check = {
  id: "sched-fifo",
  title: "SCHED_FIFO",
  group: "scheduling",
  look(system) {
    const capable = hasCapability(system, CAP_SYS_NICE);
    const limit = softLimit(system, "Max realtime priority") ?? 0;
    const errno = triedErrno(system);
    const evidence =
      `/proc/self/status: ${capable ? "has" : "lacks"} CAP_SYS_NICE; ` +
      `/proc/self/limits: realtime priority ${limit}; ${tried(errno)}`;
    const allowed = errno === undefined ? capable || limit >= PRIORITY : errno === 0;
    if (allowed) return [{ severity: "ok", what: "the timed thread may run under SCHED_FIFO", evidence }];
    const finding: Finding = { severity: "problem", what: "SCHED_FIFO is refused", cost: COST, evidence };
    if (!capable && limit < PRIORITY) return [{ ...finding, remedy: REMEDY, advice: ADVICE }];
    const advice =
      "The privilege is there, so it is the cgroup (no real-time budget, see rt-group), a container's seccomp filter, or a " +
      "user namespace that refuses.";
    return [{ ...finding, advice }];
  },
};

/** Undefined where it could not be tried. */
function triedErrno(system: System): number | undefined {
  try {
    return system.natives?.permissions().fifoErrno;
  } catch {
    return undefined;
  }
}

function tried(errno: number | undefined): string {
  if (errno === undefined) return "not tried: the addon doesn't load";
  return errno === 0 ? "tried: granted" : `tried: refused, errno ${errno}`;
}
