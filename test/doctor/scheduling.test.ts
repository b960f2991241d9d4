/** The checks of scheduling, on machines in memory. */
import t from "tap";
import { kernelSpin } from "../../lib/doctor/checks/kernel-spin.js";
import { preemption } from "../../lib/doctor/checks/preemption.js";
import { quotas } from "../../lib/doctor/checks/quotas.js";
import { rtGroup } from "../../lib/doctor/checks/rt-group.js";
import { rtTasks } from "../../lib/doctor/checks/rt-tasks.js";
import { rtThrottle } from "../../lib/doctor/checks/rt-throttle.js";
import { schedFifo } from "../../lib/doctor/checks/sched-fifo.js";
import { lookWith, said } from "./fake-system.js";

const LIMITS = (priority: string) => `Limit      Soft Limit  Hard Limit  Units
Max locked memory         8388608              8388608              bytes
Max realtime priority     ${priority}                    0
`;
const STATUS = (hex: string) => `Name:\tnode\nCapEff:\t${hex}\n`;
const ALL = "000001ffffffffff";
const NONE = "0000000000000000";
const EPERM = { fifoErrno: 1, memoryErrno: 0 };

t.test("SCHED_FIFO granted, by privilege, limit or trial", async (t) => {
  const files = { "/proc/self/status": STATUS(ALL), "/proc/self/limits": LIMITS("0") };
  t.match(said(lookWith(schedFifo, { files })), ["ok: the timed thread may run under SCHED_FIFO"]);
  const limited = { "/proc/self/status": STATUS(NONE), "/proc/self/limits": LIMITS("45") };
  t.match(lookWith(schedFifo, { files: limited, bare: true }), [{ severity: "ok", evidence: /not tried/ }]);
});

t.test("SCHED_FIFO refused: what is missing is what is named", async (t) => {
  const lacking = { "/proc/self/status": STATUS(NONE), "/proc/self/limits": LIMITS("44") };
  const [refused] = lookWith(schedFifo, { files: lacking, permissions: EPERM });
  t.match(refused, { severity: "problem", remedy: [/setcap cap_sys_nice/], evidence: /lacks CAP_SYS_NICE.*errno 1/ });
  t.match(said(lookWith(schedFifo, { files: lacking, bare: true })), ["problem: SCHED_FIFO is refused"]);
  const privileged = { "/proc/self/status": STATUS(ALL), "/proc/self/limits": LIMITS("0") };
  const [other] = lookWith(schedFifo, { files: privileged, permissions: EPERM });
  t.match(other, { severity: "problem", advice: /cgroup/ });
  t.equal(other?.remedy, undefined);
  t.match(said(lookWith(schedFifo, { bare: true })), ["problem: SCHED_FIFO is refused"], "nothing can be read");
});

const RUNTIME = "/proc/sys/kernel/sched_rt_runtime_us";
const PERIOD = "/proc/sys/kernel/sched_rt_period_us";

t.test("the throttle, as shipped, tighter and lifted", async (t) => {
  const with_ = (runtime: string) => lookWith(rtThrottle, { files: { [RUNTIME]: runtime, [PERIOD]: "1000000" } });
  const [shipped] = with_("950000");
  t.match(shipped, { severity: "note", remedy: ["sudo sysctl -w kernel.sched_rt_runtime_us=-1"] });
  t.match(shipped?.fix, { onlyIfAsked: /whole machine/, changes: [{ path: RUNTIME, value: "-1" }] });
  t.match(said(with_("500000")), [/^warning: .*less than as shipped/]);
  t.match(said(with_("-1")), ["ok: real-time threads are not throttled"]);
  t.match(said(with_("1000000")), [/^ok/]);
  t.same(lookWith(rtThrottle), []);
  t.same(lookWith(rtThrottle, { files: { [RUNTIME]: "nonsense", [PERIOD]: "1" } }), []);
});

t.test("the fair server", async (t) => {
  const folder = "/sys/kernel/debug/sched/fair_server";
  const files = {
    ...{ [RUNTIME]: "-1", [PERIOD]: "1000000" },
    ...{ [`${folder}/cpu0/runtime`]: "50000000", [`${folder}/cpu0/period`]: "1000000000" },
    ...{ [`${folder}/cpu1/runtime`]: "0", [`${folder}/cpu1/period`]: "1000000000" },
  };
  const [, server] = lookWith(rtThrottle, { files });
  t.match(server, { severity: "note", what: /50 ms of every 1000 ms/, evidence: /cpu0.*1 cores/ });
  files[`${folder}/cpu0/runtime`] = "0";
  t.equal(lookWith(rtThrottle, { files }).length, 1);
});

const OWN = "/sys/fs/cgroup/cpu/docker/abc";
const VERSION_1 = {
  "/proc/config.gz": "CONFIG_RT_GROUP_SCHED=y\n",
  "/proc/self/cgroup": "2:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n0::/\n",
  "/proc/self/mountinfo": "30 24 0:26 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n",
};

t.test("a cgroup without a real-time budget", async (t) => {
  const budgets = (own: string, parent: string) => ({
    ...VERSION_1,
    ...{ [`${OWN}/cpu.rt_runtime_us`]: own, "/sys/fs/cgroup/cpu/docker/cpu.rt_runtime_us": parent },
    "/sys/fs/cgroup/cpu/cpu.rt_runtime_us": "950000",
  });
  const [none] = lookWith(rtGroup, { files: budgets("0", "0") });
  t.match(none, { severity: "problem", fix: { onlyIfAsked: /other cgroups/ } });
  t.same(
    none?.remedy,
    ["/sys/fs/cgroup/cpu/docker", OWN].map((folder) => `echo 900000 | sudo tee ${folder}/cpu.rt_runtime_us`),
    "from the top down",
  );
  t.match(said(lookWith(rtGroup, { files: budgets("10000", "20000") })), [/^ok: the cgroup has/]);
  t.match(said(lookWith(rtGroup, { files: VERSION_1 })), [/^note: .*can't be read/]);
  const off = { ...budgets("0", "0"), "/proc/cmdline": "quiet rt_group_sched=0" };
  t.match(said(lookWith(rtGroup, { files: off })), ["ok: cgroups need no real-time budget"]);
  t.match(said(lookWith(rtGroup, { files: { "/proc/config.gz": "# CONFIG_RT_GROUP_SCHED is not set" } })), [/^ok/]);
  t.same(lookWith(rtGroup), []);
});

t.test("the kernel's preemption, from whatever says it", async (t) => {
  const debug = "/sys/kernel/debug/sched/preempt";
  const cases: [Record<string, string>, RegExp][] = [
    [{ "/sys/kernel/realtime": "1" }, /^ok: the kernel is PREEMPT_RT/],
    [{ "/proc/version": "Linux 6.1 SMP PREEMPT_RT Debian" }, /^ok: the kernel is PREEMPT_RT/],
    [{ [debug]: "none voluntary (full)" }, /^ok: .*fully/],
    [{ [debug]: "none (voluntary) full" }, /^warning: .*\(voluntary\)/],
    [{ "/proc/version": "PREEMPT_DYNAMIC", "/proc/cmdline": "preempt=full" }, /^ok: .*fully/],
    [{ "/proc/version": "PREEMPT_DYNAMIC", "/proc/config.gz": "CONFIG_PREEMPT_NONE=y" }, /^warning: .*\(none\)/],
    [{ "/proc/sys/kernel/osrelease": "6.1", "/boot/config-6.1": "CONFIG_PREEMPT=y" }, /^ok: .*fully/],
    [{ "/proc/version": "#1 SMP PREEMPT Mon" }, /^ok: .*fully/],
    [{ [debug]: "full (lazy)" }, /^ok: .*for real-time threads \(lazy\)/],
    [{ "/proc/sys/kernel/osrelease": "6.18", "/boot/config-6.18": "CONFIG_PREEMPT_LAZY=y" }, /^ok: .*\(lazy\)/],
  ];
  for (const [files, expected] of cases) {
    t.match(said(lookWith(preemption, { files })), [expected], Object.values(files).join(" "));
  }
  t.same(lookWith(preemption, { files: { "/proc/version": "Linux 5.4 SMP" } }), []);
  const [fixable] = lookWith(preemption, { files: { [debug]: "(none) voluntary full" } });
  t.same(fixable?.fix, { changes: [{ kind: "file", path: debug, value: "full", choice: true }] });
  const unmounted = {
    "/proc/version": "PREEMPT_DYNAMIC",
    "/proc/config.gz": "CONFIG_PREEMPT_NONE=y\nCONFIG_PREEMPT_DYNAMIC=y",
  };
  t.match(lookWith(preemption, { files: unmounted }), [{ remedy: [/mount -t debugfs/] }]);
});

t.test("whether the kernel can spin for a slot", async (t) => {
  t.match(said(lookWith(kernelSpin)), [/^ok: the kernel can hold slots .*\(--send-by kernel\)/]);
  const refusal = { reason: "the kernel refused the program: EPERM", remedy: "Give the program CAP_BPF" };
  t.match(lookWith(kernelSpin, { kernelSpin: refusal }), [
    { severity: "note", what: /can't hold slots/, evidence: /EPERM/, advice: "Give the program CAP_BPF." },
  ]);
  t.same(lookWith(kernelSpin, { bare: true }), [], "without the addon it isn't tried");
});

/** A line of /proc/PID/task/TID/stat with the fields that matter. */
function stat(name: string, parent: number, priority: number, policy: number): string {
  const fields = Array.from({ length: 50 }, () => "0");
  fields[0] = "S";
  fields[1] = String(parent);
  fields[37] = String(priority);
  fields[38] = String(policy);
  return `7 (${name}) ${fields.join(" ")}`;
}

t.test("other real-time tasks", async (t) => {
  const ordinary = { "/proc/100/task/100/stat": stat("bash", 1, 0, 0), "/proc/version": "x" };
  t.match(said(lookWith(rtTasks, { files: ordinary })), [/^ok: no other program/]);
  const kernel = { "/proc/15/task/15/stat": stat("migration/0", 2, 99, 1) };
  const own = { "/proc/4242/task/4242/stat": stat("node", 1, 45, 1) };
  t.match(said(lookWith(rtTasks, { files: { ...kernel, ...own } })), [/^ok/], "the kernel's and ours don't count");
  const below = { "/proc/200/task/201/stat": stat("pipewire", 1, 20, 2) };
  t.match(said(lookWith(rtTasks, { files: below })), [
    "note: real-time tasks below the timed thread: pipewire (200, SCHED_RR 20)",
  ]);
  const above = { "/proc/300/task/300/stat": stat("a) (b", 1, 45, 1), "/proc/400/task/400/stat": stat("dl", 1, 0, 6) };
  const [finding] = lookWith(rtTasks, { files: { ...above, ...below } });
  t.match(finding, {
    severity: "warning",
    what: /2 tasks .*: a\) \(b \(300, SCHED_FIFO 45\), dl \(400, SCHED_DEADLINE\)/,
  });
  t.match(said(lookWith(rtTasks)), [/^ok/]);
  t.match(said(lookWith(rtTasks, { files: { "/proc/1/task/1/stat": "broken" } })), [/^ok/]);
});

t.test("quotas of either version of cgroups; the least counts", async (t) => {
  t.match(said(lookWith(quotas)), ["ok: no quota on processor time"]);
  const version2 = {
    "/proc/self/cgroup": "0::/system.slice/i405.service\n",
    "/proc/self/mountinfo": "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
    "/sys/fs/cgroup/system.slice/i405.service/cpu.max": "max 100000",
    "/sys/fs/cgroup/system.slice/cpu.max": "150000 100000",
  };
  t.match(lookWith(quotas, { files: version2 }), [
    {
      severity: "warning",
      what: /1\.50 cores, counted over 100 ms/,
      evidence: /system\.slice\/cpu\.max: 150000 100000/,
    },
  ]);
  const version1 = { ...VERSION_1, [`${OWN}/cpu.cfs_quota_us`]: "50000", [`${OWN}/cpu.cfs_period_us`]: "100000" };
  const findings = lookWith(quotas, { files: version1 });
  t.match(said(findings), [/^warning: .*0\.50 cores/, "note: this is a container"]);
  t.match(said(lookWith(quotas, { files: { "/.dockerenv": "" } })), [/^ok/, "note: this is a container"]);
  const online = { "/sys/devices/system/cpu/online": "0-7" };
  t.match(said(lookWith(quotas, { files: online })), [
    /^ok/,
    "note: only cores 0-1 of 0-7 are allowed to this process",
  ]);
});
