/** Whether the timed thread may lock its memory. */
import type { Check } from "../finding.js";
import { CAP_IPC_LOCK, hasCapability, softLimit } from "../parse.js";

/** What a tunnel locks: stacks, buffers and rings, bytes. */
const NEEDED = 1024 * 1024;

export const memoryLock: Check = {
  id: "memory-lock",
  title: "locked memory",
  group: "memory",
  look(system) {
    const limit = softLimit(system, "Max locked memory");
    const capable = hasCapability(system, CAP_IPC_LOCK);
    if (limit === undefined && !capable) return [];
    const evidence = `/proc/self/limits: locked memory ${limit ?? "?"} bytes; CAP_IPC_LOCK ${capable ? "held" : "not held"}`;
    if (capable || (limit ?? 0) >= NEEDED) {
      return [{ severity: "ok", what: "the timed thread may lock what it touches", evidence }];
    }
    return [
      {
        severity: "warning",
        what: "less than 1 MiB of memory may be locked",
        cost: "A page of the timed thread can be taken away; getting it back delays a slot by 0.1 to 10 ms.",
        evidence,
        remedy: ["ulimit -l 1024"],
        advice: "Or LimitMEMLOCK=1M in a unit, `@i405 - memlock 1024` in /etc/security/limits.conf, or CAP_IPC_LOCK.",
      },
    ];
  },
};
