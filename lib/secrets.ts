/**
 * How secrets are held: checked by field name when they come in, zeroed when they are done with, and never printed.
 * JavaScript strings can't be zeroed, so keys are turned into bytes at once and kept as bytes.
 */
import { inspect } from "node:util";
import { describeSecret, optionError } from "./errors.js";

/** Overwrites secrets that are no longer needed. */
export function zero(...secrets: (Uint8Array | null | undefined)[]): void {
  for (const secret of secrets) secret?.fill(0);
}

/**
 * Refuses anything but `length` bytes.
 * @throws {I405Error} `ERR_I405_KEY`, naming the field and not quoting what came.
 */
export function requireBytes(field: string, value: unknown, length: number): asserts value is Uint8Array {
  if (value instanceof Uint8Array && value.length === length) return;
  throw optionError({
    option: field,
    came: describeSecret(value),
    expected: `a Uint8Array of ${length} bytes`,
    code: "ERR_I405_KEY",
  });
}

/** Base of everything that holds keys: prints as its name, and serialises to it. */
export abstract class Secret {
  /** Zeroes what it holds. Idempotent. */
  abstract destroy(): void;

  toJSON(): string {
    return `[${this.constructor.name}: redacted]`;
  }

  toString(): string {
    return this.toJSON();
  }

  [inspect.custom](): string {
    return this.toJSON();
  }
}
