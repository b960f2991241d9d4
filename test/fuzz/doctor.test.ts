/** What the doctor reads: files of /proc and /sys, what programs print, and its own record of changes. */
import { deepEqual } from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import t from "tap";
import { lookAt } from "../../lib/doctor/checks.js";
import { chosen, formatList, formatMask, parseList, parseMask, softLimit } from "../../lib/doctor/parse.js";
import { undoFixes } from "../../lib/doctor/fix.js";
import { undoFile } from "../../lib/doctor/undo-file.js";
import { FakeHands, TARGET } from "../doctor/fake-system.js";
import { holds, orRefusal } from "./properties.js";

const folder = mkdtempSync(join(tmpdir(), "i405-fuzz-"));
t.teardown(() => rmSync(folder, { recursive: true }));

/** Words that the checks look for, so that they read on. */
const KNOWN = [
  ...["0", "1", "2", "-1", "950000", "4294967295", "0-1", "0-3,5", "ff", "00000001,80000000", "max", "unlimited"],
  ...["cpu", "cpu0", "cpu,cpuacct", "intr", "steal", "eth0", "wlan0", "dev", "qdisc", "fq_codel", "etf", "root"],
  ...["[always]", "none", "(full)", "tsc", "kvm-clock", "performance", "powersave", "C1", "POLL", "y", "CapEff:"],
  ...["flags", "hypervisor", "MemAvailable:", "MemTotal:", "Max realtime priority", "preempt=full", "isolcpus=1"],
  ...["00000000", "0003", "lo", "on", "off", "[fixed]", "rx-usecs:", "Speed:", "10000Mb/s", "{", "}", "[]", "null"],
];
const separator = fc.constantFrom(" ", "\n", "\t", ":", ",", "=", "/", "");
const token = fc.oneof({ arbitrary: fc.constantFrom(...KNOWN), weight: 6 }, { arbitrary: fc.string(), weight: 1 });
const text = fc.array(fc.tuple(token, separator), { maxLength: 40 }).map((parts) => parts.flat().join(""));

/** A machine on which every file there could be holds one of these texts, by its path. */
class WildHands extends FakeHands {
  constructor(readonly texts: readonly string[]) {
    super({ bare: texts.length % 2 === 0 });
  }

  #text(path: string): string | undefined {
    let hash = 7;
    for (const letter of path) hash = (hash * 31 + letter.charCodeAt(0)) % 65_521;
    return this.texts[hash % (this.texts.length + 1)];
  }

  override readFile = (path: string) => this.#text(path)?.trim();
  override readDir = (path: string) => (this.#text(`${path}/`) ?? "").split(/\s+/).filter((name) => name !== "");
  override readLink = (path: string) => this.#text(`${path}@`);
  override run = (command: readonly string[]) => {
    const stdout = this.#text(command.join(" "));
    return stdout === undefined ? undefined : { status: stdout.length % 3 === 0 ? 1 : 0, stdout, stderr: stdout };
  };
}

t.test("checks", async (t) => {
  const texts = fc.array(text, { minLength: 1, maxLength: 12 });
  await holds(
    t,
    "no check fails, whatever the machine says",
    [texts],
    (texts) => {
      for (const { check, what, evidence } of lookAt(new WildHands(texts), TARGET)) {
        if (what.includes("this check failed")) throw new Error(`${check}: ${evidence}`);
      }
    },
    2,
  );
});

t.test("lists and masks", async (t) => {
  const cores = fc.uniqueArray(fc.nat(1023), { maxLength: 60 }).map((cores) => cores.sort((a, b) => a - b));
  await holds(
    t,
    "cores that are written read back",
    [cores],
    (cores) => {
      deepEqual(parseList(formatList(cores)), cores);
      deepEqual(parseMask(formatMask(cores)), cores);
    },
    5,
  );
  await holds(t, "any text is a list of some length", [fc.oneof(text, fc.string())], (text) => {
    for (const number of [...parseList(text), ...parseMask(text.slice(0, 200))]) {
      if (!Number.isInteger(number) || number < 0) throw new Error(`${number}`);
    }
    chosen(text);
    softLimit(new FakeHands({ files: { "/proc/self/limits": text } }), "Max realtime priority");
  });
});

t.test("undo record", async (t) => {
  const path = join(folder, "undo.json");
  const before = fc.oneof(
    fc.record({ kind: fc.constant("file"), path: fc.string(), text: fc.string(), choice: fc.boolean() }),
    fc.record({ kind: fc.constant("command"), command: fc.array(fc.string()) }),
    fc.anything(),
  );
  const entry = fc.record({ setting: fc.string(), check: fc.string(), before }, { requiredKeys: [] });
  const entries = fc.oneof(fc.array(fc.oneof(entry, fc.jsonValue())), fc.jsonValue());
  const contents = fc.record({ version: fc.constantFrom(1, 2), bootId: fc.constant("boot"), entries });
  const record = fc.oneof(
    contents.map((each) => JSON.stringify(each)),
    fc.json(),
    fc.string(),
  );
  await holds(
    t,
    "any record is read or refused, and what is read can be undone",
    [record],
    (record) => {
      writeFileSync(path, record);
      orRefusal(() => undoFixes(new FakeHands(), undoFile(path, "boot"), true), "ERR_I405_SYSTEM");
      orRefusal(() => undoFixes(new FakeHands(), undoFile(path, "boot")), "ERR_I405_SYSTEM");
    },
    2,
  );
});
