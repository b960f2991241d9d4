// @ts-check
// `npm test`: set-up, then every check of the project; all of them run, whatever fails.
//   npm test -- test/unit/options.test.ts    only tap, with these arguments
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { failedChecks, runCheck, summary } from "./setup/checks.mjs";
import { runInGroup } from "./setup/group.mjs";
import { ROOT, setUp } from "./setup.mjs";
import { testFiles } from "./setup/test-files.mjs";
import { addCargoToPath, componentsProblem, toolchainProblem } from "./setup/tools.mjs";

/** @typedef {import("./setup/checks.mjs").Check} Check */

/** @param {string[]} path */
const bin = (...path) => join(ROOT, "node_modules", ...path);
/** Says that this process is the one that the group is made for. */
const IN_GROUP = "I405_TESTS_IN_GROUP";

/** @typedef {typeof import("./setup/failures.mjs")} Failures */

/**
 * @param {string} name
 * @param {string[]} parameters
 * @param {Failures} failures
 * @returns {Check}
 */
function tapCheck(name, parameters, { tapFailures: failures }) {
  const tap = [process.execPath, bin("tap", "dist", "esm", "run.mjs")];
  // A terminal gets tap's moving view, and the counts are in the raw log; elsewhere the raw log is the output.
  if (!process.stdout.isTTY) {
    return { name, command: [...tap, "--reporter=tap", ...parameters], counts: (output) => output, failures };
  }
  const log = join(ROOT, ".setup", `${name.replace(" ", "-")}.tap`);
  rmSync(log, { force: true });
  const command = [...tap, `--output-file=${log}`, ...parameters];
  return { name, command, counts: () => readFileSync(log, "utf8"), failures, terminal: true };
}

/** @returns {Check[]} */
function scriptChecks() {
  const node = process.execPath;
  return [
    { name: "types", command: [node, bin("typescript", "bin", "tsc"), "--noEmit"] },
    { name: "eslint", command: [node, bin("eslint", "bin", "eslint.js"), "--max-warnings=0", "."] },
    { name: "prettier", command: [node, bin("prettier", "bin", "prettier.cjs"), "--check", "."] },
  ];
}

/**
 * @param {Failures} failures
 * @returns {Check[]}
 */
function cargoChecks(failures) {
  const libtest = { counts: (/** @type {string} */ output) => output, failures: failures.cargoFailures };
  return [
    { name: "cargo fmt", command: ["cargo", "fmt", "--all", "--check"] },
    { name: "cargo clippy", command: ["cargo", "clippy", "--locked", "--all-targets", "--", "-D", "warnings"] },
    { name: "cargo test", command: ["cargo", "test", "--locked", "--no-fail-fast"], ...libtest },
    // A check of its own: the feature replaces the atomics of the whole crate. What that depends on is compiled already.
    {
      name: "hedge model",
      command: ["cargo", "test", "--locked", "--features", "i405-proto/loom", "--test", "hedge_model"],
      ...libtest,
    },
  ];
}

/** One after the other; all of them run, whatever fails. @param {Check[]} checks */
async function inTurn(checks) {
  const results = [];
  for (const check of checks) results.push(await runCheck(ROOT, check));
  return results;
}

/**
 * What computes runs beside the tests that bear company: these wait most of the time, one more of them than there are cores.
 * The other tests follow, one at a time, on a machine that does nothing else.
 * @param {Failures} failures
 */
async function everyCheck(failures) {
  const { together, alone } = testFiles(ROOT);
  const aside = [...cargoChecks(failures), ...scriptChecks()].map((check) => ({ ...check, aside: true }));
  const jobs = `--jobs=${availableParallelism() + 1}`;
  const [waited, computed] = await Promise.all([
    runCheck(ROOT, tapCheck("tap together", [jobs, ...together], failures)),
    inTurn(aside),
  ]);
  for (const { name, output } of computed) process.stdout.write(`\n== ${name}\n${output}`);
  return [...computed, waited, await runCheck(ROOT, tapCheck("tap alone", alone, failures))];
}

async function main() {
  delete process.env[IN_GROUP];
  if (!setUp({ for: "tests" })) return 1;
  const parameters = process.argv.slice(2);
  addCargoToPath();
  const problem = parameters.length > 0 ? null : (toolchainProblem(ROOT) ?? componentsProblem());
  if (problem !== null) {
    process.stderr.write(`i405: ${problem}\n`);
    return 1;
  }
  mkdirSync(join(ROOT, ".setup"), { recursive: true });
  // Only now: what it reads tap with is set up like everything else.
  const failures = await import("./setup/failures.mjs");
  const chosen = parameters.length > 0;
  const results = await (chosen ? inTurn([tapCheck("tap", parameters, failures)]) : everyCheck(failures));
  process.stdout.write(`\n${summary(results)}\n`);
  return failedChecks(results).length === 0 ? 0 : 1;
}

process.exitCode =
  process.env[IN_GROUP] === undefined
    ? await runInGroup(process.execPath, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
        ...process.env,
        [IN_GROUP]: "1",
      })
    : await main();
