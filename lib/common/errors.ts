/**
 * The only error class, and the one way in which a bad option is told: which option, what came, what was expected, what
 * to do. Values that may be secret are described and never quoted.
 */
import { types } from "node:util";

/** Details of an {@link I405Error} beyond code and message. */
export interface ErrorDetails {
  /** The option at fault, as a path such as `up.interval`. */
  option?: string | undefined;
  cause?: unknown;
}

/** The only error class; `code` is stable and starts with `ERR_I405_`. */
export class I405Error extends Error {
  readonly code: string;
  /** The option at fault, as a path such as `up.interval`. */
  declare readonly option?: string;

  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, "cause" in details ? { cause: details.cause } : undefined);
    this.code = code;
    if (details.option !== undefined) this.option = details.option;
  }

  static {
    // It is on the prototype, as with Node's own errors, so that printing an error doesn't list its name as a property.
    Object.defineProperty(this.prototype, "name", { value: "I405Error", configurable: true, writable: true });
  }
}

/** What a bad option needs to be said about it. Each part is a phrase without a full stop. */
export interface OptionProblem {
  /** Path of the option, `up.interval`. */
  option: string;
  /** What came, as from {@link describe} or {@link describeSecret}. */
  came: string;
  /** What was expected. */
  expected: string;
  /** What to do about it, as a sentence without a full stop. */
  remedy?: string;
  /** Default `ERR_I405_OPTION`. */
  code?: string;
  cause?: unknown;
}

/** The error for a bad option: `up.interval: got "5us", expected "10us" to "1s". Write ...`. */
export function optionError(problem: OptionProblem): I405Error {
  const remedy = problem.remedy === undefined ? "" : `. ${problem.remedy}`;
  const message = `${problem.option}: got ${problem.came}, expected ${problem.expected}${remedy}`;
  const details: ErrorDetails = { option: problem.option };
  if ("cause" in problem) details.cause = problem.cause;
  return new I405Error(problem.code ?? "ERR_I405_OPTION", message, details);
}

/** Longest piece of a value that a message quotes, in characters: messages stay within two lines. */
const QUOTED_LENGTH = 60;

/** A value as it is shown in a message: short, on one line, never throwing. Not for secrets. */
export function describe(value: unknown): string {
  if (typeof value === "string") {
    const quoted = value.length > QUOTED_LENGTH ? `${value.slice(0, QUOTED_LENGTH)}...` : value;
    return JSON.stringify(quoted);
  }
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "number" || typeof value === "boolean" || value === undefined || value === null) {
    return String(value);
  }
  return describeKind(value);
}

/** What kind of value this is, without its contents: for keys and passwords. */
export function describeSecret(value: unknown): string {
  if (typeof value === "string") {
    return value.length === 0 ? "an empty string" : `a string of ${counted(value.length, "character")}`;
  }
  if (value === undefined || value === null) return String(value);
  return describeKind(value);
}

function describeKind(value: unknown): string {
  if (types.isUint8Array(value)) return counted(value.byteLength, "byte");
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  return `a ${typeof value}`;
}

function counted(count: number, unit: string): string {
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

export function connectTimeoutError(afterNs: number): I405Error {
  return new I405Error(
    "ERR_I405_CONNECT_TIMEOUT",
    `no session within ${Math.round(afterNs / 1e6)} ms (connectTimeout). A server stays silent to a wrong key or ` +
      "password; check those, the address and port, firewalls, and both clocks",
    { option: "connectTimeout" },
  );
}

/** Whatever was thrown, as the one error class. */
export function asError(error: unknown): I405Error {
  if (error instanceof I405Error) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new I405Error("ERR_I405_INTERNAL", `a mistake inside i405: ${detail}. Please report it`, { cause: error });
}
