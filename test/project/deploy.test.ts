/** The files of deploy/: what systemd makes of the unit, and that what it forbids is nothing that the command does. */
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { SYSTEM_CALLS } from "../../lab/host/system-calls.js";

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const UNIT = join(ROOT, "deploy", "i405@.service");
const unit = readFileSync(UNIT, "utf8");

/** What `systemd-analyze security` may say at most, 0 to 10: what is left is what a tunnel needs. */
const MOST_EXPOSURE = 2.5;

function valuesOf(key: string): string[] {
  return [...unit.matchAll(new RegExp(`^${key}=(.*)$`, "gm"))].map(([, value = ""]) => value);
}

function noSystemd(): string | false {
  const { error, stdout } = spawnSync("systemd-analyze", ["--version"], { encoding: "utf8" });
  if (error !== undefined) return "no systemd-analyze (apt: systemd)";
  // --offline came with 250.
  return Number(/^systemd (\d+)/.exec(stdout)?.[1]) < 250 ? "systemd-analyze is older than 250" : false;
}

t.test("systemd-analyze verify and security", { skip: noSystemd() }, async (t) => {
  const folder = t.testdir();
  for (const role of ["client", "server"]) {
    const file = join(folder, `i405@${role}.service`);
    copyFileSync(UNIT, file);
    const verified = spawnSync("systemd-analyze", ["verify", "--man=no", file], { encoding: "utf8" });
    t.same([verified.status, verified.stdout + verified.stderr], [0, ""], role);
    const text = execFileSync("systemd-analyze", ["security", "--offline=yes", "--no-pager", file], {
      encoding: "utf8",
    });
    const exposure = Number(/Overall exposure level for \S+: ([\d.]+)/.exec(text)?.[1]);
    t.ok(exposure <= MOST_EXPOSURE, `exposure ${exposure}`);
    const passes = (name: string) => new RegExp(`^✓ ${name}`, "m").test(text);
    for (const name of ["NoNewPrivileges=", "ProtectSystem=", "NotifyAccess=", "SystemCallArchitectures=", "UMask="]) {
      t.ok(passes(name), name);
    }
  }
});

/** The calls of a set of systemd's, or the call itself. */
function expand(name: string): string[] {
  if (!name.startsWith("@")) return [name];
  const text = execFileSync("systemd-analyze", ["syscall-filter", "--no-pager", name], { encoding: "utf8" });
  const inside = text.split("\n").map((line) => line.trim());
  return inside.filter((line) => line !== "" && !line.startsWith("#") && line !== name).flatMap(expand);
}

t.test("what the command calls is allowed", { skip: noSystemd() }, async (t) => {
  const allowed = new Set<string>();
  for (const value of valuesOf("SystemCallFilter")) {
    const names = value.replace(/^~/, "").split(" ").flatMap(expand);
    for (const name of names) {
      if (value.startsWith("~")) allowed.delete(name);
      else allowed.add(name);
    }
  }
  t.ok(allowed.size > 100);
  t.same(
    SYSTEM_CALLS.filter((name) => !allowed.has(name)),
    [],
  );
  t.same(
    ["ptrace", "mount", "init_module", "bpf", "setuid", "chown", "reboot"].filter((name) => allowed.has(name)),
    [],
  );
});

t.test("the capabilities are the two, and the limits are those that the core asks for", async (t) => {
  for (const key of ["AmbientCapabilities", "CapabilityBoundingSet"]) {
    t.same(valuesOf(key), ["CAP_NET_ADMIN CAP_SYS_NICE"], key);
  }
  const priorities = readFileSync(join(ROOT, "crates/i405-rt/src/realtime/priority.rs"), "utf8");
  t.same(valuesOf("LimitRTPRIO"), [/FIFO_PRIORITY: i32 = (\d+)/.exec(priorities)?.[1]]);
  t.same(valuesOf("LimitNICE"), [/ORDINARY_NICE: i32 = (-\d+)/.exec(priorities)?.[1]]);
  t.same(valuesOf("LimitCORE"), ["0"]);
  t.same(valuesOf("Type"), ["notify"]);
  t.same(valuesOf("RestartPreventExitStatus"), ["2"], "a bad config");
});

t.test("the container starts what the package has, with the two capabilities", async (t) => {
  const file = readFileSync(join(ROOT, "deploy", "Containerfile"), "utf8");
  const logical = file.replace(/\\\n/g, " ").split("\n");
  const lines = logical.map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("#"));
  const known = ["FROM", "RUN", "COPY", "USER", "ENTRYPOINT", "CMD"];
  t.same(
    lines.map((line) => line.split(" ", 1)[0]).filter((word) => !known.includes(word!)),
    [],
  );
  t.match(lines[0], /^FROM \S+:\d+-\S+$/, "an image with a version");
  t.ok(lines.indexOf("USER node") > lines.findLastIndex((line) => line.startsWith("RUN")), "ends as an ordinary user");
  const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    bin: object;
    engines: { node: string };
  };
  const entry = JSON.parse(
    lines.find((line) => line.startsWith("ENTRYPOINT "))!.slice("ENTRYPOINT ".length),
  ) as string[];
  t.same(entry, Object.keys(manifest.bin));
  t.match(file, /setcap cap_net_admin,cap_sys_nice\+ep "\$\(readlink -f "\$\(command -v node\)"\)"/);
});
