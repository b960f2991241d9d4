/**
 * What has to outlive a program so that no initiation counts twice: a client's newest stamp, a server's floor
 * (docs/protocol.md, "Stamp"). One small file for each tunnel, replaced as a whole, on disk when `write` returns.
 *
 * Writing takes as long as the disk takes. It is done at handshakes only, and blocks nothing but the event loop.
 */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fsyncSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Role } from "./addon.js";
import { I405Error } from "./errors.js";

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
const WRITABLE_BY_OTHERS = 0o022;

export class StateFile {
  readonly #path: string;
  readonly #role: Role;

  constructor(path: string, role: Role) {
    this.#path = path;
    this.#role = role;
  }

  /**
   * What was saved; null if the file isn't there.
   * @throws {I405Error} `ERR_I405_STATE_FILE` if it can't be read, others may write it, or it isn't this role's state.
   */
  read(): SavedState | null {
    let text: string;
    try {
      // Of the name itself: what a link leads to would not be replaced by writing.
      const stats = lstatSync(this.#path);
      if (!stats.isFile()) throw this.#error("is no ordinary file. Give the path of one, or of none");
      if ((stats.mode & WRITABLE_BY_OTHERS) !== 0) {
        const mode = (stats.mode & 0o777).toString(8).padStart(4, "0");
        throw this.#error(`can be written by other users (mode ${mode}). Run: chmod 600 ${this.#path}`);
      }
      if (stats.size > LARGEST_BYTES) throw this.#notState();
      text = readFileSync(this.#path, "utf8");
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw cause instanceof I405Error ? cause : this.#error(`can't be read: ${(cause as Error).message}`, cause);
    }
    return this.#parse(text);
  }

  /** @throws {I405Error} `ERR_I405_STATE_FILE`; the file is then as it was. */
  write({ stampMs, boottimeMs }: SavedState): void {
    const folder = dirname(this.#path);
    const draft = join(folder, `.${basename(this.#path)}.${randomBytes(6).toString("hex")}`);
    const line = `${JSON.stringify({ i405: "state", version: VERSION, role: this.#role, stampMs, boottimeMs })}\n`;
    try {
      const { O_CREAT, O_EXCL, O_WRONLY } = constants;
      synced(draft, O_CREAT | O_EXCL | O_WRONLY, (file) => {
        writeSync(file, line);
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
    return { stampMs, boottimeMs };
  }

  #notState(cause?: unknown): I405Error {
    const remedy = "Give another path; or remove the file, and what it remembered against replays is lost";
    return this.#error(`holds no state of i405's. ${remedy}`, cause);
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
