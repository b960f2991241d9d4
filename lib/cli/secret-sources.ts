/** Where secrets come from: a file, standard input (`-`), or the environment. Never printed, and taken once. */
import { closeSync, fstatSync, openSync, readSync, type Stats } from "node:fs";
import { I405Error } from "../common/errors.js";

/** A key is 45 bytes, a password a line; a larger file is the wrong one. */
const LARGEST_SECRET_BYTES = 4096;

/** Standard input can give one secret. */
const STDIN = "-";

export interface SecretReader {
  /** The secret in a file that a flag names; `-` is standard input. */
  fromFile: (flag: string, file: string) => string;
  /** The secret in a variable, which is taken out so that no child inherits it; undefined if it isn't set. */
  fromEnvironment: (name: string) => string | undefined;
}

export function secretReader(environment: NodeJS.ProcessEnv, stdin = 0): SecretReader {
  let stdinTakenBy: string | undefined;
  return {
    fromFile(flag, file) {
      if (file !== STDIN) return readSecretFile(flag, file);
      if (stdinTakenBy !== undefined) {
        throw secretError(flag, `standard input is already read for ${stdinTakenBy}. Put one of the two in a file`);
      }
      stdinTakenBy = flag;
      return oneLine(flag, "standard input", readAll(flag, "standard input", stdin));
    },
    fromEnvironment(name) {
      const value = environment[name];
      // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- the environment is a record of names
      delete environment[name];
      return value === undefined || value === "" ? undefined : value.trim();
    },
  };
}

function readSecretFile(flag: string, file: string): string {
  let descriptor: number;
  try {
    descriptor = openSync(file, "r");
  } catch (cause) {
    throw secretError(flag, `${file} cannot be read: ${(cause as Error).message}`, cause);
  }
  try {
    // Asks the open file and not the name, which somebody could change in between.
    refuseOpenToOthers(flag, file, fstatSync(descriptor));
    return oneLine(flag, file, readAll(flag, file, descriptor));
  } finally {
    closeSync(descriptor);
  }
}

/** Ordinary files only: a pipe from a shell's `<(...)` has no readers but us. */
export function refuseOpenToOthers(flag: string, file: string, stats: Stats): void {
  const OTHERS = 0o007;
  if (!stats.isFile() || (stats.mode & OTHERS) === 0) return;
  const mode = (stats.mode & 0o777).toString(8).padStart(4, "0");
  throw secretError(flag, `${file} is open to every user of this machine (mode ${mode}). Run: chmod 600 ${file}`);
}

function readAll(flag: string, name: string, descriptor: number): string {
  const buffer = Buffer.alloc(LARGEST_SECRET_BYTES + 1);
  let length = 0;
  try {
    for (;;) {
      const read = readSome(descriptor, buffer, length);
      if (read === 0) break;
      length += read;
      if (length > LARGEST_SECRET_BYTES) {
        throw secretError(
          flag,
          `${name} has more than ${LARGEST_SECRET_BYTES} bytes, expected one line with the secret`,
        );
      }
    }
    return buffer.toString("utf8", 0, length);
  } catch (cause) {
    if (cause instanceof I405Error) throw cause;
    throw secretError(flag, `${name} cannot be read: ${(cause as Error).message}`, cause);
  } finally {
    buffer.fill(0);
  }
}

/** A pipe that somebody made non-blocking has nothing yet: look again shortly. */
const RETRY_MS = 10;

function readSome(descriptor: number, buffer: Buffer, offset: number): number {
  for (;;) {
    try {
      return readSync(descriptor, buffer, offset, buffer.length - offset, null);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== "EAGAIN") throw cause;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
}

function oneLine(flag: string, name: string, text: string): string {
  const line = text.trim();
  if (line === "") throw secretError(flag, `${name} is empty, expected one line with the secret`);
  if (/[\r\n]/.test(line)) throw secretError(flag, `${name} has several lines, expected one with the secret`);
  return line;
}

function secretError(flag: string, what: string, cause?: unknown): I405Error {
  return new I405Error("ERR_I405_SECRET_FILE", `${flag}: ${what}`, { option: flag.replace(/^--/, ""), cause });
}
