/** Every promise of the threat model has a test named after it, and every test that says so is of a promise there. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

function files(folder: string, ending: string): string[] {
  return (
    readdirSync(join(ROOT, folder), { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
      .map((entry) => join(entry.parentPath, entry.name))
      // The examples in here are none of the project's.
      .filter((path) => path !== fileURLToPath(import.meta.url) && !/[\\/](node_modules|target)[\\/]/.test(path))
  );
}

/** TypeScript: `t.test("promise: one, another: whatever it shows"`. */
function namedInTypeScript(text: string): string[] {
  return [...text.matchAll(/\.test\(\s*["'`]promise: ([a-z0-9, -]+): /g)].flatMap(([, names = ""]) =>
    names.split(", "),
  );
}

/** Rust: `fn promise_one()` or `fn promise_one_whatever_it_shows()`, behind `#[test]`; the longest name that it may be. */
function namedInRust(text: string, known: readonly string[]): string[] {
  return [...text.matchAll(/#\[test\]\s+fn promise_([a-z0-9_]+)\(/g)].map(([, snake = ""]) => {
    const title = snake.replaceAll("_", "-");
    const names = known.filter((name) => title === name || title.startsWith(`${name}-`));
    return names.sort((one, other) => other.length - one.length)[0] ?? title;
  });
}

const document = readFileSync(join(ROOT, "docs", "threat-model.md"), "utf8");
const promises = [...document.matchAll(/^- \*\*`([a-z0-9-]+)`\*\*: /gm)].map(([, name = ""]) => name);
const tested = new Set([
  ...files("test", ".test.ts").flatMap((path) => namedInTypeScript(readFileSync(path, "utf8"))),
  ...files("crates", ".rs").flatMap((path) => namedInRust(readFileSync(path, "utf8"), promises)),
]);

t.test("every promise has a test named after it", async (t) => {
  t.ok(promises.length > 30, `${promises.length} promises`);
  t.same(new Set(promises).size, promises.length, "each is there once");
  t.same(
    promises.filter((name) => !tested.has(name)),
    [],
  );
});

t.test("and every such test is of a promise", async (t) => {
  t.same(
    [...tested].filter((name) => !promises.includes(name)),
    [],
  );
});

t.test("names are read from titles and from functions", async (t) => {
  t.same(namedInTypeScript('t.test("promise: a-b, c: d: e"); u.test(\n  `promise: f: ${g}`'), ["a-b", "c", "f"]);
  t.same(namedInTypeScript('t.test("a promise: b: c"'), []);
  const text = "#[test]\n    fn promise_a_b_c_d() {} #[test] fn promise_e() {} fn promise_f() {}";
  t.same(namedInRust(text, ["a", "a-b", "e", "f"]), ["a-b", "e"]);
  t.same(namedInRust(text, ["f"]), ["a-b-c-d", "e"], "unknown ones are not passed over");
});
