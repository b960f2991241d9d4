import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { countTests, failedChecks, runCheck, summary } from "../../scripts/setup/checks.mjs";
import { cargoFailures, tapFailures } from "../../scripts/setup/failures.mjs";
import { hashOf, holdsLocked, isDone, markDone } from "../../scripts/setup/stamps.mjs";
import { missingPackages } from "../../scripts/setup/test-tools.mjs";
import { ALONE, testFiles } from "../../scripts/setup/test-files.mjs";
import { compilerCommand, nodeProblem, reaches } from "../../scripts/setup/tools.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

function temporaryFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), "i405-test-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

function write(root: string, path: string, contents: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), contents);
}

t.test("versions are compared by number", async (t) => {
  t.ok(reaches("20.19.0", "20.19"));
  t.ok(reaches("22.1.0", "20.19"));
  t.ok(reaches("1.100.0", "1.88"));
  t.notOk(reaches("20.9.0", "20.19"));
  t.notOk(reaches("1.9", "1.88"));
});

t.test("an old Node or another system is said with what to do", async (t) => {
  t.equal(nodeProblem("20.19.0", "linux"), null);
  t.match(nodeProblem("18.20.4", "linux"), /^Node 18.20.4 is too old: i405 needs 20.19 or later.\n.*nvm install 22$/);
  t.match(nodeProblem("22.0.0", "darwin"), /Linux only; this is darwin/);
});

t.test("the compiler's command is the distribution's", async (t) => {
  t.equal(compilerCommand('NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\n'), "apt-get install build-essential");
  t.equal(compilerCommand("ID=alpine\n"), "apk add build-base");
  t.equal(compilerCommand('ID="rocky"\nID_LIKE="rhel centos fedora"\n'), "dnf install gcc make");
  t.equal(compilerCommand("ID=manjaro\nID_LIKE=arch\n"), "pacman -S base-devel");
  t.equal(compilerCommand('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n'), "zypper install gcc make");
  t.equal(compilerCommand(""), "apt-get install build-essential");
});

t.test("programs for the tests are looked for in PATH", async (t) => {
  const root = temporaryFolder(t);
  for (const tool of ["bin/ip", "bin/script", "sbin/tcpdump"]) write(root, tool, "");
  t.same(missingPackages(`${join(root, "bin")}:${join(root, "sbin")}`), ["nftables", "systemd"]);
});

t.test("a step is stale when a source, a name or an output changes", async (t) => {
  const root = temporaryFolder(t);
  const hash = () => hashOf(root, ["src", "one.txt", "missing"], ["x"]);
  write(root, "src/deep/a.ts", "a");
  write(root, "one.txt", "1");
  write(root, "out.js", "built");
  const first = hash();
  t.notOk(isDone(root, "step", first, ["out.js"]), "never done");
  markDone(root, "step", first, ["out.js"]);
  t.ok(isDone(root, "step", hash(), ["out.js"]));
  utimesSync(join(root, "src/deep/a.ts"), 1, 1);
  t.equal(hash(), first, "a time alone changes nothing");
  write(root, "src/deep/a.ts", "b");
  t.notOk(isDone(root, "step", hash(), ["out.js"]));
  write(root, "src/deep/a.ts", "a");
  write(root, "src/new.ts", "");
  t.not(hash(), first, "a new file, even an empty one");
  rmSync(join(root, "src/new.ts"));
  t.not(hashOf(root, ["src", "one.txt"], ["y"]), first);
  t.ok(isDone(root, "step", hash(), ["out.js"]));
  write(root, "out.js", "built by hand");
  t.notOk(isDone(root, "step", hash(), ["out.js"]), "an output that somebody replaced");
  rmSync(join(root, "out.js"));
  t.notOk(isDone(root, "step", hash(), ["out.js"]), "an output that is gone");
});

t.test("packages are installed if each is there in its locked version", async (t) => {
  const locked = {
    packages: {
      "": { version: "0.1.0" },
      "node_modules/a": { version: "1.0.0", integrity: "sha512-a" },
      "node_modules/other-platform": { version: "1.0.0", optional: true },
    },
  };
  const a = { version: "1.0.0", integrity: "sha512-a" };
  t.ok(holdsLocked(locked, { packages: { "node_modules/a": a } }));
  t.notOk(holdsLocked(locked, { packages: {} }));
  t.notOk(holdsLocked(locked, { packages: { "node_modules/a": { ...a, version: "1.0.1" } } }));
  t.notOk(holdsLocked(locked, { packages: { "node_modules/a": { ...a, integrity: "sha512-b" } } }));
});

t.test("tests are counted from what the runners say", async (t) => {
  const cargo =
    "test result: ok. 12 passed; 0 failed; 1 ignored;\nx\ntest result: FAILED. 3 passed; 2 failed; 0 ignored;\n";
  t.same(countTests(cargo), { passed: 15, failed: 2 });
  const tap = "    # { total: 2, pass: 1, fail: 1 }\nok 1 - a\n# { total: 9, pass: 7, fail: 1, todo: 1 }\n";
  t.same(countTests(tap), { passed: 7, failed: 1 });
  t.same(countTests("nothing ran"), { passed: 0, failed: 0 });
});

t.test("the summary ends with the counts, and nothing that failed is lost in them", async (t) => {
  const good = [
    { name: "eslint", ok: true, seconds: 1.4 },
    { name: "cargo test", ok: true, seconds: 1.4, counts: { passed: 5, failed: 0 } },
    { name: "tap", ok: true, seconds: 1.4, counts: { passed: 7, failed: 0 } },
  ];
  t.equal(failedChecks(good).length, 0);
  t.match(summary(good), /^ok {6}eslint +1 s\nok {6}cargo test +5 passed, 0 failed +1 s\n[^]*\n12 passed, 0 failed$/);
  const bad = [
    { name: "eslint", ok: false, seconds: 1.4 },
    { name: "cargo test", ok: false, seconds: 1.4, counts: { passed: 0, failed: 0 } },
    { name: "tap", ok: false, seconds: 1.4, counts: { passed: 7, failed: 3 } },
  ];
  t.equal(failedChecks(bad).length, 3);
  t.match(summary(bad), /FAILED {2}eslint +1 s\n[^]*\n7 passed, 5 failed$/);
  const lenient = [{ name: "tap", ok: true, seconds: 1, counts: { passed: 7, failed: 1 } }];
  t.equal(failedChecks(lenient).length, 1, "a runner that counts a failure and ends well failed");
  const nothing = [{ name: "tap", ok: true, seconds: 1.4, counts: { passed: 0, failed: 0 } }];
  t.match(summary(nothing), /0 passed, 1 failed$/, "a runner that ran nothing checked nothing");
});

t.test("the summary names what failed, so far as there is room", async (t) => {
  const failures = Array.from({ length: 12 }, (_, index) => `test ${index}`);
  const said = summary([{ name: "tap", ok: false, seconds: 1.4, counts: { passed: 1, failed: 12 }, failures }]);
  t.match(said, /^failed:\n {2}test 0\n[^]* {2}test 9\n {2}and 2 more, further up\n\nFAILED {2}tap/);
  t.match(
    summary([{ name: "tap", ok: true, seconds: 1.4, counts: { passed: 1, failed: 0 }, failures: [] }]),
    /^ok {6}tap/,
  );
});

t.test("failures are read from what the runners say", async (t) => {
  const cargo = [
    ...["test a::b ... FAILED", "", "failures:", "", "---- a::b stdout ----", ""],
    ...["thread 'a::b' panicked at src/lib.rs:3:4:", "assertion failed", "  left: 1", " right: 2"],
    ...["note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace", ""],
    ...["---- c stdout ----", "thread 'c' panicked", "", "failures:", "    a::b", "    c", ""],
  ];
  t.same(cargoFailures(cargo.join("\n")), [
    "a::b | thread 'a::b' panicked at src/lib.rs:3:4: | assertion failed | left: 1 | right: 2",
    "c | thread 'c' panicked",
  ]);
  t.same(cargoFailures("test result: ok. 12 passed; 0 failed;\n"), []);
  const tap = [
    ...["TAP version 14", "# Subtest: a.test.ts", "    # Subtest: outer", "        not ok 1 - should be equal"],
    ...[
      "          ---",
      "          diff: |",
      "            --- expected",
      "            +++ actual",
      "            @@ -1,1 +1,1 @@",
    ],
    ...[
      "            -1",
      "            +2",
      "          at:",
      "            fileName: a.test.ts",
      "            lineNumber: 6",
    ],
    ...[
      "          ...",
      "        ok 2 - later # SKIP not here",
      "        1..2",
      "    not ok 1 - outer # time=3ms",
      "    1..1",
    ],
    ...[
      "not ok 1 - a.test.ts # time=4ms",
      "not ok 2 - b.test.ts",
      "  ---",
      "  timeout: 30000",
      "  ...",
      "not ok 3 # TODO",
      "1..3",
    ],
  ];
  t.same(tapFailures(tap.join("\n")), [
    "a.test.ts > outer > should be equal | at a.test.ts:6 | -1 | +2",
    "b.test.ts | timeout 30000",
  ]);
  t.same(tapFailures("what no runner says"), []);
});

t.test("a signal ends a run with everything that it has started", async (t) => {
  const group = new URL("../../scripts/setup/group.mjs", import.meta.url).href;
  const grandchild = `
    require("node:child_process").spawn("sleep", ["1000"], { stdio: "inherit" }).on("spawn", function () {
      console.log(this.pid);
    });`;
  const script = `
    import { runInGroup } from ${JSON.stringify(group)};
    process.exit(await runInGroup(process.execPath, ["-e", ${JSON.stringify(grandchild)}]));`;
  for (const [signal, code] of [
    ["SIGTERM", 143],
    ["SIGINT", 130],
  ] as const) {
    const run = spawn(process.execPath, ["--input-type=module", "--eval", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [said] = (await once(run.stdout, "data")) as [Buffer];
    const ended = once(run, "exit");
    run.kill(signal);
    t.same(await ended, [code, null]);
    t.throws(() => process.kill(Number(said), 0), { code: "ESRCH" }, "what it started has ended before it");
  }
});

t.test("no test file is left out, the longest begin, and those that change the machine are there", async (t) => {
  const root = temporaryFolder(t);
  const alone = [...ALONE.keys()];
  for (const file of ["test/unit/pure.test.ts", "test/deep/er/net.test.ts", "test/real/wire.test.ts", ...alone]) {
    write(root, file, "");
  }
  write(root, "test/real/support.ts", "");
  t.same(testFiles(root), {
    together: ["test/real/wire.test.ts", "test/unit/pure.test.ts", "test/deep/er/net.test.ts"],
    alone: ["test/real/burner.test.ts", "test/real/rt-group.test.ts", "test/real/rt-throttle.test.ts"].concat([
      "test/audit/live.test.ts",
      "test/doctor/process.test.ts",
    ]),
  });
  for (const file of alone) t.ok(existsSync(join(ROOT, file)), file);
});

t.test("a check that can't run is a failure", async (t) => {
  const missing = await runCheck(ROOT, { name: "missing", command: ["/nowhere/program"] });
  t.match(missing, { name: "missing", ok: false });
  const failing = await runCheck(ROOT, { name: "failing", command: ["false"], counts: () => "" });
  t.match(failing, { ok: false, counts: { passed: 0, failed: 0 } });
  const noLog = await runCheck(ROOT, {
    name: "no log",
    command: ["true"],
    counts: () => {
      throw new Error("no such file");
    },
  });
  t.equal(failedChecks([noLog]).length, 1);
  const aside = await runCheck(ROOT, {
    name: "aside",
    command: ["sh", "-c", "echo a; echo b >&2; false"],
    aside: true,
  });
  t.match(aside, { name: "aside", ok: false });
  t.same(aside.output.split("\n").sort(), ["", "a", "b"], "whatever it says is kept");
});

/** A checkout whose packages are there and whose addon is not, and a PATH with nothing but these programs. */
function bareCheckout(t: Test, programs: Record<string, string>) {
  const root = temporaryFolder(t);
  for (const path of ["scripts", "package.json", "package-lock.json", "Cargo.toml"]) {
    cpSync(join(ROOT, path), join(root, path), { recursive: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(root, "node_modules"));
  const bin = join(root, "bin");
  mkdirSync(bin);
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  return () => {
    const environment = { PATH: bin, HOME: root, CARGO_HOME: join(root, "none") };
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, "scripts", "setup.mjs")], {
      encoding: "utf8",
      env: environment,
      stdio: ["ignore", "pipe", "pipe"],
    });
    return { status, stdout, stderr };
  };
}

t.test("without Rust, or a C compiler, the exact command is said and nothing else", async (t) => {
  const noRust = bareCheckout(t, {})();
  t.match(noRust, {
    status: 1,
    stdout: "",
    stderr: /^i405: Rust is missing: .*https:\/\/rustup.rs.*\n +curl .*sh.rustup.rs \| sh\n$/,
  });
  const oldRust = bareCheckout(t, { cargo: "echo cargo 1.70.0" })();
  t.match(oldRust, {
    status: 1,
    stderr: /^i405: Rust 1.70.0 is too old: i405 needs [\d.]+ or later.\n +rustup update stable\n$/,
  });
  const noCompiler = bareCheckout(t, { cargo: "echo cargo 1.99.0" })();
  t.match(noCompiler, {
    status: 1,
    stderr: /^i405: A C compiler is missing: .*\n +(sudo )?[a-z-]+ (install|add|-S) .*\n$/,
  });
});

t.test("a build that fails is said without a stack", async (t) => {
  const cargo = 'case "$1" in --version) echo cargo 1.99.0;; *) echo "error: no luck" >&2; exit 101;; esac';
  const failing = bareCheckout(t, { cargo, cc: "exit 0" })();
  t.equal(failing.status, 1);
  t.match(failing.stderr, /error: no luck\ni405: cargo build .* failed \(exit code 101\); its messages are above.\n$/);
  t.notMatch(failing.stderr, /at .*mjs/);
});
