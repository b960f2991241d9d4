// @ts-check
// Runs the project's TypeScript where it stands, without a check of types. What the compiler makes of a file is kept:
// each test file is a process of its own, and most of them load all of lib/.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const KEPT = join(ROOT, ".setup", "transpiled");
const require = createRequire(import.meta.url);

const OPTIONS = {
  target: "es2023",
  module: "esnext",
  verbatimModuleSyntax: true,
  inlineSourceMap: true,
  inlineSources: true,
};
/** For the one source that is CommonJS by its nature. */
const COMMONJS = { ...OPTIONS, module: "commonjs", verbatimModuleSyntax: false };
/** Whatever changes the output of a source that stays the same. */
const MADE_BY = JSON.stringify([require("typescript/package.json").version, OPTIONS, COMMONJS]);

/** @type {import("node:module").ResolveHook} */
export async function resolve(specifier, context, next) {
  const { parentURL } = context;
  if (parentURL?.endsWith(".ts") && /^\.{1,2}\/.*\.c?js$/.test(specifier)) {
    const url = new URL(specifier.replace(/js$/, "ts"), parentURL);
    if (existsSync(url)) return { url: url.href, format: formatOf(url.pathname), shortCircuit: true };
  }
  return next(specifier, context);
}

/** @type {import("node:module").LoadHook} */
export async function load(url, context, next) {
  const path = url.startsWith("file:") ? fileURLToPath(url) : "";
  const isOurs = path.startsWith(ROOT) && /\.c?ts$/.test(path) && !path.includes("/node_modules/");
  return isOurs ? { format: formatOf(path), source: transpiled(path), shortCircuit: true } : next(url, context);
}

/** @param {string} path */
function formatOf(path) {
  return path.endsWith(".cts") ? "commonjs" : "module";
}

/** @param {string} path */
function transpiled(path) {
  const source = readFileSync(path);
  // At the end, so that lines stay where the source map has them.
  const mark = `\n//${createHash("sha256").update(MADE_BY).update(path).update(source).digest("hex")}`;
  const file = join(KEPT, `${relative(ROOT, path).replaceAll("/", "+")}.mjs`);
  const kept = existsSync(file) ? readFileSync(file, "utf8") : "";
  if (kept.endsWith(mark)) return kept;
  /** @type {typeof import("typescript")} */
  const typescript = require("typescript");
  const own = formatOf(path) === "commonjs" ? COMMONJS : OPTIONS;
  const { options } = typescript.convertCompilerOptionsFromJson(own, ROOT);
  const { outputText } = typescript.transpileModule(source.toString("utf8"), {
    fileName: path,
    compilerOptions: options,
  });
  keep(file, outputText + mark);
  return outputText;
}

/**
 * Another process may read or write the same file.
 * @param {string} file
 * @param {string} text
 */
function keep(file, text) {
  mkdirSync(dirname(file), { recursive: true });
  const own = `${file}.${process.pid}`;
  writeFileSync(own, text);
  renameSync(own, file);
}
