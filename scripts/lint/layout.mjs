// @ts-check
// An ESLint rule: which folder of lib/ may import which, and that no files import each other in a circle.
//
// It counts every import, those of types and those within expressions too: whoever reads a file has to look up either.
// eslint-plugin-import-x knows both ideas, but its `no-cycle` passes over imports of types.
import { readFileSync, statSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import ts from "typescript";

/**
 * @typedef {object} Layout
 * @property {string[]} contract Files and folders beside lib/ that have types only. All may import them; they import nothing of lib/.
 * @property {string[]} inside Folders of lib/. Each imports itself and those before it.
 * @property {string} entry The public API: the one file at lib/'s root. It imports the inside.
 * @property {Record<string, string[]>} tools Folders on top, in their order. Each imports itself, the tools before it, the
 *   entry, and of the inside the folders beside its name.
 */

/** @typedef {{ specifier: string, start: number, end: number }} Import */

const SOURCE = /\.[cm]?js$/;

/** @type {import("eslint").Rule.RuleModule} */
export const layout = {
  meta: {
    type: "problem",
    schema: [
      {
        type: "object",
        properties: {
          contract: { type: "array", items: { type: "string" } },
          inside: { type: "array", items: { type: "string" }, minItems: 1 },
          entry: { type: "string" },
          tools: { type: "object", additionalProperties: { type: "array", items: { type: "string" } } },
        },
        required: ["contract", "inside", "entry", "tools"],
        additionalProperties: false,
      },
    ],
    messages: {
      nowhere:
        "{{file}} lies in no folder that the layout knows. Put it into one, or give the new folder its place there",
      outside: "lib/ imports nothing but itself and the contract, and this is {{target}}",
      itself: "the package imports itself by its name. Name the file instead, so that its place can be seen",
      upward: "{{from}} may not import {{to}}, only {{allowed}}",
      circle: "files import each other in a circle: {{circle}}. Move what they share into a file of its own",
    },
  },
  create(context) {
    /** @type {Layout} */
    const plan = context.options[0];
    const allowed = allowedOf(plan);
    const path = context.filename;
    const file = nameOf(context.cwd, path);
    return {
      Program(program) {
        const own = placeOf(plan, file);
        if (own === null || !allowed.has(own)) {
          context.report({ node: program, messageId: "nowhere", data: { file } });
          return;
        }
        const text = context.sourceCode.getText();
        for (const { specifier, start, end } of importsOf(text)) {
          const loc = {
            start: context.sourceCode.getLocFromIndex(start),
            end: context.sourceCode.getLocFromIndex(end),
          };
          if (/^i405(\/|$)/.test(specifier)) context.report({ loc, messageId: "itself" });
          // Packages and Node's modules have no place in the layout, and neither has the addon, which is no source.
          if (!specifier.startsWith(".") || !SOURCE.test(specifier)) continue;
          const target = nameOf(context.cwd, sourceOf(path, specifier));
          const place = placeOf(plan, target);
          if (place === null) {
            context.report({ loc, messageId: "outside", data: { target } });
          } else if (!allowed.get(own)?.includes(place)) {
            const list = allowed.get(own)?.join(", ") ?? "";
            context.report({ loc, messageId: "upward", data: { from: own, to: place, allowed: list } });
          }
          const way = wayBetween(sourceOf(path, specifier), path);
          if (way === null) continue;
          const circle = [path, ...way].map((each) => nameOf(context.cwd, each)).join(" -> ");
          context.report({ loc, messageId: "circle", data: { circle } });
        }
      },
    };
  },
};

/**
 * What each place may import. A tool's folders can only be those of the inside, so that nothing allowed here leads upwards.
 * @param {Layout} plan
 * @returns {Map<string, string[]>}
 */
function allowedOf({ inside, entry, tools }) {
  const allowed = new Map([["contract", ["contract"]]]);
  for (const [index, folder] of inside.entries()) allowed.set(folder, ["contract", ...inside.slice(0, index + 1)]);
  allowed.set(entry, ["contract", ...inside]);
  const names = Object.keys(tools);
  for (const [index, tool] of names.entries()) {
    const more = tools[tool] ?? [];
    const unknown = more.find((folder) => !inside.includes(folder));
    if (unknown !== undefined)
      throw new Error(`layout: ${tool} may import ${unknown}, which is no folder of the inside`);
    allowed.set(tool, ["contract", ...inside.slice(0, 1), ...more, entry, ...names.slice(0, index + 1)]);
  }
  return allowed;
}

/**
 * A folder's name, the entry, or "contract"; null outside of lib/ and the contract.
 * @param {Layout} plan
 * @param {string} file As {@link nameOf} gives it.
 */
function placeOf({ contract }, file) {
  if (contract.some((part) => file === part || file.startsWith(`${part}/`))) return "contract";
  return /^lib\/([^/]+)/.exec(file)?.[1] ?? null;
}

/**
 * @param {string} root
 * @param {string} path
 */
function nameOf(root, path) {
  return relative(root, path).replaceAll(sep, "/");
}

/**
 * Every import of a module: statements, `import()` in expressions and types, `require`.
 * @param {string} text
 * @returns {Import[]}
 */
export function importsOf(text) {
  return ts.preProcessFile(text, true, true).importedFiles.map(({ fileName, pos, end }) => {
    return { specifier: fileName, start: pos, end };
  });
}

/**
 * The file that a relative specifier stands for, whether it is there or not.
 * @param {string} from
 * @param {string} specifier
 */
function sourceOf(from, specifier) {
  const base = join(dirname(from), specifier).replace(/js$/, "ts");
  const declared = base.replace(/\.ts$/, ".d.ts");
  return modified(base) === null && modified(declared) !== null ? declared : base;
}

/**
 * When a file was changed, or null where there is none.
 * @param {string} path
 */
function modified(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? null;
}

/** @type {Map<string, { at: number, targets: string[] }>} */
const read = new Map();

/**
 * The sources that a file on disk imports. An editor's ESLint lives long, so what was read is good until the file changes.
 * @param {string} path
 * @returns {string[]}
 */
function targetsOf(path) {
  const at = modified(path);
  if (at === null) return [];
  const before = read.get(path);
  if (before?.at === at) return before.targets;
  const relatives = importsOf(readFileSync(path, "utf8")).map(({ specifier }) => specifier);
  const sources = relatives.filter((specifier) => specifier.startsWith(".") && SOURCE.test(specifier));
  const targets = [...new Set(sources.map((specifier) => sourceOf(path, specifier)))];
  read.set(path, { at, targets });
  return targets;
}

/**
 * The shortest way along imports, both ends included; null if there is none.
 * @param {string} from
 * @param {string} to
 * @returns {string[] | null}
 */
function wayBetween(from, to) {
  /** @type {Map<string, string | null>} By file, the one that leads to it. */
  const reached = new Map([[from, null]]);
  // A map goes on to what is added while it is walked through.
  for (const file of reached.keys()) {
    if (file === to) {
      const way = [];
      for (let each = /** @type {string | null} */ (file); each !== null; each = reached.get(each) ?? null)
        way.unshift(each);
      return way;
    }
    for (const target of targetsOf(file)) if (!reached.has(target)) reached.set(target, file);
  }
  return null;
}
