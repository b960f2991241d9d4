// Runs a measurement: `node bench/run.mjs NAME [--json] [--option value ...]`, or without a name lists them.
//
// Needs root, iproute2 and a quiet machine; nothing else should run meanwhile. Traffic stays inside network namespaces
// that the bench makes and removes. `--no-setup` uses addon, dist/ and test programs as they are.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { ROOT, setUp } from "../scripts/setup.mjs";

const [name, ...rest] = process.argv.slice(2);
const folder = join(ROOT, "bench");
const names = readdirSync(folder)
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.slice(0, -3));

/** @param {string} bench */
function summary(bench) {
  const text = readFileSync(join(folder, `${bench}.ts`), "utf8");
  return /^\/\*\*?\s*\*?\s*([^\n]*?)(?: \*\/)?\n/.exec(text)?.[1] ?? "";
}

if (name === undefined || !names.includes(name)) {
  console.log("node bench/run.mjs NAME [--json] [--help] [--option value ...]\n");
  for (const bench of names) console.log(`  ${bench.padEnd(16)}${summary(bench)}`);
  process.exit(name === undefined ? 0 : 2);
}

const parameters = rest.filter((word) => word !== "--no-setup");
if (parameters.length === rest.length && !setUp({ for: "benches" })) process.exit(1);

/** @param {string[]} command */
function run(...command) {
  // The compiled helpers look for the test programs from where they are, so the place is given in full.
  const target = resolve(ROOT, process.env.CARGO_TARGET_DIR ?? "target");
  const environment = { ...process.env, CARGO_TARGET_DIR: target, I405_TESTKIT_PROFILE: "release" };
  const { status } = spawnSync(process.execPath, command, { stdio: "inherit", env: environment });
  if (status !== 0) process.exit(status ?? 1);
}

run(join(ROOT, "node_modules", "typescript", "bin", "tsc"), "-p", folder);
run("--enable-source-maps", join(ROOT, "target", "bench", "bench", `${name}.js`), ...parameters);
