/**
 * What has to outlive a program so that no initiation counts twice: a client's newest stamp, a server's floor
 * (docs/protocol.md, "Stamp"). Each tunnel has one small file. It is replaced as a whole, and is on disk when `write`
 * returns.
 *
 * Writing takes as long as the disk takes. It happens at handshakes only, and blocks nothing but the event loop.
 */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { I405Error } from "../common/errors.js";
import { isOwnedByUs, isWritableByOthers } from "../common/own-folder.js";
import type { Role } from "../native/options.js";

export interface SavedState {
  /** Client: its newest stamp. Server: its floor. ms. */
  stampMs: number;
  /** CLOCK_BOOTTIME then, ms. */
  boottimeMs: number;
}

const VERSION = 1;
/** Six bytes on the wire. */
const MOST_STAMP = 2 ** 48 - 1;
/** Far more than one line has. */
const LARGEST_BYTES = 4096;
const NEW_FILE = "Give another path; or remove the file, and what it remembered against replays is lost";

export class StateFile {
  readonly #path: string;
  readonly #role: Role;

  constructor(path: string, role: Role) {
    this.#path = path;
    this.#role = role;
  }

  /**
   * What was saved; null if the file isn't there.
   * @throws {I405Error} `ERR_I405_STATE_FILE` if it can't be read, is another user's, can be written by others, or
   *   isn't this role's state.
   */
  read(): SavedState | null {
    try {
      return this.#parse(this.#readText());
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      if (code === "ENOENT") return null;
      if (code === "ELOOP" || code === "ENXIO") throw this.#notOrdinary(cause);
      throw cause instanceof I405Error ? cause : this.#error(`can't be read: ${message}`, cause);
    }
  }

  /** Both look at one open file, whatever becomes of its name meanwhile. */
  #readText(): string {
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
    // Opens the name itself: writing would not replace what a link leads to. A pipe would be waited for.
    const file = openSync(this.#path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    try {
      const stats = fstatSync(file);
      if (!stats.isFile()) throw this.#notOrdinary();
      // The folder's owner can take the file away in any case, and a program that becomes another user writes it as
      // that user.
      if (!isOwnedByUs(stats) && stats.uid !== statSync(dirname(this.#path)).uid) {
        const remedy = `Look at it, and run: chown ${process.geteuid?.() ?? 0} ${this.#path}; or give another path`;
        throw this.#error(`belongs to another user (uid ${stats.uid}). ${remedy}`);
      }
      if (isWritableByOthers(stats)) {
        const mode = (stats.mode & 0o777).toString(8).padStart(4, "0");
        throw this.#error(`can be written by other users (mode ${mode}). Run: chmod 600 ${this.#path}`);
      }
      if (stats.size > LARGEST_BYTES) throw this.#notState();
      return readFileSync(file, "utf8");
    } finally {
      closeSync(file);
    }
  }

  /** @throws {I405Error} `ERR_I405_STATE_FILE`; the file is then as it was. */
  write({ stampMs, boottimeMs }: SavedState): void {
    const folder = dirname(this.#path);
    const draft = join(folder, `.${basename(this.#path)}.${randomBytes(6).toString("hex")}`);
    const line = `${JSON.stringify({ i405: "state", version: VERSION, role: this.#role, stampMs, boottimeMs })}\n`;
    try {
      const { O_CREAT, O_EXCL, O_WRONLY } = constants;
      synced(draft, O_CREAT | O_EXCL | O_WRONLY, (file) => {
        // All of it, or an error: a single write may end early on a disk that is full.
        writeFileSync(file, line);
      });
      renameSync(draft, this.#path);
      // A name is on disk when its folder is.
      synced(folder, constants.O_RDONLY, () => undefined);
    } catch (cause) {
      rmSync(draft, { force: true });
      throw this.#error(`can't be written: ${(cause as Error).message}`, cause);
    }
  }

  #parse(text: string): SavedState {
    let saved: unknown;
    try {
      saved = JSON.parse(text);
    } catch (cause) {
      throw this.#notState(cause);
    }
    if (typeof saved !== "object" || saved === null) throw this.#notState();
    const { i405, version, role, stampMs, boottimeMs } = saved as Record<string, unknown>;
    if (i405 !== "state" || version !== VERSION) throw this.#notState();
    if (role !== this.#role) {
      throw this.#error(`belongs to a ${String(role)}, this is a ${this.#role}. Give each its own file`);
    }
    if (!isCount(stampMs) || !isCount(boottimeMs) || stampMs > MOST_STAMP) throw this.#notState();
    if (stampMs === MOST_STAMP) throw this.#error(`has the greatest stamp that there is, ${stampMs}. ${NEW_FILE}`);
    return { stampMs, boottimeMs };
  }

  #notState(cause?: unknown): I405Error {
    return this.#error(`holds no state of i405's. ${NEW_FILE}`, cause);
  }

  #notOrdinary(cause?: unknown): I405Error {
    return this.#error("is no ordinary file. Give the path of one, or of none", cause);
  }

  #error(what: string, cause?: unknown): I405Error {
    return new I405Error("ERR_I405_STATE_FILE", `stateFile: ${this.#path} ${what}`, { option: "stateFile", cause });
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function synced(path: string, flags: number, act: (file: number) => void): void {
  const file = openSync(path, flags, 0o600);
  try {
    act(file);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
