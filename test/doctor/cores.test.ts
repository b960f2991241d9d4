/** The checks of cores, power, the hypervisor, clocks and memory, on machines in memory. */
import t from "tap";
import { clockSlewing } from "../../lib/doctor/checks/clock-slewing.js";
import { clocksource } from "../../lib/doctor/checks/clocksource.js";
import { fewCores } from "../../lib/doctor/checks/few-cores.js";
import { frequency } from "../../lib/doctor/checks/frequency.js";
import { hypervisor, stolenMs } from "../../lib/doctor/checks/hypervisor.js";
import { idleStates } from "../../lib/doctor/checks/idle-states.js";
import { isolation } from "../../lib/doctor/checks/isolation.js";
import { memoryLock } from "../../lib/doctor/checks/memory-lock.js";
import { memoryPressure } from "../../lib/doctor/checks/memory-pressure.js";
import { timers } from "../../lib/doctor/checks/timers.js";
import { FakeHands, lookWith, said } from "./fake-system.js";

const CPU = "/sys/devices/system/cpu";

t.test("isolated cores", async (t) => {
  const files = { [`${CPU}/isolated`]: "1", [`${CPU}/nohz_full`]: "1" };
  t.match(said(lookWith(isolation, { files })), ["ok: core 1 is isolated and without a clock tick"]);
  t.match(lookWith(isolation, { files }, { cpu: 0 }), [{ severity: "warning", advice: "Give --cpu 1." }]);
  const none = { [`${CPU}/isolated`]: "", "/proc/config.gz": "CONFIG_NO_HZ_FULL=y" };
  t.match(lookWith(isolation, { files: none }), [
    { severity: "note", advice: /isolcpus=nohz,domain,managed_irq,1 nohz_full=1/ },
  ]);
  t.match(lookWith(isolation), [{ severity: "note", advice: /isolcpus=1 irqaffinity=0/ }]);
  t.same(lookWith(isolation, { cores: [0] }), []);
});

function states(...latencies: [string, number, string][]): Record<string, string> {
  return Object.fromEntries(
    latencies.flatMap(([name, latency, disable], index) =>
      Object.entries({ name, latency: String(latency), disable }).map(([file, text]) => [
        `${CPU}/cpu1/cpuidle/state${index}/${file}`,
        text,
      ]),
    ),
  );
}

t.test("C-states", async (t) => {
  const shallow = states(["POLL", 0, "0"], ["C1", 2, "0"]);
  t.match(said(lookWith(idleStates, { files: shallow })), ["ok: no deep idle state is in use"]);
  const deep = states(["POLL", 0, "0"], ["C1", 2, "0"], ["C6", 133, "0"], ["C8", 260, "1"]);
  const [finding] = lookWith(idleStates, { files: deep });
  t.match(finding, {
    severity: "warning",
    what: /C6, 133 us/,
    evidence: /C8 260 us \(disabled\)/,
    advice: /cpu_dma_latency/,
  });
  t.same(finding?.fix?.changes, [{ kind: "file", path: `${CPU}/cpu1/cpuidle/state2/disable`, value: "1" }]);
  t.same(lookWith(idleStates), []);
});

t.test("cores that a hypervisor has to wake up", async (t) => {
  const machine = (driver: string, governor: string, pollNs?: string, flags = "hypervisor") => ({
    files: {
      [`${CPU}/cpuidle/current_driver`]: driver,
      [`${CPU}/cpuidle/current_governor`]: governor,
      "/proc/cpuinfo": `flags : fpu ${flags}`,
      ...(pollNs === undefined ? {} : { "/sys/module/haltpoll/parameters/guest_halt_poll_ns": pollNs }),
      ...states(["POLL", 0, "0"], ["haltpoll", 1, "0"]),
    },
  });
  const look = (...parameters: Parameters<typeof machine>) => said(lookWith(idleStates, machine(...parameters)));
  t.match(look("haltpoll", "haltpoll", "200000"), [/^note: an idle core polls for 200 us and is halted then/]);
  t.match(look("haltpoll", "haltpoll", "0"), [/^warning: an idle core is halted at once/]);
  t.match(look("haltpoll", "menu", "200000"), [/^warning: an idle core is halted at once/], "nobody polls");
  t.match(look("none", "menu"), [/^warning: an idle core is halted at once/]);
  t.match(look("none", "menu", undefined, ""), [/^ok/], "without a hypervisor a halt costs little");
  t.match(lookWith(idleStates, machine("haltpoll", "menu", "200000")), [
    { evidence: /driver haltpoll, governor menu; .*guest_halt_poll_ns: 200000/, advice: /--burner cpu/ },
  ]);
});

t.test("governor and boost", async (t) => {
  const folder = `${CPU}/cpufreq`;
  const files = {
    [`${folder}/policy0/scaling_governor`]: "powersave",
    [`${folder}/policy1/scaling_governor`]: "performance",
    [`${folder}/policy0/scaling_available_governors`]: "performance powersave",
    [`${folder}/boost`]: "1",
  };
  const [governor, boost] = lookWith(frequency, { files });
  t.match(governor, { severity: "warning", what: "the governor is powersave" });
  t.same(governor?.fix?.changes, [{ kind: "file", path: `${folder}/policy0/scaling_governor`, value: "performance" }]);
  t.match(boost, { severity: "note", fix: { onlyIfAsked: /slower/ } });
  const unable = { ...files, [`${folder}/policy0/scaling_available_governors`]: "powersave" };
  t.equal(lookWith(frequency, { files: unable })[0]?.fix, undefined);
  const good = { [`${folder}/policy0/scaling_governor`]: "performance", [`${folder}/boost`]: "0" };
  t.match(said(lookWith(frequency, { files: good })), ["ok: the governor is performance"]);
  const intel = { [`${folder}/policy0/scaling_governor`]: "performance", [`${CPU}/intel_pstate/no_turbo`]: "0" };
  t.match(lookWith(frequency, { files: intel })[1]?.fix?.changes, [{ value: "1" }]);
  t.same(lookWith(frequency), [], "a virtual machine has none");
});

t.test("number of cores, and siblings", async (t) => {
  t.match(said(lookWith(fewCores, { cores: [0, 1, 2, 3] })), ["ok: 4 cores: one can be the tunnel's alone"]);
  t.match(said(lookWith(fewCores)), [/^note: 2 cores: spinny .* would take one/]);
  t.match(said(lookWith(fewCores, { cores: [0] })), [/^warning: one core/]);
  const files = { [`${CPU}/cpu1/topology/thread_siblings_list`]: "1,3" };
  t.match(said(lookWith(fewCores, { cores: [0, 1, 2, 3], files })), [/^ok/, /^note: core 1 shares .* core 3 \(SMT\)/]);
});

t.test("hypervisor and stolen time", async (t) => {
  const flags = { "/proc/cpuinfo": "flags\t\t: fpu hypervisor lahf\n" };
  const stat = (steal: number) => ({ "/proc/stat": `cpu  500 0 200 ${9300 - steal} 0 0 0 ${steal} 0 0\ncpu0 1` });
  t.match(said(lookWith(hypervisor, { files: { ...flags, ...stat(5) } })), [/^note: .*0\.050 % .* stolen/]);
  t.match(said(lookWith(hypervisor, { files: { ...flags, ...stat(100) } })), [/^warning: .*1\.000 %/]);
  t.match(said(lookWith(hypervisor, { files: flags })), ["note: a virtual machine"]);
  t.match(lookWith(hypervisor, { files: { "/sys/class/dmi/id/sys_vendor": "QEMU" } }), [{ evidence: /QEMU/ }]);
  t.match(lookWith(hypervisor, { files: { "/sys/hypervisor/type": "xen" } }), [{ evidence: /xen/ }]);
  t.match(said(lookWith(hypervisor, { files: { "/proc/cpuinfo": "flags : fpu" } })), ["ok: no hypervisor"]);
  t.match(said(lookWith(hypervisor)), ["ok: no hypervisor"]);
  const metal = { "/sys/class/dmi/id/sys_vendor": "Amazon EC2", "/sys/class/dmi/id/product_name": "m7g.metal" };
  t.match(said(lookWith(hypervisor, { files: metal })), ["ok: no hypervisor"]);
  const hands = new FakeHands({
    files: { "/proc/stat": "cpu  1 2 3 4 5 6 7 8 9 0\ncpu1 1 2 3 4 5 6 7 5 9 0\ncpu10 0" },
  });
  t.same([stolenMs(hands, 1), stolenMs(hands, 0), stolenMs(new FakeHands(), 0)], [50, undefined, undefined]);
});

t.test("clock source", async (t) => {
  const folder = "/sys/devices/system/clocksource/clocksource0";
  const files = (current: string, available: string) => ({
    [`${folder}/current_clocksource`]: current,
    [`${folder}/available_clocksource`]: available,
  });
  t.match(said(lookWith(clocksource, { files: files("tsc", "tsc hpet") })), ["ok: the clock source is tsc"]);
  const [slow] = lookWith(clocksource, { files: files("hpet", "tsc hpet acpi_pm") });
  t.match(slow, { severity: "problem", fix: { changes: [{ path: `${folder}/current_clocksource`, value: "tsc" }] } });
  t.match(lookWith(clocksource, { files: files("hpet", "hpet acpi_pm") }), [
    { severity: "problem", advice: /tsc=reliable/ },
  ]);
  t.same(lookWith(clocksource), []);
});

t.test("timers", async (t) => {
  const slack = { "/proc/self/timerslack_ns": "50000" };
  t.match(said(lookWith(timers, { files: slack })), [/^ok: timer slack is 50 us here, and 1 ns/]);
  const coarse = { ...slack, "/proc/timer_list": " .resolution: 4000000 nsecs" };
  t.match(said(lookWith(timers, { files: coarse })), [/^ok/, /^problem: .*high-resolution/]);
  const fine = { "/proc/timer_list": " .resolution: 1 nsecs", "/proc/config.gz": "CONFIG_HIGH_RES_TIMERS=y" };
  t.same(lookWith(timers, { files: fine }), []);
  t.match(said(lookWith(timers, { files: { "/proc/config.gz": "CONFIG_HZ=250" } })), [/^problem/]);
  t.same(lookWith(timers), []);
});

t.test("slewing", async (t) => {
  const at = (frequencyPpm: number, tickUs = 10_000, files = {}) =>
    lookWith(clockSlewing, { clock: { frequencyPpm, tickUs, status: 0 }, files });
  t.match(said(at(-23.5)), ["ok: the clock is corrected by -23.5 ppm"]);
  t.match(at(400), [{ severity: "note", cost: /4\.0 us shorter/ }]);
  t.match(at(0, 9_900), [{ severity: "warning", what: /-10000 ppm/, cost: /100\.0 us longer/ }]);
  t.match(at(600, 10_000, { "/proc/55/comm": "chronyd\n" }), [
    { remedy: ["sudo chronyc makestep"], evidence: /chronyd/ },
  ]);
  t.same(lookWith(clockSlewing, { bare: true }), []);
});

t.test("locked memory", async (t) => {
  const limit = (bytes: string) => ({ "/proc/self/limits": `Max locked memory  ${bytes}  ${bytes}  bytes` });
  t.match(said(lookWith(memoryLock, { files: limit("65536") })), [/^warning: less than 1 MiB/]);
  t.match(said(lookWith(memoryLock, { files: limit("1048576") })), [/^ok/]);
  t.match(said(lookWith(memoryLock, { files: limit("unlimited") })), [/^ok/]);
  const capable = { ...limit("0"), "/proc/self/status": "CapEff:\t0000000000004000" };
  t.match(said(lookWith(memoryLock, { files: capable })), [/^ok/], "CAP_IPC_LOCK is bit 14");
  t.same(lookWith(memoryLock), []);
});

t.test("swap, pressure and nodes", async (t) => {
  const memory = (available: number, swapFree: number) =>
    `MemTotal: 1000000 kB\nMemAvailable: ${available} kB\nSwapTotal: 500000 kB\nSwapFree: ${swapFree} kB`;
  const files = (available: number, swapFree: number) => ({ "/proc/meminfo": memory(available, swapFree) });
  t.match(said(lookWith(memoryPressure, { files: files(900_000, 500_000) })), [/^ok/]);
  t.match(said(lookWith(memoryPressure, { files: files(50_000, 500_000) })), ["warning: 5 % of memory is available"]);
  t.match(lookWith(memoryPressure, { files: files(900_000, 397_600) }), [
    { what: "100 MiB are swapped out", remedy: ["sudo swapoff -a"] },
  ]);
  const pressed = {
    "/proc/pressure/memory": "some avg10=2.50 avg60=0 avg300=0 total=1\nfull avg10=0",
    "/proc/pressure/cpu": "some avg10=45.00 avg60=0 avg300=0 total=1",
  };
  t.match(said(lookWith(memoryPressure, { files: pressed })), [/^warning: .* memory 2\.5 %/, /^note: .* a core 45 %/]);
  const nodes = {
    "/proc/sys/kernel/numa_balancing": "1",
    ...{ "/sys/devices/system/node/node0/cpulist": "0", "/sys/devices/system/node/node1/cpulist": "1" },
  };
  t.match(lookWith(memoryPressure, { files: nodes }), [{ severity: "warning", fix: { changes: [{ value: "0" }] } }]);
  t.same(lookWith(memoryPressure), []);
});
