// @ts-check
// Which step is out of date: by a hash over the contents of what it reads, kept in .setup/ after it succeeded.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/**
 * Every file below the paths that exist, sorted.
 * @param {string} root
 * @param {string[]} paths
 * @returns {string[]}
 */
function filesUnder(root, paths) {
  return paths
    .flatMap((path) => {
      const full = join(root, path);
      const kind = statSync(full, { throwIfNoEntry: false });
      if (kind === undefined) return [];
      if (!kind.isDirectory()) return [full];
      const inside = readdirSync(full, { recursive: true, withFileTypes: true });
      return inside.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    })
    .sort();
}

/**
 * A hash over names and contents of files, and over `extra` (versions of tools, for example).
 * @param {string} root
 * @param {string[]} paths files or folders, relative to the root
 * @param {string[]} extra
 */
export function hashOf(root, paths, extra = []) {
  const hash = createHash("sha256");
  for (const text of extra) hash.update(`${text}\0`);
  for (const file of filesUnder(root, paths)) {
    const bytes = readFileSync(file);
    hash.update(`${relative(root, file)}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest("hex");
}

/**
 * Size and change time of outputs, so that one replaced by hand counts as stale; null if one is missing.
 * @param {string} root
 * @param {string[]} outputs
 */
function stateOf(root, outputs) {
  const states = outputs.map((output) => statSync(join(root, output), { throwIfNoEntry: false }));
  if (states.some((state) => state === undefined)) return null;
  return states.map((state) => `${state?.size} ${state?.mtimeMs}`).join("\n");
}

/**
 * Whether a step was done for this hash, and its outputs are as it left them.
 * @param {string} root
 * @param {string} step
 * @param {string} hash
 * @param {string[]} outputs
 */
export function isDone(root, step, hash, outputs) {
  const state = stateOf(root, outputs);
  if (state === null) return false;
  try {
    return readFileSync(join(root, ".setup", step), "utf8") === `${hash}\n${state}\n`;
  } catch {
    return false;
  }
}

/**
 * Remembers that a step is done.
 * @param {string} root
 * @param {string} step
 * @param {string} hash
 * @param {string[]} outputs
 */
export function markDone(root, step, hash, outputs) {
  const file = join(root, ".setup", step);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${hash}\n${stateOf(root, outputs) ?? ""}\n`);
}

/**
 * Whether node_modules holds what the lock file asks for, read from npm's own record of it.
 * @param {{ packages?: Record<string, { version?: string, integrity?: string, optional?: boolean }> }} locked
 * @param {{ packages?: Record<string, { version?: string, integrity?: string }> }} installed
 */
export function holdsLocked(locked, installed) {
  return Object.entries(locked.packages ?? {}).every(([path, want]) => {
    if (path === "" || want.optional === true) return true;
    const have = installed.packages?.[path];
    return have?.version === want.version && have?.integrity === want.integrity;
  });
}
