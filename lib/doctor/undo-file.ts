/** What `--fix` changed and how it was before, until `--undo` has put it back. */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { I405Error } from "../common/errors.js";
import { isOurs } from "../common/own-folder.js";

/** A file's value. */
export interface FileBefore {
  kind: "file";
  path: string;
  text: string;
  choice: boolean;
  /** Written first, so that the kernel picks the same part of the value again. */
  effective?: string;
}

export interface UndoEntry {
  /** Names the setting: the path of a file, or a command's setting. */
  setting: string;
  /** Check that it belongs to. */
  check: string;
  /** How to put it back: text for a file, or a command. */
  before: FileBefore | { kind: "command"; command: string[] };
}

/** Settings of the kernel are gone after a restart. A record from before it would put back what nobody changed. */
interface Contents {
  version: 1;
  bootId: string;
  entries: UndoEntry[];
}

/** Where the record is kept, and under which start of the machine. */
export interface UndoFile {
  read(): UndoEntry[];
  /** Atomic; without entries the file goes. @throws {I405Error} `ERR_I405_SYSTEM` */
  write(entries: readonly UndoEntry[]): void;
}

/** Root's is in /run; an ordinary user's where the desktop keeps state. */
export function undoPath(uid: number, environment: NodeJS.ProcessEnv): string {
  if (uid === 0) return "/run/i405/doctor-undo.json";
  const state = environment.XDG_STATE_HOME ?? join(environment.HOME ?? "/tmp", ".local", "state");
  return join(state, "i405", "doctor-undo.json");
}

export function undoFile(path: string, bootId: string): UndoFile {
  return {
    read: () => {
      const contents = parse(path);
      return contents?.bootId === bootId ? contents.entries : [];
    },
    write: (entries) => {
      try {
        if (entries.length === 0) rmSync(path, { force: true });
        else replace(path, { version: 1, bootId, entries: [...entries] });
      } catch (cause) {
        throw failure(path, `cannot be written: ${(cause as Error).message}`, cause);
      }
    },
  };
}

function parse(path: string): Contents | undefined {
  let text: string;
  try {
    text = readOurs(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw cause instanceof I405Error ? cause : failure(path, `cannot be read: ${(cause as Error).message}`, cause);
  }
  try {
    const contents = JSON.parse(text) as Partial<Record<keyof Contents, unknown>>;
    if (contents.version === 1 && Array.isArray(contents.entries) && contents.entries.every(isEntry)) {
      return contents as Contents;
    }
  } catch {
    // Told below.
  }
  throw failure(path, "is no record of i405 doctor. Look at it, and remove it if it isn't needed", undefined);
}

/** Its commands are run, as root if the doctor is, so nobody else may have written it. */
function readOurs(path: string): string {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    if (isOurs(fstatSync(file))) return readFileSync(file, "utf8");
  } finally {
    closeSync(file);
  }
  throw failure(path, "may have been written by another user. Look at it, and remove it", undefined);
}

/**
 * Checks every entry. Somebody may have edited the record, and what it says is written to files and run as commands.
 */
function isEntry(value: unknown): value is UndoEntry {
  if (!isObject(value) || typeof value.setting !== "string" || typeof value.check !== "string") return false;
  const { before } = value;
  if (!isObject(before)) return false;
  if (before.kind === "command") {
    return Array.isArray(before.command) && before.command.every((word) => typeof word === "string");
  }
  const { kind, path, text, choice, effective } = before;
  const isFile = kind === "file" && typeof path === "string" && typeof text === "string";
  return isFile && typeof choice === "boolean" && (effective === undefined || typeof effective === "string");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object";
}

/** Written beside it and put in its place, so that a crash leaves either the old or the new. */
function replace(path: string, contents: Contents): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const beside = `${path}.${process.pid}`;
  rmSync(beside, { force: true });
  const file = openSync(beside, "wx", 0o600);
  try {
    writeSync(file, `${JSON.stringify(contents, null, 2)}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(beside, path);
}

function failure(path: string, what: string, cause: unknown): I405Error {
  return new I405Error("ERR_I405_SYSTEM", `the undo record ${path} ${what}`, { cause });
}
