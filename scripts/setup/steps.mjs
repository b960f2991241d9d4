// @ts-check
// The steps of the set-up, in order. Each does nothing when it is up to date.
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { hashOf, holdsLocked, isDone, markDone } from "./stamps.mjs";
import { addCargoToPath, SetupError, toolchainProblem } from "./tools.mjs";

/** One cargo log with a line per artifact is below 1 MiB; the bound only has to be out of the way. */
const LOG_BYTES = 64 * 1024 * 1024;

/** What the addon is built from. */
const ADDON_SOURCES = [
  "Cargo.toml",
  "Cargo.lock",
  "crates/i405-proto",
  "crates/i405-sys",
  "crates/i405-rt",
  "crates/i405-process",
  "crates/i405-probe",
  "crates/i405-bridge",
  "crates/i405-node",
];
const DIST_SOURCES = ["lib", "tsconfig.json", "tsconfig.build.json", "package.json"];

/**
 * Runs a program with its messages shown, and returns its standard output if that is wanted.
 * Its standard input is closed, so that nothing can wait for an answer.
 * @param {string} root
 * @param {string} command
 * @param {string[]} parameters
 * @param {{ input?: string, capture?: boolean }} options
 */
function run(root, command, parameters, { input, capture = false } = {}) {
  // Messages go to standard error: the output of `npm start -- genkey` is the key and nothing else.
  const result = spawnSync(command, parameters, {
    cwd: root,
    encoding: "utf8",
    input,
    maxBuffer: LOG_BYTES,
    stdio: [input === undefined ? "ignore" : "pipe", capture ? "pipe" : 2, "inherit"],
  });
  if (result.error !== undefined) throw new SetupError(`${command} does not run: ${result.error.message}`);
  if (result.status !== 0) {
    const how = result.signal === null ? `exit code ${result.status}` : result.signal;
    throw new SetupError(`${[command, ...parameters].join(" ")} failed (${how}); its messages are above.`);
  }
  return result.stdout;
}

/** @param {string} text */
function say(text) {
  process.stderr.write(`set-up: ${text}\n`);
}

/** @param {string} root */
export function installPackages(root) {
  const read = (/** @type {string} */ path) => JSON.parse(readFileSync(join(root, path), "utf8"));
  try {
    if (holdsLocked(read("package-lock.json"), read("node_modules/.package-lock.json"))) return;
  } catch {
    // No record of an installation: install.
  }
  say("installing the locked packages (npm ci)");
  const parameters = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const npm = process.env.npm_execpath;
  // Under `npm start` the same npm is used, wherever it lies.
  if (npm?.endsWith(".js") === true) run(root, process.execPath, [npm, ...parameters]);
  else run(root, "npm", parameters);
}

/** @param {string} root */
function needToolchain(root) {
  addCargoToPath();
  const problem = toolchainProblem(root);
  if (problem !== null) throw new SetupError(problem);
}

/** @param {string} root */
export function buildAddon(root) {
  const hash = hashOf(root, ADDON_SOURCES, [process.platform, process.arch]);
  if (isDone(root, "addon", hash, ["index.node"])) return;
  needToolchain(root);
  say("building the addon (cargo build --release; the first time takes a minute or so)");
  const parameters = ["build", "--release", "--locked", "-p", "i405-node", "--message-format=json-render-diagnostics"];
  const log = run(root, "cargo", parameters, { capture: true });
  // A running program has the old file mapped: a new file in its place, never new bytes in the old file.
  rmSync(join(root, "index.node"), { force: true });
  const neon = join(root, "node_modules", "@neon-rs", "cli", "index.js");
  run(root, process.execPath, [neon, "dist", "-n", "i405_node"], { input: log });
  markDone(root, "addon", hash, ["index.node"]);
}

/**
 * The programs that only the tests run, the simulator, and cargo's own tests. They stay where cargo puts them, so cargo itself says
 * what is stale. All of it at once: whatever is chosen has other features of what it shares, and would be compiled again.
 * @param {string} root
 */
export function buildTests(root) {
  needToolchain(root);
  say("building the test programs and the tests (cargo build --all-targets)");
  run(root, "cargo", ["build", "--locked", "--quiet", "--all-targets"]);
}

/**
 * The programs that benches run, and the simulator, optimised.
 * @param {string} root
 */
export function buildBenches(root) {
  needToolchain(root);
  say("building the programs of the benches (cargo build --release)");
  run(root, "cargo", ["build", "--locked", "--quiet", "--release", "-p", "i405-testkit"]);
  // By itself: it wants a feature of i405-rt that no program which is measured has.
  run(root, "cargo", ["build", "--locked", "--quiet", "--release", "-p", "i405-sim"]);
}

/** @param {string} root */
export function compile(root) {
  const hash = hashOf(root, DIST_SOURCES);
  if (isDone(root, "dist", hash, ["dist/index.js", "dist/cli/main.js"])) return;
  say("compiling lib/ to dist/ (tsc)");
  // Emptied, not removed, so that no output of a source that is gone stays behind.
  mkdirSync(join(root, "dist"), { recursive: true });
  for (const name of readdirSync(join(root, "dist"))) rmSync(join(root, "dist", name), { recursive: true });
  run(root, process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", "tsconfig.build.json"]);
  chmodSync(join(root, "dist", "cli", "main.js"), 0o755);
  markDone(root, "dist", hash, ["dist/index.js", "dist/cli/main.js"]);
}
