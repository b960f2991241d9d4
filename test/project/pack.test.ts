/**
 * What users get: both tarballs, installed where there is neither this checkout nor Rust. README's first example runs
 * there, and type-checks. The packages that i405 depends on come from npm's cache or the registry.
 */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { fences } from "../../lab/texts/markdown.js";

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** Longest that any of the programs may take; only something broken takes longer. */
const TIMEOUT_MS = 240_000;
/** How npm says that it can't reach the registry, and that its cache doesn't have it either. */
const UNREACHABLE = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED)\b/;
/** Without the programs that a checkout needs: node is named by its path. */
const BARE_PATH = "/usr/bin:/bin";

interface Ran {
  code: number;
  out: string;
  err: string;
}

function run(
  folder: string,
  command: string,
  parameters: string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(command, parameters, { cwd: folder, env, timeout: TIMEOUT_MS }, (error, out, err) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      resolve({ code, out, err: error !== null && err === "" ? error.message : err });
    });
  });
}

const folder = mkdtempSync(join(tmpdir(), "i405-pack-"));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const packed = await run(ROOT, process.execPath, [join("scripts", "pack.mjs"), "--no-setup", "--out", folder]);
if (packed.code !== 0) throw new Error(packed.err);
const tarballs = packed.out.trim().split("\n");

const app = mkdtempSync(join(folder, "app-"));
writeFileSync(join(app, "package.json"), JSON.stringify({ name: "app", private: true, type: "module" }));
const options = ["--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"];
const installed = await run(app, "npm", ["install", ...options, ...tarballs]);
const unreachable = installed.code === 0 ? null : UNREACHABLE.exec(installed.err);
/** Only where nobody promised a registry. */
const skip =
  unreachable !== null && process.env.CI === undefined ? `the npm registry can't be reached: ${unreachable[0]}` : false;

const example = fences(readFileSync(join(ROOT, "README.md"), "utf8")).find(({ language }) => language === "js")?.text;

t.test("two tarballs: the package, and the addon for this platform", async (t) => {
  t.equal(tarballs.length, 2);
  t.match(tarballs[0], /i405-\d+\.\d+\.\d+\.tgz$/);
  t.match(tarballs[1], /i405-addon-linux-(x64|arm64)-(gnu|musl)-\d+\.\d+\.\d+\.tgz$/);
  const { optionalDependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  t.notOk(optionalDependencies, "a fresh clone asks the registry for no addon");
});

t.test("they install without scripts, and bring what they need", { skip }, async (t) => {
  t.equal(installed.code, 0, installed.err);
  const own = join(app, "node_modules", "i405");
  const manifest = JSON.parse(readFileSync(join(own, "package.json"), "utf8"));
  const [[addon, version] = ["", ""], ...others] = Object.entries<string>(manifest.optionalDependencies);
  t.equal(others.length, 0, "only the platform that was packed");
  t.equal(version, manifest.version);
  t.ok(existsSync(join(app, "node_modules", addon, "index.node")));
  t.notOk(existsSync(join(own, "index.node")), "no addon of a checkout");
  t.notOk(manifest.devDependencies ?? manifest.scripts, "nothing that only a checkout has a use for");
  for (const name of [
    "LICENSE",
    "README.md",
    "index.d.ts",
    "types/options.d.ts",
    "docs/protocol.md",
    "examples/circuit.mjs",
  ]) {
    t.ok(existsSync(join(own, name)), name);
  }
});

t.test("README's first example runs in JavaScript", { skip }, async (t) => {
  writeFileSync(join(app, "example.mjs"), example ?? "");
  const { code, out, err } = await run(app, process.execPath, ["example.mjs"], { PATH: BARE_PATH });
  t.equal(code, 0, err);
  t.match(out, /^1500 bytes every 7\.32\d* ms, whatever happens$/m);
  t.match(out, /^the server received 28 bytes$/m);
});

/** The TypeScript compiler over a file of the application. */
const check = (name: string, text: string, ...resolution: string[]) => {
  writeFileSync(join(app, name), text);
  const strict = ["--noEmit", "--strict", "--target", "es2022", ...resolution];
  const types = ["--typeRoots", join(ROOT, "node_modules", "@types"), "--types", "node"];
  return run(app, process.execPath, [
    join(ROOT, "node_modules", "typescript", "bin", "tsc"),
    ...strict,
    ...types,
    name,
  ]);
};

t.test("README's first example type-checks in TypeScript", { skip }, async (t) => {
  writeFileSync(join(app, "example.ts"), example ?? "");
  for (const resolution of [
    ["--module", "nodenext"],
    ["--module", "esnext", "--moduleResolution", "bundler"],
  ]) {
    const { code, out } = await check("example.ts", example ?? "", ...resolution);
    t.equal(code, 0, out);
  }
  const wrong = (example ?? "").replace("length: 1200", 'length: "1200"');
  const { code, out } = await check("wrong.ts", wrong, "--module", "nodenext");
  t.not(code, 0, "a wrong option does not");
  t.match(out, /wrong\.ts.*Type 'string' is not assignable to type 'number'/);
});

t.test("every entry of the package is there, and has its types", { skip }, async (t) => {
  const { exports } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { exports: object };
  const entries = Object.keys(exports).filter((name) => !name.endsWith(".json"));
  t.same(entries, [".", "./audit", "./metrics"]);
  const lines = entries.map((name, index) => `import * as entry${index} from "i405${name.slice(1)}";`);
  const names = entries.map((_, index) => `entry${index}`).join(", ");
  const text = `${lines.join("\n")}\nfor (const entry of [${names}]) console.log(Object.keys(entry).length > 0);\n`;
  writeFileSync(join(app, "entries.mjs"), text);
  const { code, out, err } = await run(app, process.execPath, ["entries.mjs"], { PATH: BARE_PATH });
  t.equal(code, 0, err);
  t.equal(out, "true\ntrue\ntrue\n");
  const typed = `${text}export const error: entry0.I405Error | null = null;\n`;
  const checked = await check("entries.ts", typed, "--module", "nodenext");
  t.equal(checked.code, 0, checked.out);
});

t.test("the command runs", { skip }, async (t) => {
  const command = join(app, "node_modules", ".bin", "i405");
  const { code, out, err } = await run(app, process.execPath, [command, "genkey", "--password"], { PATH: BARE_PATH });
  t.equal(code, 0, err);
  t.match(out, /^[a-z2-7-]{30}\n$/);
});
