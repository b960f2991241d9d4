// @ts-check
// `npm run pack`: the tarballs of a release, the package itself and the addon for this platform.
//   npm run pack -- --out DIR          where to (default: target/pack)
//   npm run pack -- --all-platforms    for publishing: ask for the addon packages of every platform, built elsewhere
//   npm run pack -- --no-setup         dist/ and the addon as they are
//
// The checkout's own package.json doesn't name the addon packages, so that `npm ci` works before they are published.
// @neon-rs/cli writes them, and the addon's package, into a copy.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import load from "@neon-rs/load";
import { ROOT, setUp } from "./setup.mjs";

/** What belongs into the package; package.json is written anew. */
const CONTENTS = [
  ...["deploy", "dist", "docs", "examples", "index.d.ts", "schemas", "types"],
  ...["CONTRIBUTING.md", "LICENSE", "README.md"],
];
/** What only a checkout has a use for. */
const CHECKOUT_ONLY = ["scripts", "devDependencies"];
/** Makes the addon's package, and knows its crate by this name. */
const NEON = createRequire(import.meta.url).resolve("@neon-rs/cli");
const CRATE = "i405_node";

const { values } = parseArgs({
  options: {
    out: { type: "string", default: join(ROOT, "target", "pack") },
    "all-platforms": { type: "boolean", default: false },
    "no-setup": { type: "boolean", default: false },
  },
});

if (values["no-setup"] || setUp()) pack(resolve(values.out));
else process.exitCode = 1;

/** @param {string} out */
function pack(out) {
  const stage = join(out, "stage");
  rmSync(stage, { recursive: true, force: true });
  mkdirSync(stage, { recursive: true });
  // What is there afterwards is one release: `npm install *.tgz` means these two.
  for (const name of readdirSync(out)) if (/^i405-.*\.tgz$/.test(name)) rmSync(join(out, name));
  for (const name of CONTENTS) cpSync(join(ROOT, name), join(stage, name), { recursive: true });

  const here = load.currentPlatform();
  const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const { platforms, prefix, org } = manifest.neon;
  for (const field of CHECKOUT_ONLY) delete manifest[field];
  const save = () => writeFileSync(join(stage, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);

  // `neon add` makes the package of a platform that isn't listed yet, and would change a loader that it knows of.
  manifest.neon = { type: "library", org, prefix, platforms: [] };
  save();
  run(stage, process.execPath, [NEON, "add", here]);
  manifest.neon.platforms = platforms;
  const wanted = values["all-platforms"] ? platforms : [here];
  manifest.optionalDependencies = Object.fromEntries(
    wanted.map((/** @type {string} */ platform) => [`${org}/${prefix}${platform}`, manifest.version]),
  );
  save();
  run(stage, process.execPath, [NEON, "dist", "-n", CRATE, "-p", here, "-f", join(ROOT, "index.node")]);

  const addon = join(stage, "platforms", here);
  cpSync(join(ROOT, "LICENSE"), join(addon, "LICENSE"));
  for (const folder of [stage, addon]) {
    const name = runNpm(folder, ["pack", "--silent", "--ignore-scripts", "--pack-destination", out]).trim();
    console.log(join(out, name));
  }
  rmSync(stage, { recursive: true });
}

/**
 * @param {string} folder
 * @param {string[]} parameters
 */
function runNpm(folder, parameters) {
  const npm = process.env.npm_execpath;
  // Under `npm run` the same npm is used, wherever it lies.
  return npm?.endsWith(".js") === true
    ? run(folder, process.execPath, [npm, ...parameters])
    : run(folder, "npm", parameters);
}

/**
 * @param {string} folder
 * @param {string} command
 * @param {string[]} parameters
 */
function run(folder, command, parameters) {
  const { status, stdout, error } = spawnSync(command, parameters, {
    cwd: folder,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (status === 0) return stdout;
  throw new Error(`${[command, ...parameters].join(" ")} failed in ${folder}`, { cause: error });
}
