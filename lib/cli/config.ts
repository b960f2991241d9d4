/** The config file: TOML, the long names of the flags as keys, nothing else. */
import { readFileSync, statSync } from "node:fs";
import { parse, TomlError } from "smol-toml";
import { describe, I405Error } from "../common/errors.js";
import type { Flag } from "./flag.js";
import { refuseOpenToOthers } from "./secret-sources.js";

export type FlagValue = string | number | boolean | string[] | number[];

/** The list of a flag that may be repeated; empty for other values. */
export function texts(value: FlagValue | undefined): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}

/** Values by the flags' own names, aliases resolved. */
export function readConfig(
  file: string,
  flags: readonly Flag[],
  allNames: ReadonlySet<string>,
): Map<string, FlagValue> {
  const values = new Map<string, FlagValue>();
  for (const [key, value] of Object.entries(parseFile(file))) {
    const flag = flags.find(({ name, aliases }) => name === key || aliases?.includes(key) === true);
    if (flag === undefined || flag.name === "config") throw unknownKey(file, key, flags, allNames);
    if (values.has(flag.name)) {
      throw configError(file, `${key}: the same as ${flag.name}, which is given too. Leave one of the two out`);
    }
    values.set(flag.name, readValue(file, key, flag, value));
  }
  if (values.has("password")) refuseOpenToOthers("--config", file, statSync(file));
  return values;
}

function parseFile(file: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw configError(file, `cannot be read: ${(cause as Error).message}`, cause);
  }
  try {
    return parse(text);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const reason = cause.message.split("\n", 1)[0]?.replace(/^Invalid TOML document: /, "") ?? "";
    throw configError(file, `line ${cause.line}, column ${cause.column}: not TOML (${reason})`, cause);
  }
}

function readValue(file: string, key: string, flag: Flag, value: unknown): FlagValue {
  const isText = (each: unknown): each is string => typeof each === "string";
  switch (flag.kind) {
    case "switch":
      if (typeof value === "boolean") return value;
      break;
    case "integer":
      if (typeof value === "number") return value;
      break;
    case "integers":
      if (typeof value === "number") return value;
      if (Array.isArray(value) && value.every((each) => typeof each === "number")) return value;
      break;
    case "texts":
      if (isText(value)) return [value];
      if (Array.isArray(value) && value.every(isText)) return value;
      break;
    case "text":
      if (isText(value)) return value;
      // `up-packet-jitter = 0` is what one writes.
      if (value === 0) return "0";
  }
  throw configError(file, `${key}: got ${describe(value)}, expected ${EXPECTED[flag.kind]}`);
}

const EXPECTED = {
  switch: "true or false",
  integer: "a whole number",
  integers: "a whole number or a list of them, [2, 3]",
  texts: `a string or a list of strings, ["...", "..."]`,
  text: `a string in quotes, "..."`,
};

function unknownKey(file: string, key: string, flags: readonly Flag[], allNames: ReadonlySet<string>): I405Error {
  const known = flags.map(({ name }) => name).filter((name) => name !== "config");
  const why = allNames.has(key) ? "belongs to the other command" : "no such flag";
  return configError(file, `${key}: ${why}. Known here: ${known.join(", ")}`);
}

function configError(file: string, what: string, cause?: unknown): I405Error {
  return new I405Error("ERR_I405_CONFIG", `--config ${file}: ${what}`, { option: "config", cause });
}
