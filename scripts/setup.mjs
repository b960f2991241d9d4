// @ts-check
// Makes a fresh checkout ready: packages, addon, dist/. Nothing but Node's own modules; fast when nothing changed.
//   node scripts/setup.mjs            what `npm start` needs
//   node scripts/setup.mjs --tests    and what the tests run
//   node scripts/setup.mjs --benches  or what the benches run, optimised
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { buildAddon, buildBenches, buildTests, compile, installPackages } from "./setup/steps.mjs";
import { installTestTools } from "./setup/test-tools.mjs";
import { nodeProblem, SetupError } from "./setup/tools.mjs";

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * @param {{ root?: string, for?: "tests" | "benches" | null }} options `for`: who needs more than a user
 * @returns {boolean} whether everything is ready; if not, the reason is on standard error
 */
export function setUp({ root = ROOT, for: whom = null } = {}) {
  try {
    const problem = nodeProblem(process.versions.node, process.platform);
    if (problem !== null) throw new SetupError(problem);
    installPackages(root);
    buildAddon(root);
    compile(root);
    if (whom === "tests") buildTests(root);
    if (whom === "benches") buildBenches(root);
    if (whom !== null) installTestTools();
    return true;
  } catch (error) {
    // A person can solve these, and those of the file system (no space, not permitted); anything else is a mistake here.
    const known = error instanceof SetupError || (error instanceof Error && "syscall" in error);
    if (!known) throw error;
    process.stderr.write(`i405: ${error.message}\n`);
    return false;
  }
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const whom = process.argv.includes("--benches") ? "benches" : process.argv.includes("--tests") ? "tests" : null;
  process.exitCode = setUp({ for: whom }) ? 0 : 1;
}
