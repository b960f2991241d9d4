/** `i405 doctor` as a command, on a machine in memory. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import t, { type Test } from "tap";
import { runCli } from "../../lib/cli/cli.js";
import { CHECKS, lookAt } from "../../lib/doctor/checks.js";
import type { Check } from "../../lib/doctor/finding.js";
import { undoFile } from "../../lib/doctor/undo-file.js";
import { pretendWorld } from "../../lab/fake/cli-world.js";
import { SILENT_PROBES } from "../../lab/fake/probes.js";
import { FakeHands, TARGET, type FakeMachine } from "./fake-system.js";

const GOVERNOR = "/sys/devices/system/cpu/cpufreq/policy0/scaling_governor";
const THROTTLE = "/proc/sys/kernel/sched_rt_runtime_us";
const GOOD = {
  "/proc/self/status": "CapEff:\t000001ffffffffff\nCpus_allowed_list:\t0-3",
  "/proc/net/route": "Iface\neth0 00000000 010200C0 0003 0 0 100 00000000 0 0 0",
  "/sys/class/net/eth0/operstate": "up",
};
const SLOW = {
  ...GOOD,
  [GOVERNOR]: "powersave",
  [THROTTLE]: "950000",
  "/proc/sys/kernel/sched_rt_period_us": "1000000",
};

function worldOf(t: Test, machine: FakeMachine, tools = true) {
  const folder = mkdtempSync(join(tmpdir(), "i405-test-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const hands = new FakeHands({ cores: [0, 1, 2, 3], commands: { tc: "[]", ethtool: "" }, ...machine });
  const world = pretendWorld();
  const underLoad = <T>(_cores: number, work: () => Promise<T>) => work();
  world.doctor = {
    hands,
    undo: undoFile(join(folder, "undo.json"), "boot-1"),
    tools: tools ? { probes: SILENT_PROBES, underLoad } : null,
    ...(tools ? {} : { addonFailure: "no addon for plan9-mips" }),
  };
  return { world, hands };
}

async function doctor(t: Test, machine: FakeMachine, ...parameters: string[]) {
  const { world, hands } = worldOf(t, machine);
  const code = await runCli(["doctor", ...parameters], world);
  return { code, out: world.output(), err: world.errors(), hands };
}

t.test("a good machine: exit code 0, and nothing is written", async (t) => {
  const { code, out, hands } = await doctor(t, { files: GOOD }, "--quick");
  t.equal(code, 0);
  t.match(out, /^i405 doctor: /);
  t.match(out, /Recommended here: --poll-mode dozy --cpu 3/);
  t.match(out, /Fine: SCHED_FIFO/);
  t.notMatch(out, "\x1b", "no colour without a terminal");
  t.same(hands.writes, []);
});

t.test("worst first, with cost, evidence and remedy; the exit code by the worst", async (t) => {
  const { code, out } = await doctor(t, { files: SLOW }, "--no-measure");
  t.equal(code, 5);
  t.match(out, /WARNING {2}the governor is powersave \[frequency\]/);
  t.match(out, new RegExp(`\\$ echo performance \\| sudo tee ${GOVERNOR}`));
  t.ok(out.indexOf("WARNING") < out.indexOf("note "), "worst first");
  t.match(out, /`i405 doctor --fix` mends frequency/);
  t.match(out, /--fix=rt-throttle/);
  const refused = { files: SLOW, permissions: { fifoErrno: 1, memoryErrno: 0 } };
  t.equal((await doctor(t, refused, "--quick")).code, 6);
});

t.test("measures, says so meanwhile, and recommends by it", async (t) => {
  const { code, out, err } = await doctor(t, { files: GOOD }, "--seconds", "2");
  t.equal(code, 0);
  t.match(err, /measuring, idle, round 1 of 2\n/);
  t.match(out, /measured lateness/);
  t.match(out, /--cpu 3/);
});

t.test("a signal ends it in the middle of a stretch", async (t) => {
  const { world } = worldOf(t, { files: GOOD });
  const endless = { ...SILENT_PROBES, lateness: () => new Promise<never>(() => world.stop.request()) };
  world.doctor!.tools!.probes = endless;
  t.equal(await runCli(["doctor"], world), 0);
  t.equal(world.output(), "");
});

t.test("--json is one object with everything in it", async (t) => {
  const { code, out, err } = await doctor(t, { files: SLOW, denied: ["/proc/cmdline"] }, "--json", "--seconds", "2");
  t.equal(code, 5);
  t.equal(err, "");
  t.equal(out.trim().split("\n").length, 1);
  t.match(JSON.parse(out), {
    event: "doctor",
    worst: "warning",
    uid: 0,
    cores: [0, 1, 2, 3],
    target: { egress: "eth0", cpu: 3, rate: 102_400 },
    unseen: ["/proc/cmdline"],
    measurements: { seconds: 2, cores: [{ cpu: 3 }, { cpu: 2 }] },
    uplink: null,
    recommendation: { cpu: 3, length: 1500 },
  });
  const { findings } = JSON.parse(out) as { findings: { check: string }[] };
  t.ok(findings.some(({ check }) => check === "frequency"));
});

t.test("--fix, once more, --undo", async (t) => {
  const { world, hands } = worldOf(t, { files: SLOW });
  const run = (...parameters: string[]) => runCli(["doctor", ...parameters], world);
  t.equal(await run("--fix", "--dry-run"), 0);
  t.same(hands.writes, []);
  t.equal(await run("--fix"), 0);
  t.same(hands.writes, [`${GOVERNOR}=performance`], "the throttle only by name");
  t.equal(await run("--fix=rt-throttle"), 0);
  t.equal(hands.files.get(THROTTLE), "-1\n");
  t.equal(await run("--fix"), 0);
  t.equal(await run("--undo"), 0);
  t.equal(hands.files.get(GOVERNOR), "powersave\n");
  t.equal(hands.files.get(THROTTLE), "950000\n");
  t.equal(await run("--undo"), 0);
  t.match(world.output(), /done: \[frequency\] .*: powersave -> performance/);
  t.match(world.output(), /nothing to undo\n$/);
});

t.test("what can't be mended is exit code 3", async (t) => {
  const { code, out } = await doctor(t, { files: SLOW, readOnly: [GOVERNOR] }, "--fix");
  t.equal(code, 3);
  t.match(out, /FAILED: \[frequency\]/);
});

t.test("flags that are wrong are named", async (t) => {
  const cases: [string[], RegExp][] = [
    [["--cpu", "9"], /--cpu: got 9, expected one of the allowed cores, 0, 1, 2, 3/],
    [["--cpu", "x"], /--cpu: got "x", expected a core's number/],
    [["--seconds", "1"], /--seconds: got "1", expected a number from 2 to 600/],
    [["--fix", "--undo"], /--undo contradicts --fix/],
    [["--fix=nonsense"], /--fix: got "nonsense", expected all or names/],
    [["--dry-run"], /--dry-run without --fix or --undo/],
    [["--uplink"], /--uplink needs --peer/],
    [["--peer", "x"], /--peer: got "x", expected an address and a port/],
    [["--up-speed", "1"], /--up-speed: got "1", expected a rate/],
    [["--sekonds", "1"], /unknown option '--sekonds'. Did you mean --seconds\?/],
  ];
  for (const [parameters, message] of cases) {
    const { code, err } = await doctor(t, { files: GOOD }, ...parameters);
    t.equal(code, 2, parameters.join(" "));
    t.match(err, message);
  }
});

t.test("--peer and --uplink", async (t) => {
  const commands = { "ip -j route get 203.0.113.7": '[{"dev":"eth0"}]', tc: "[]", ethtool: "" };
  const { code, out } = await doctor(
    t,
    { files: GOOD, commands, mtu: 1420 },
    "--peer",
    "203.0.113.7:1405",
    "--uplink",
    "--quick",
    "--json",
  );
  t.equal(code, 0);
  t.match(JSON.parse(out), {
    target: { peer: { address: "203.0.113.7", port: 1405 } },
    recommendation: { length: 1420 },
    uplink: { alone: { length: 3 }, beside: { length: 3 } },
  });
});

t.test("colours on a terminal, unless NO_COLOR is set; lines as wide as it", async (t) => {
  const { world } = worldOf(t, { files: SLOW });
  world.io.terminal = () => ({ columns: 60, rows: 24 });
  await runCli(["doctor", "--quick"], world);
  t.match(world.output(), "\x1b[33mWARNING");
  // Commands and paths stay whole.
  const lines = stripVTControlCharacters(world.output()).split("\n");
  t.same(
    lines.filter((line) => line.length > 60 && !/\$ |\/\S{30}/.test(line)),
    [],
  );
  const { world: plain } = worldOf(t, { files: SLOW });
  plain.io.terminal = () => ({ columns: 60, rows: 24 });
  plain.io.environment = { NO_COLOR: "1" };
  await runCli(["doctor", "--quick"], plain);
  t.notMatch(plain.output(), "\x1b");
});

t.test("without an addon it looks all the same", async (t) => {
  const { world } = worldOf(t, { files: GOOD, bare: true }, false);
  t.equal(await runCli(["doctor"], world), 6);
  t.match(world.output(), /PROBLEM {2}the addon doesn't load/);
  t.match(world.output(), /no addon for plan9-mips/);
});

t.test("a machine of which nothing can be read", async (t) => {
  const { code, out } = await doctor(t, { uid: 1000, cores: [0], commands: {} }, "--quick");
  t.equal(code, 5, "one core is a warning");
  t.match(out, /Recommended here: --poll-mode dozy --cpu 0/);
});

t.test("a check that fails says so, and the others go on", async (t) => {
  const broken: Check = {
    ...{ id: "broken", title: "broken", group: "cores" },
    look: () => {
      throw new Error("oops");
    },
  };
  const found = lookAt(new FakeHands({ files: GOOD }), TARGET, [broken, CHECKS[0]!]);
  t.match(found, [
    { check: "broken", evidence: "Error: oops" },
    { check: "sched-fifo", severity: "ok" },
  ]);
});

t.test("ids are unique, and what is bad says what it costs and what to do", async (t) => {
  t.equal(new Set(CHECKS.map(({ id }) => id)).size, CHECKS.length);
  for (const { id } of CHECKS) t.match(id, /^[a-z][a-z-]+$/);
});
