// @ts-check
// Which tests failed and how, in a line each, from the runners' own output.
import { Parser } from "tap-parser";

/** Characters that one failure may take: the whole is further up in the log. */
const LONGEST = 300;

/**
 * `cargo test`: the name, and where and how it panicked.
 * @param {string} text
 * @returns {string[]}
 */
export function cargoFailures(text) {
  return [...text.matchAll(/^---- (\S+) stdout ----\n([^]*?)(?=^---- |^failures:$|(?![^]))/gm)].map(
    ([, name, said = ""]) => oneLine([name, ...said.split("\n").filter((line) => !line.startsWith("note: run with"))]),
  );
}

/**
 * tap: the file and the names down to the assertion, where it stands, and the difference.
 * @param {string} text
 * @returns {string[]}
 */
export function tapFailures(text) {
  /** @type {{ name: string, line: string }[]} */
  const failures = [];
  /** @param {import("tap-parser").Parser} parser */
  const listen = (parser) => {
    parser.on("child", listen);
    parser.on("assert", ({ ok, skip, todo, fullname, diag }) => {
      if (ok || skip !== false || todo !== false) return;
      // A test is said to have failed once more when it ends.
      if (failures.some(({ name }) => name.startsWith(`${fullname} > `))) return;
      failures.push({ name: fullname, line: oneLine([fullname, ...details(diag)]) });
    });
  };
  const parser = new Parser();
  listen(parser);
  parser.end(text);
  return failures.map(({ line }) => line);
}

/**
 * What tap writes below a failed assertion: YAML, so anything.
 * @param {any} diag
 * @returns {string[]}
 */
function details(diag) {
  if (typeof diag !== "object" || diag === null) return [];
  const { at, diff, error, message, timeout, signal, exitCode } = diag;
  const place = typeof at?.fileName === "string" ? [`at ${at.fileName}:${at.lineNumber}`] : [];
  const changed = String(diff ?? "").split("\n");
  const lines = changed.filter((line) => /^[-+]/.test(line) && !/^(---|\+\+\+) /.test(line));
  const rest = Object.entries({ error, message, timeout, signal, exitCode })
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([key, value]) => `${key} ${typeof value === "object" ? JSON.stringify(value) : String(value)}`);
  return [...place, ...lines, ...rest];
}

/** @param {(string | undefined)[]} parts */
function oneLine(parts) {
  const line = parts.map((part) => part?.trim().replaceAll(/\s+/g, " ") ?? "").filter((part) => part !== "");
  const text = line.join(" | ");
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}...` : text;
}
