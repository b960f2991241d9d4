// @ts-check
// Runs checks and counts what the test runners themselves report.
import { spawn } from "node:child_process";

/** So many failed tests are said one by one at the end: the tail of a log is what a person sees of a run elsewhere. */
const MOST_LISTED = 10;

/**
 * @typedef {object} Check
 * @property {string} name
 * @property {string[]} command program and parameters
 * @property {(output: string) => string} [counts] where a runner's counts are to be found, given its standard output
 * @property {(output: string) => string[]} [failures] a line for each failed test, given what `counts` gives
 * @property {boolean} [terminal] leave it the terminal; its output isn't read
 * @property {boolean} [aside] it runs beside another check: what it says is kept, not shown
 *
 * @typedef {object} Result
 * @property {string} name
 * @property {boolean} ok
 * @property {Counts} [counts]
 * @property {string[]} [failures]
 * @property {number} seconds that it took
 *
 * @typedef {{ passed: number, failed: number }} Counts
 */

/**
 * Adds up `test result: ok. 3 passed; 1 failed; ...` of libtest, and `# { total: 4, pass: 3, fail: 1 }` of tap.
 * @param {string} text
 * @returns {Counts}
 */
export function countTests(text) {
  const counts = { passed: 0, failed: 0 };
  for (const [, passed, failed] of text.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed/gm)) {
    counts.passed += Number(passed);
    counts.failed += Number(failed);
  }
  // tap's last line of this kind is the whole run's; those of single files are indented.
  const whole = [...text.matchAll(/^# \{ total: \d+.*\}$/gm)].at(-1)?.[0] ?? "";
  counts.passed += Number(/ pass: (\d+)/.exec(whole)?.[1] ?? 0);
  counts.failed += Number(/ fail: (\d+)/.exec(whole)?.[1] ?? 0);
  return counts;
}

/**
 * Runs a check with its output shown.
 * @param {string} root
 * @param {Check} check
 * @returns {Promise<Result & { output: string }>} and what was read of its output
 */
export function runCheck(root, check) {
  const { name, aside = false } = check;
  const [command = "", ...parameters] = check.command;
  if (!aside) process.stdout.write(`\n== ${name}\n`);
  const readsOutput = aside || (check.counts !== undefined && check.terminal !== true);
  const began = performance.now();
  const child = spawn(command, parameters, {
    cwd: root,
    stdio: ["ignore", readsOutput ? "pipe" : "inherit", aside ? "pipe" : "inherit"],
  });
  let output = "";
  const read = (/** @type {string} */ text) => {
    output += text;
    if (!aside) process.stdout.write(text);
  };
  child.stdout?.setEncoding("utf8").on("data", read);
  child.stderr?.setEncoding("utf8").on("data", read);
  return new Promise((resolve) => {
    child.on("error", (error) => {
      process.stderr.write(`i405: ${command} does not run: ${error.message}\n`);
      resolve({ name, ok: false, seconds: 0, output });
    });
    child.on("close", (code) => {
      const ok = code === 0;
      const seconds = (performance.now() - began) / 1000;
      if (check.counts === undefined) return resolve({ name, ok, seconds, output });
      const text = readOutput(check.counts, output);
      const failures = check.failures?.(text) ?? [];
      return resolve({ name, ok, seconds, output, counts: countTests(text), failures });
    });
  });
}

/**
 * @param {(output: string) => string} source
 * @param {string} output
 */
function readOutput(source, output) {
  try {
    return source(output);
  } catch {
    // The runner ended before it wrote a log.
    return "";
  }
}

/** @param {Result[]} results */
function listed(results) {
  const failures = results.flatMap((result) => result.failures ?? []);
  const rest = failures.length > MOST_LISTED ? [`and ${failures.length - MOST_LISTED} more, further up`] : [];
  const lines = [...failures.slice(0, MOST_LISTED), ...rest].map((line) => `  ${line}\n`);
  return lines.length === 0 ? "" : `failed:\n${lines.join("")}\n`;
}

/** A runner that ran no test checked nothing, and one that counts a failure failed, however it ended. @param {Result[]} results */
export function failedChecks(results) {
  return results.filter(({ ok, counts }) => !ok || counts?.passed === 0 || (counts?.failed ?? 0) > 0);
}

/**
 * The failed tests, a line for each check, and at the end `N passed, N failed`.
 * @param {Result[]} results
 */
export function summary(results) {
  const failures = failedChecks(results);
  const lines = results.map((result) => {
    const figures = result.counts === undefined ? "" : `${result.counts.passed} passed, ${result.counts.failed} failed`;
    const said = failures.includes(result) ? "FAILED" : "ok";
    return `${said.padEnd(8)}${result.name.padEnd(14)}${figures.padEnd(24)}${Math.round(result.seconds)} s`;
  });
  const passed = results.reduce((sum, { counts }) => sum + (counts?.passed ?? 0), 0);
  // A check without counts, or one that broke before it could count, is one failure.
  const failed =
    results.reduce((sum, { counts }) => sum + (counts?.failed ?? 0), 0) +
    failures.filter(({ counts }) => (counts?.failed ?? 0) === 0).length;
  return `${listed(results)}${lines.join("\n")}\n${passed} passed, ${failed} failed`;
}
