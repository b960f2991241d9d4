// @ts-check
// What coverage-guided fuzzing and the sanitizers need, and how their programs are run.
import { spawn, spawnSync } from "node:child_process";
import { ROOT } from "../setup.mjs";
import { SetupError } from "../setup/tools.mjs";

/** @param {string} command @param {string[]} parameters */
function outputOf(command, parameters) {
  const { status, stdout } = spawnSync(command, parameters, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  return status === 0 ? stdout : null;
}

/** What to say where nightly Rust is missing, or null. */
export function nightlyProblem() {
  if (outputOf("cargo", ["+nightly", "--version"]) !== null) return null;
  return "Nightly Rust is missing. Install it:\n  rustup toolchain install nightly --profile minimal";
}

/**
 * What to say where a part of nightly Rust is missing, or null.
 * @param {string} part miri or rust-src
 */
export function partProblem(part) {
  const installed = outputOf("rustup", ["component", "list", "--toolchain", "nightly", "--installed"]) ?? "";
  if (installed.split("\n").some((line) => line.startsWith(part))) return null;
  return `Nightly Rust lacks ${part}. Add it:\n  rustup component add --toolchain nightly ${part}`;
}

/** What to say where cargo fuzz can't run, or null. */
export function fuzzerProblem() {
  const nightly = nightlyProblem();
  if (nightly !== null) return nightly;
  if (outputOf("cargo", ["fuzz", "--version"]) === null) {
    return "cargo fuzz is missing. Install it:\n  cargo install --locked cargo-fuzz";
  }
  if (outputOf(process.env.CXX ?? "c++", ["--version"]) === null) {
    return "A C++ compiler is missing: libFuzzer is built from source. Install one:\n  apt-get install g++";
  }
  return null;
}

/** The platform that nightly Rust builds for. */
export function hostTriple() {
  const triple = /^host: (.*)$/m.exec(outputOf("rustc", ["+nightly", "-vV"]) ?? "")?.[1];
  if (triple === undefined) throw new SetupError("rustc +nightly -vV does not say which platform it builds for");
  return triple;
}

/**
 * Runs a program with everything shown.
 * @param {string} command
 * @param {string[]} parameters
 * @param {NodeJS.ProcessEnv} environment
 */
export function run(command, parameters, environment = {}) {
  const { status, error } = spawnSync(command, parameters, {
    cwd: ROOT,
    stdio: "inherit",
    env: { ...process.env, ...environment },
  });
  if (error !== undefined) throw new SetupError(`${command} does not run: ${error.message}`);
  if (status !== 0) throw new SetupError(`${[command, ...parameters].join(" ")} failed; its messages are above`);
}

/**
 * Runs a program to its end and keeps what it says.
 * @param {string} command
 * @param {string[]} parameters
 * @returns {Promise<{ status: number | null, output: string }>}
 */
export function stream(command, parameters) {
  // As cargo fuzz sets it: two crates with one version script are no violation.
  const environment = { ASAN_OPTIONS: "detect_odr_violation=0", ...process.env };
  const child = spawn(command, parameters, { stdio: ["ignore", "ignore", "pipe"], env: environment });
  let output = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (output += text));
  return new Promise((resolve, reject) => {
    child.on("error", (error) => reject(new SetupError(`${command} does not run: ${error.message}`)));
    child.on("close", (status) => resolve({ status, output }));
  });
}
