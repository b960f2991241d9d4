// @ts-check
// Which test files run beside each other. A test asserts nothing that a busy machine breaks, so all may, but for those
// that change what the whole machine has.
import { readdirSync } from "node:fs";
import { join } from "node:path";

/** Files that have the machine to themselves, and why. */
export const ALONE = new Map([
  ["test/audit/live.test.ts", "it plans by the load that the machine bears"],
  ["test/doctor/process.test.ts", "the doctor's measurements take every core, one after the other"],
  ["test/real/burner.test.ts", "burners take every core that is idle"],
  ["test/real/rt-group.test.ts", "a group's real-time budget is a part of the machine's"],
  ["test/real/rt-throttle.test.ts", "the real-time throttle is the machine's"],
]);

/** What takes longest begins, so that none of it is left for the end: files of a minute or more, then folders. */
const LONGEST_FIRST = [
  "test/real/strong-host.test.ts",
  "test/audit/leaks.test.ts",
  "test/real/comeback.test.ts",
  "test/real/programs.test.ts",
  ...["test/real", "test/audit", "test/cli", "test/unit", "test/project", "test/interop"],
];

/** @param {string} file */
function place(file) {
  const index = LONGEST_FIRST.findIndex((each) => file === each || file.startsWith(`${each}/`));
  return index < 0 ? LONGEST_FIRST.length : index;
}

/**
 * The test files below a folder, relative to the root.
 * @param {string} root
 * @returns {{ together: string[], alone: string[] }}
 */
export function testFiles(root) {
  const files = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" });
  const tests = files.filter((file) => file.endsWith(".test.ts")).map((file) => join("test", file));
  tests.sort((one, other) => place(one) - place(other) || (one < other ? -1 : 1));
  return { together: tests.filter((file) => !ALONE.has(file)), alone: tests.filter((file) => ALONE.has(file)) };
}
