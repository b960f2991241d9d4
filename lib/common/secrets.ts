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

/** Whether a secret is all zeros, in a time that doesn't say where it is not. */
export function isZero(secret: Uint8Array): boolean {
  return secret.reduce((bits, byte) => bits | byte, 0) === 0;
}

/**
 * A copy that lies outside of V8's heap. V8 keeps a typed array of up to 64 bytes inside of its heap. There the
 * collector copies it about, and native code that takes it leaves a copy behind. Overwriting the array doesn't reach
 * those copies.
 */
export function copyOut(secret: Uint8Array): Uint8Array<ArrayBuffer> {
  const outside = new Uint8Array(new ArrayBuffer(secret.length));
  outside.set(secret);
  return outside;
}

/** {@link copyOut}, and zeroes the original: for what a library has just made. */
export function moveOut(secret: Uint8Array): Uint8Array<ArrayBuffer> {
  const outside = copyOut(secret);
  zero(secret);
  return outside;
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
