// @ts-check
// `npm run fuzz`: runs the targets of crates/i405-fuzz guided by coverage, and counts. docs/fuzzing.md has more.
import { randomInt } from "node:crypto";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fuzzerProblem, hostTriple, run, stream } from "./fuzz/tools.mjs";
import { minimise } from "./fuzz/corpus.mjs";
import { ROOT } from "./setup.mjs";
import { addCargoToPath, SetupError } from "./setup/tools.mjs";

const USAGE = `npm run fuzz -- [target ...] [options]
  --seconds N       for all chosen targets together (default 60, unless --executions is given)
  --executions N    goes on in rounds until all chosen targets together ran so often
  --sanitizer NAME  address (default) or none, which is several times faster
  --minimise        after that, or alone, makes the smallest corpus that covers the same
  --list            the targets
npm run fuzz -- properties: the property tests of TypeScript and Rust once, with seeds that are drawn anew`;

/** Seconds of a round where executions are counted. */
const ROUND_SECONDS = 120;
/** Times as much of the time as other targets get: these have the most state. */
const SHARES = new Map([
  ["receiver", 5],
  ["sender", 3],
  ["round_trip", 2],
  ["unpacker", 2],
  ["netlink", 2],
]);
/** No target of the fuzzer: see runProperties. */
const PROPERTIES = "properties";
/** Longest input: programs of some hundred operations. Longer ones only make a run slower. */
const LONGEST_BYTES = 1024;
/** An input that takes longer is a finding, s. */
const SLOWEST_SECONDS = 20;

/** @typedef {{ executions: number, seconds: number, failed: boolean }} Tally */

/** @param {string | undefined} text @param {string} option */
function count(text, option) {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  throw new SetupError(`--${option}: got "${text}", expected a whole number.\n${USAGE}`);
}

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        seconds: { type: "string" },
        executions: { type: "string" },
        sanitizer: { type: "string", default: "address" },
        minimise: { type: "boolean", default: false },
        list: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    return { ...values, targets: positionals };
  } catch (cause) {
    throw new SetupError(`${/** @type {Error} */ (cause).message}\n${USAGE}`);
  }
}

function allTargets() {
  const programs = readdirSync(join(ROOT, "fuzz", "fuzz_targets"));
  return programs.map((name) => name.replace(/\.rs$/, "")).sort();
}

/** @param {string[]} asked */
function chosenTargets(asked) {
  const all = allTargets();
  const unknown = asked.find((name) => !all.includes(name));
  if (unknown === undefined) return asked.length === 0 ? all : asked;
  throw new SetupError(`There is no target ${unknown}. There are: ${all.join(", ")}`);
}

/**
 * Runs one target for a while.
 * @param {string} program
 * @param {string} target
 * @param {number} seconds
 * @returns {Promise<Tally>}
 */
async function fuzz(program, target, seconds) {
  const folder = (/** @type {string} */ kind) => join(ROOT, "fuzz", kind, target);
  for (const kind of ["work", "corpus", "artifacts"]) mkdirSync(folder(kind), { recursive: true });
  const started = performance.now();
  const { status, output } = await stream(program, [
    `-max_total_time=${seconds}`,
    `-max_len=${LONGEST_BYTES}`,
    `-timeout=${SLOWEST_SECONDS}`,
    `-artifact_prefix=${folder("artifacts")}/`,
    "-print_final_stats=1",
    "-verbosity=0",
    // New inputs go into the first; the others are only read.
    ...[folder("work"), folder("corpus")],
  ]);
  const executions = Number(/^stat::number_of_executed_units:\s*(\d+)/m.exec(output)?.[1] ?? 0);
  if (status !== 0) process.stderr.write(`${output}\n${howToRepeat(target, output)}\n`);
  return { executions, seconds: (performance.now() - started) / 1000, failed: status !== 0 };
}

/** @param {string} target @param {string} output */
function howToRepeat(target, output) {
  const file = /Test unit written to (\S+)/.exec(output)?.[1] ?? "FILE";
  return (
    `i405: target ${target} failed. Again, on stable Rust:\n` +
    `  I405_FUZZ_TARGET=${target} I405_FUZZ_INPUT=${file} cargo test -p i405-fuzz --test replay\n` +
    `Once it is fixed, name the file by its content and put it into fuzz/corpus/${target}, so that it stays fixed.`
  );
}

/** npm test draws the same values every time; here they are others. */
function runProperties() {
  const seed = String(randomInt(2 ** 31));
  addCargoToPath();
  process.stdout.write(`seed ${seed}: I405_FUZZ_SEED=${seed} npm test -- test/fuzz\n`);
  run(process.execPath, [join(ROOT, "scripts", "test.mjs"), "test/fuzz"], { I405_FUZZ_SEED: seed });
  process.stdout.write(`seed ${seed}: PROPTEST_RNG_SEED=${seed} cargo test -p i405-proto\n`);
  run("cargo", ["test", "--locked", "-p", "i405-proto"], { PROPTEST_RNG_SEED: seed });
  return 0;
}

/** @param {Map<string, Tally>} tallies */
function report(tallies) {
  const line = (/** @type {string} */ name, /** @type {string[]} */ ...cells) =>
    name.padEnd(18) + cells.map((cell) => cell.padStart(14)).join("");
  const lines = [line("target", "executions", "a second", "result")];
  let sum = 0;
  for (const [target, { executions, seconds, failed }] of tallies) {
    sum += executions;
    const rate = Math.round(executions / Math.max(seconds, 1));
    lines.push(line(target, String(executions), String(rate), failed ? "FAILED" : "ok"));
  }
  lines.push(line("all", String(sum)));
  process.stdout.write(`${lines.join("\n")}\n`);
}

async function main() {
  const { targets, list, help, sanitizer, ...options } = readArguments();
  if (help || list) {
    process.stdout.write(`${help ? USAGE : allTargets().join("\n")}\n`);
    return 0;
  }
  if (sanitizer !== "address" && sanitizer !== "none") {
    throw new SetupError(`--sanitizer: got "${sanitizer}", expected address or none`);
  }
  if (targets.length === 1 && targets[0] === PROPERTIES) return runProperties();
  const chosen = chosenTargets(targets);
  const executions = count(options.executions, "executions") ?? Infinity;
  const unlimited = executions < Infinity ? Infinity : options.minimise ? 0 : 60;
  const seconds = count(options.seconds, "seconds") ?? unlimited;
  addCargoToPath();
  const problem = fuzzerProblem();
  if (problem !== null) throw new SetupError(problem);
  const build = ["+nightly", "fuzz", "build", "--sanitizer", sanitizer];
  run("cargo", targets.length === 1 ? [...build, chosen[0] ?? ""] : build);
  const built = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "fuzz", "target"), hostTriple(), "release");

  /** @type {Map<string, Tally>} */
  const tallies = new Map(chosen.map((target) => [target, { executions: 0, seconds: 0, failed: false }]));
  const shares = chosen.reduce((sum, target) => sum + (SHARES.get(target) ?? 1), 0);
  const total = (/** @type {"executions" | "seconds"} */ of) =>
    [...tallies.values()].reduce((sum, t) => sum + t[of], 0);
  const goesOn = () => total("executions") < executions && total("seconds") < seconds;
  while (goesOn() && [...tallies.values()].some(({ failed }) => !failed)) {
    for (const [target, tally] of tallies) {
      if (tally.failed || !goesOn()) continue;
      const slice = (Math.min(seconds, ROUND_SECONDS) * (SHARES.get(target) ?? 1)) / shares;
      const more = await fuzz(join(built, target), target, Math.max(1, Math.round(slice)));
      tallies.set(target, {
        executions: tally.executions + more.executions,
        seconds: tally.seconds + more.seconds,
        failed: more.failed,
      });
    }
  }
  report(tallies);
  if (options.minimise) for (const target of chosen) await minimise(ROOT, join(built, target), target);
  return [...tallies.values()].some(({ failed }) => failed) ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`i405: ${error.message}\n`);
  process.exitCode = 2;
}
