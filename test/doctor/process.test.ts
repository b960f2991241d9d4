/** `i405 doctor` on the machine that the tests run on, with the real addon. */
import { spawnSync } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import t from "tap";
import { loadAddon } from "../../lib/native/loader.js";
import { realSystem } from "../../lib/doctor/real-system.js";
import { canUseNetns, NetnsPair } from "../../lab/host/netns.js";
import { here, Program } from "../../lab/host/program.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
/** The user that owns nothing. */
const NOBODY = 65534;

interface Printed {
  event: string;
  worst: string;
  uid: number;
  findings: { check: string; severity: string; evidence: string }[];
  measurements: { cores: { cpu: number; sleep: { idle: { call: { count: number } }[] } }[] } | null;
}

function run(parameters: string[], uid?: number) {
  if (uid === undefined) return spawnSync(process.execPath, [MAIN, "doctor", ...parameters], { encoding: "utf8" });
  // Without tap's own environment, in which every process writes a file that only this user may write.
  const argv = ["-i", `PATH=${process.env.PATH ?? ""}`, process.execPath, MAIN, "doctor", ...parameters];
  return spawnSync("env", argv, { encoding: "utf8", uid, gid: uid });
}

function check({ status, stdout, stderr }: ReturnType<typeof run>): Printed {
  t.equal(stderr, "");
  const printed = JSON.parse(stdout) as Printed;
  t.equal(printed.event, "doctor");
  t.equal(status, { ok: 0, note: 0, warning: 5, problem: 6 }[printed.worst]);
  t.ok(printed.findings.every(({ evidence }) => evidence !== ""));
  t.notOk(printed.findings.some(({ evidence }) => evidence.startsWith("TypeError")));
  return printed;
}

t.test("looks at this machine", async (t) => {
  const printed = check(run(["--no-measure", "--json"]));
  t.ok(printed.findings.some(({ check }) => check === "sched-fifo"));
  t.equal(printed.measurements, null);
});

function reasonAgainstNobody(): string | null {
  if (process.getuid?.() !== 0) return "not root: it ran as an ordinary user above";
  // Every folder on the way has to be open to others.
  for (let path = MAIN; path !== "/"; path = join(path, "..")) {
    if ((statSync(path).mode & 0o005) === 0) return `${path} is closed to others`;
  }
  accessSync(MAIN, constants.R_OK);
  return null;
}

t.test("looks without privileges", { skip: reasonAgainstNobody() ?? false }, async () => {
  t.equal(check(run(["--no-measure", "--json"], NOBODY)).uid, NOBODY);
});

t.test("measures with the real addon", async (t) => {
  const { measurements } = check(run(["--seconds", "2", "--cpu", "0", "--json"]));
  t.match(measurements?.cores, [{ cpu: 0 }]);
  t.ok(measurements!.cores[0]!.sleep.idle.every(({ call }) => call.count > 0));
});

t.test("a signal ends it in the middle of a stretch of a minute", async (t) => {
  const doctor = new Program(here, [process.execPath, MAIN, "doctor", "--seconds", "600", "--cpu", "0"]);
  while (doctor.running && !doctor.stderr.includes("measuring")) await delay(10);
  // Killed if it doesn't end by itself.
  t.same(await doctor.stop(), { code: 0, signal: null });
});

t.test("the real system reads, lists, runs, and survives what isn't there", async (t) => {
  const system = realSystem(await loadAddon());
  t.match(system.readFile("/proc/version"), /^Linux/);
  t.equal(system.readFile("/proc/nothing"), undefined);
  t.equal(system.readFile("/proc"), undefined, "a folder");
  t.same(system.readDir("/proc/nothing"), []);
  t.equal(system.readLink("/proc/nothing"), undefined);
  t.equal(system.readLink("/proc/self"), String(process.pid));
  t.same(system.run(["sh", "-c", "echo out; echo err >&2; exit 3"]), { status: 3, stdout: "out\n", stderr: "err\n" });
  t.equal(system.run(["i405-no-such-program"]), undefined);
  t.ok(system.cores.length > 0);
  t.type(system.natives?.permissions().fifoErrno, "number");
});

t.test("mends a real interface and puts it back", { skip: canUseNetns() ?? false }, async (t) => {
  using pair = new NetnsPair();
  const folder = mkdtempSync(join(tmpdir(), "i405-test-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = "/sys/class/net/wire0/queues/rx-0/rps_cpus";
  const shell = (script: string) => pair.a.exec(["sh", "-c", script]).trim();
  shell(`echo 1 > ${path}`);
  const before = shell(`cat ${path}`);
  const doctor = (...parameters: string[]) => {
    const argv = [process.execPath, MAIN, "doctor", "--undo-file", join(folder, "undo.json"), ...parameters];
    return pair.a.exec(argv);
  };
  const fix = ["--fix=packet-steering", "--cpu", "0", "--peer", `${pair.b.ipv4}:1405`];
  t.match(doctor(...fix), /done: \[packet-steering\]/);
  t.not(shell(`cat ${path}`), before);
  t.match(doctor("--undo"), /done: \[packet-steering\]/);
  t.equal(shell(`cat ${path}`), before);
  t.match(doctor("--undo"), /nothing to undo/);
});

t.test("measures its own egress, as far as the neighbour", { skip: canUseNetns() ?? false }, async (t) => {
  using pair = new NetnsPair();
  // What the interface can do isn't the question here: 5 is a warning, 6 a problem.
  const command = pair.a.command([
    process.execPath,
    MAIN,
    "doctor",
    "--quick",
    "--json",
    "--uplink",
    "--peer",
    `${pair.b.ipv4}:1405`,
  ]);
  const { stdout } = spawnSync(command[0]!, command.slice(1), { encoding: "utf8" });
  const { uplink } = JSON.parse(stdout) as {
    uplink: Record<"alone" | "beside", { sent: number; flowBytes: number; delay: { count: number } }[]>;
  };
  t.ok(uplink.alone.every(({ sent, delay, flowBytes }) => sent === 500 && delay.count === 500 && flowBytes === 0));
  t.ok(uplink.beside.every(({ flowBytes }) => flowBytes > 0));
});
