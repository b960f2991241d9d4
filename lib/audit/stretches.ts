/** The stretches file: which part of a capture was made under which condition. */
import { readFileSync } from "node:fs";
import { describe, I405Error, optionError } from "../common/errors.js";
import type { Stretch } from "./observation.js";

const EXAMPLE = `{"stretches": [{"from": 1700000000.0, "to": 1700000030.0, "label": "idle"}]}`;
/** Longest label: it heads columns. */
const LONGEST_LABEL = 60;

/** @throws {I405Error} `ERR_I405_STRETCHES` if the file can't be read or says something else */
export function readStretches(path: string): Stretch[] {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new I405Error("ERR_I405_STRETCHES", `${path}: ${(cause as Error).message}. Write ${EXAMPLE}`, { cause });
  }
  const list = (value as { stretches?: unknown } | null)?.stretches;
  if (!Array.isArray(list)) {
    throw new I405Error("ERR_I405_STRETCHES", `${path}: it has no list "stretches". Write ${EXAMPLE}`);
  }
  return checkStretches(list, path);
}

/**
 * Stretches in the order of time.
 *
 * @param source what to name in errors: the file, or an option
 * @throws {I405Error} `ERR_I405_STRETCHES`, naming the stretch
 */
export function checkStretches(list: readonly unknown[], source: string): Stretch[] {
  const stretches = list.map((each, index) => checkStretch(each, `${source}: stretches[${index}]`));
  if (stretches.length === 0) throw new I405Error("ERR_I405_STRETCHES", `${source}: no stretches. Write ${EXAMPLE}`);
  stretches.sort((one, other) => one.from - other.from);
  stretches.forEach(({ from }, index) => {
    const before = stretches[index - 1];
    if (before === undefined || before.to <= from) return;
    const what = `the stretch from ${from} begins before the one from ${before.from} ends, at ${before.to}`;
    throw new I405Error("ERR_I405_STRETCHES", `${source}: ${what}. A moment has one condition: cut one of the two`);
  });
  return stretches;
}

function checkStretch(value: unknown, option: string): Stretch {
  const { from, to, label } = (value ?? {}) as Record<string, unknown>;
  const wrong = (field: string, came: unknown, expected: string) =>
    optionError({ option: `${option}.${field}`, came: describe(came), expected, code: "ERR_I405_STRETCHES" });
  if (typeof from !== "number" || !Number.isFinite(from)) throw wrong("from", from, "Unix seconds");
  if (typeof to !== "number" || !(to > from) || to === Infinity) throw wrong("to", to, "Unix seconds after from");
  if (typeof label !== "string" || label === "" || label.length > LONGEST_LABEL) {
    throw wrong("label", label, `a name of 1 to ${LONGEST_LABEL} characters`);
  }
  return { from, to, label };
}
