// @ts-check
// Which test files may run beside each other. One that starts programs or makes networks measures time or fills both
// cores: it has the machine to itself. What a file imports says so.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Helpers that start programs or make networks. */
const MACHINE = ["burner", "cable", "capture", "chaos", "netns", "program", "relay", "testkit", "traffic", "yardstick"];
const ALONE = new RegExp(
  `from "(?:node:child_process|(?:\\.{1,2}/)+(?:(?:lab/host/)(?:${MACHINE.join("|")})|support|(?:interop/)?ends)\\.js)"`,
);

/**
 * The test files below a folder, relative to the root.
 * @param {string} root
 * @returns {{ together: string[], alone: string[] }}
 */
export function testFiles(root) {
  const files = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" });
  const tests = files.filter((file) => file.endsWith(".test.ts")).map((file) => join("test", file));
  const isAlone = (/** @type {string} */ file) => ALONE.test(readFileSync(join(root, file), "utf8"));
  tests.sort();
  return { together: tests.filter((file) => !isAlone(file)), alone: tests.filter(isAlone) };
}
