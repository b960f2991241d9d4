/** `--fix` and `--undo` on machines in memory, with the record on a real file system. */
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import type { Change, Found } from "../../lib/doctor/finding.js";
import { applyFixes, selectFixes, undoFixes, type Step } from "../../lib/doctor/fix.js";
import { undoFile, undoPath } from "../../lib/doctor/undo-file.js";
import { FakeHands } from "./fake-system.js";

const GOVERNOR = "/sys/devices/system/cpu/cpufreq/policy0/scaling_governor";
const PREEMPT = "/sys/kernel/debug/sched/preempt";
const AFFINITY = "/proc/irq/40/smp_affinity_list";

const FILES = { [GOVERNOR]: "powersave\n", [PREEMPT]: "(none) voluntary full\n", [AFFINITY]: "0-1\n" };
const CHANGES: { check: string; change: Change }[] = [
  { check: "frequency", change: { kind: "file", path: GOVERNOR, value: "performance" } },
  { check: "preemption", change: { kind: "file", path: PREEMPT, value: "full", choice: true } },
  { check: "nic-interrupts", change: { kind: "file", path: AFFINITY, value: "0" } },
];
const COMMAND: { check: string; change: Change } = {
  check: "eee",
  change: {
    kind: "command",
    setting: "ethtool --set-eee eth0 eee",
    apply: ["ethtool", "--set-eee", "eth0", "eee", "off"],
    undo: ["ethtool", "--set-eee", "eth0", "eee", "on"],
  },
};

function record(t: Test, boot = "boot-1") {
  const folder = mkdtempSync(join(tmpdir(), "i405-test-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "below", "doctor-undo.json");
  return { path, file: undoFile(path, boot) };
}

function outcomes(steps: readonly Step[]): string[] {
  return steps.map(({ outcome, detail }) => `${outcome}: ${detail}`);
}

t.test("what is mended is put back exactly, the last first", async (t) => {
  const { file, path } = record(t);
  const hands = new FakeHands({ files: FILES, commands: { ethtool: "" } });
  const fixed = applyFixes(hands, file, [...CHANGES, COMMAND]);
  t.same(outcomes(fixed), [
    "done: powersave -> performance",
    "done: none -> full",
    "done: 0-1 -> 0",
    "done: ethtool --set-eee eth0 eee off",
  ]);
  t.equal(hands.files.get(PREEMPT), "none voluntary (full)\n");
  t.equal(statSync(path).mode & 0o777, 0o600);
  hands.writes.length = 0;
  t.same(
    undoFixes(hands, file).map(({ outcome, check }) => `${outcome} ${check}`),
    ["done eee", "done nic-interrupts", "done preemption", "done frequency"],
  );
  t.same(hands.writes, [`${AFFINITY}=0-1`, `${PREEMPT}=none`, `${GOVERNOR}=powersave`]);
  t.equal(hands.commands.at(-1), "ethtool --set-eee eth0 eee on");
  t.same(Object.fromEntries(hands.files), FILES);
  t.throws(() => statSync(path), { code: "ENOENT" }, "nothing is left to undo");
  t.same(undoFixes(hands, file), []);
});

t.test("mending twice keeps the first values", async (t) => {
  const { file } = record(t);
  const hands = new FakeHands({ files: FILES });
  applyFixes(hands, file, CHANGES);
  t.same(outcomes(applyFixes(hands, file, CHANGES)), ["already: performance", "already: full", "already: 0"]);
  // Somebody else changes it in between, and it is mended again.
  hands.files.set(GOVERNOR, "schedutil\n");
  t.match(outcomes(applyFixes(hands, file, CHANGES))[0], "done: schedutil -> performance");
  undoFixes(hands, file);
  t.same(Object.fromEntries(hands.files), FILES);
});

t.test("a failure keeps neither the others from being mended nor from being put back", async (t) => {
  const { file } = record(t);
  const hands = new FakeHands({
    files: FILES,
    readOnly: [PREEMPT],
    commands: { ethtool: { status: 1, stdout: "", stderr: "no\nmore" } },
  });
  const fixed = applyFixes(hands, file, [...CHANGES, COMMAND]);
  t.match(outcomes(fixed), ["done: powersave -> performance", /^failed: EACCES/, "done: 0-1 -> 0", "failed: no"]);
  t.same(
    file.read().map(({ check }) => check),
    ["frequency", "nic-interrupts", "eee"],
    "what didn't change need not be put back; of a command nobody knows",
  );
  hands.readOnly.add(AFFINITY);
  t.match(outcomes(undoFixes(hands, file)), [/^failed: no/, /^failed: EACCES/, "done: performance -> powersave"]);
  t.same(
    file.read().map(({ check }) => check),
    ["nic-interrupts", "eee"],
    "what failed can be tried again",
  );
  hands.readOnly.delete(AFFINITY);
  t.match(outcomes(undoFixes(hands, file))[1], "done: 0 -> 0-1");
  t.same(Object.fromEntries(hands.files), FILES);
});

t.test(
  "a setting that the kernel takes differently than it was given isn't undone until it is as it was",
  async (t) => {
    const { file } = record(t);
    const hands = new FakeHands({ files: FILES });
    applyFixes(hands, file, CHANGES.slice(2));
    const stubborn = Object.assign(Object.create(hands) as FakeHands, { writeFile: () => undefined });
    t.same(outcomes(undoFixes(stubborn, file)), ["failed: is 0, not 0-1"]);
    t.equal(file.read().length, 1);
  },
);

t.test("of several cores, the one that an interrupt went to is chosen again", async (t) => {
  const { file } = record(t);
  const effective = "/proc/irq/40/effective_affinity_list";
  const hands = new FakeHands({ files: { ...FILES, [effective]: "1\n" } });
  applyFixes(hands, file, [
    { check: "nic-interrupts", change: { kind: "file", path: AFFINITY, value: "0", effective } },
  ]);
  hands.writes.length = 0;
  t.match(outcomes(undoFixes(hands, file)), ["done: 0 -> 0-1"]);
  t.same(hands.writes, [`${AFFINITY}=1`, `${AFFINITY}=0-1`]);
});

t.test("a device that is gone takes its settings along", async (t) => {
  const { file } = record(t);
  const hands = new FakeHands({ files: FILES });
  t.same(outcomes(applyFixes(hands, file, CHANGES.slice(0, 1))), ["done: powersave -> performance"]);
  hands.files.delete(GOVERNOR);
  t.match(outcomes(undoFixes(hands, file)), [/^gone/]);
  t.same(file.read(), []);
  t.match(outcomes(applyFixes(hands, file, CHANGES.slice(0, 1))), [/^gone/]);
});

t.test("a dry run changes and records nothing", async (t) => {
  const { file, path } = record(t);
  const hands = new FakeHands({ files: FILES, commands: { ethtool: "" } });
  t.match(outcomes(applyFixes(hands, file, [...CHANGES, COMMAND], true)), [
    "would: write performance",
    "would: write full",
    "would: write 0",
    /^would: ethtool/,
  ]);
  t.throws(() => statSync(path), { code: "ENOENT" });
  applyFixes(hands, file, CHANGES);
  hands.writes.length = 0;
  t.equal(undoFixes(hands, file, true).length, 3);
  t.same([...hands.writes, ...hands.commands], []);
  t.equal(file.read().length, 3);
});

t.test("after a restart there is nothing to put back", async (t) => {
  const { file, path } = record(t);
  const hands = new FakeHands({ files: FILES });
  applyFixes(hands, file, CHANGES);
  const later = undoFile(path, "boot-2");
  t.same(undoFixes(hands, later), []);
  applyFixes(new FakeHands({ files: FILES }), later, CHANGES.slice(0, 1));
  t.equal(later.read().length, 1, "and a new record takes the old one's place");
});

t.test("a file that isn't the doctor's is neither believed nor replaced", async (t) => {
  const { file, path } = record(t);
  applyFixes(new FakeHands({ files: FILES }), file, CHANGES);
  writeFileSync(path, "{}");
  t.throws(() => file.read(), { code: "ERR_I405_SYSTEM", message: /is no record of i405 doctor/ });
  const hands = new FakeHands({ files: FILES });
  t.throws(() => applyFixes(hands, file, CHANGES), { code: "ERR_I405_SYSTEM" });
  t.same(hands.writes, []);
  t.equal(readFileSync(path, "utf8"), "{}");
});

t.test("a record that another user may have written is not carried out", async (t) => {
  const { file, path } = record(t);
  applyFixes(new FakeHands({ files: FILES }), file, CHANGES);
  const others: [string, () => void][] = [["writable", () => chmodSync(path, 0o666)]];
  if (process.geteuid?.() === 0) {
    others.push([
      "another user's",
      () => {
        chmodSync(path, 0o600);
        chownSync(path, 65_534, 65_534);
      },
    ]);
  }
  for (const [name, change] of others) {
    change();
    const hands = new FakeHands({ files: FILES });
    t.throws(() => undoFixes(hands, file), { code: "ERR_I405_SYSTEM", message: /written by another user/ }, name);
    t.same(hands.writes, [], name);
  }
  const link = `${path}.link`;
  symlinkSync(path, link);
  t.throws(() => undoFile(link, "boot-1").read(), { code: "ERR_I405_SYSTEM", message: /cannot be read/ });
});

t.test("where the record can't be kept, nothing is changed", async (t) => {
  const { path } = record(t);
  const folder = join(path, "..", "..", "no-folder");
  writeFileSync(folder, "");
  const hands = new FakeHands({ files: FILES });
  t.throws(() => applyFixes(hands, undoFile(join(folder, "undo.json"), "boot-1"), CHANGES), {
    code: "ERR_I405_SYSTEM",
    message: /cannot be (read|written)/,
  });
  t.same(hands.writes, []);
});

t.test("which fixes are meant", async (t) => {
  const found = (check: string, onlyIfAsked?: string): Found => ({
    ...{ check, title: check, group: "network", severity: "note", what: "", evidence: "" },
    fix: {
      changes: CHANGES.slice(0, 1).map(({ change }) => change),
      ...(onlyIfAsked === undefined ? {} : { onlyIfAsked }),
    },
  });
  const findings = [found("eee"), found("frequency"), found("rt-throttle", "machine-wide")];
  const names = (wanted: Parameters<typeof selectFixes>[1]) => selectFixes(findings, wanted).map(({ check }) => check);
  t.same(names(true), ["eee", "frequency"]);
  t.same(names(["all"]), ["eee", "frequency"]);
  t.same(names(["rt-throttle"]), ["rt-throttle"]);
  t.same(names(["all", "rt-throttle"]), ["eee", "frequency", "rt-throttle"]);
  t.same(names(["hypervisor"]), []);
});

t.test("where the record is", async (t) => {
  t.equal(undoPath(0, { XDG_STATE_HOME: "/x" }), "/run/i405/doctor-undo.json");
  t.equal(undoPath(1000, { XDG_STATE_HOME: "/x" }), "/x/i405/doctor-undo.json");
  t.equal(undoPath(1000, { HOME: "/home/a" }), "/home/a/.local/state/i405/doctor-undo.json");
});
