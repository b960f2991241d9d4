// @ts-check
// The smallest corpus that covers what all inputs together cover.
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { SetupError } from "../setup/tools.mjs";
import { stream } from "./tools.mjs";

/**
 * Puts the smallest set of inputs, out of the corpus and of what was found since, in the corpus's place.
 * @param {string} root
 * @param {string} program
 * @param {string} target
 */
export async function minimise(root, program, target) {
  const folder = (/** @type {string} */ kind) => join(root, "fuzz", kind, target);
  const merged = folder("merged");
  rmSync(merged, { recursive: true, force: true });
  for (const kind of ["merged", "corpus", "work"]) mkdirSync(folder(kind), { recursive: true });
  const from = [folder("corpus"), folder("work")];
  const { status, output } = await stream(program, ["-set_cover_merge=1", "-verbosity=0", merged, ...from]);
  if (status !== 0) throw new SetupError(`merging the inputs of ${target} failed:\n${output}`);
  for (const kind of ["corpus", "work"]) rmSync(folder(kind), { recursive: true });
  renameSync(merged, folder("corpus"));
  const files = readdirSync(folder("corpus"));
  const bytes = files.reduce((sum, name) => sum + statSync(join(folder("corpus"), name)).size, 0);
  process.stdout.write(`${target.padEnd(18)}${files.length} inputs, ${bytes} bytes\n`);
}
