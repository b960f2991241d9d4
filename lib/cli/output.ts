/**
 * Standard output and standard error, whatever becomes of them: a full disk, a pipe that nobody reads any more, a
 * terminal that was closed. Writing never throws, and no tunnel depends on it. A command that is only there for its
 * output fails if that can't be written.
 */
import { closeSync, fstatSync, openSync, writeSync } from "node:fs";
import { isatty } from "node:tty";

export class Output {
  /** The last write that failed, if any did. */
  failure: NodeJS.ErrnoException | null = null;
  /** Called at each failure. */
  onFailure: () => void = () => undefined;
  readonly #fd: number;
  /** Null: a file, or a device like one. */
  readonly #stream: NodeJS.WriteStream | null;
  /** The disk was full in the middle of a line. */
  #torn = false;

  /** @param open Node makes the stream when it is first asked for, which fails on a terminal that is gone already. */
  constructor(fd: number, open: () => NodeJS.WriteStream) {
    this.#fd = fd;
    let stream: NodeJS.WriteStream | null = null;
    try {
      if (!isLikeFile(fd)) stream = open();
      // A pipe or a terminal that has failed is gone for good. Without a listener, that would end the process.
      stream?.on("error", (error) => this.#fail(error));
    } catch (error) {
      this.#fail(error);
    }
    this.#stream = stream;
  }

  /** Size of the terminal. null: it is no terminal. */
  get size(): { columns: number; rows: number } | null {
    if (this.#stream?.isTTY !== true) return null;
    const { columns, rows } = this.#stream;
    return { columns, rows };
  }

  /**
   * Whether it was written, as far as can be told at once. A file is tried anew each time: its disk may have room
   * again.
   */
  write(text: string): boolean {
    if (this.#stream === null) return this.#writeFile(text);
    if (this.failure !== null) return false;
    try {
      this.#stream.write(text);
      return true;
    } catch (error) {
      return this.#fail(error);
    }
  }

  #writeFile(text: string): boolean {
    const bytes = Buffer.from(this.#torn ? `\n${text}` : text);
    let at = 0;
    try {
      while (at < bytes.length) at += writeSync(this.#fd, bytes, at);
      this.#torn = false;
      return true;
    } catch (error) {
      this.#torn ||= at > 0;
      return this.#fail(error);
    }
  }

  #fail(error: unknown): false {
    this.failure = error as NodeJS.ErrnoException;
    this.onFailure();
    return false;
  }
}

/** Standard input, output and error. */
const STANDARD = [0, 1, 2];

/**
 * Keeps the exit code of a process whose terminal was closed. Node puts a terminal's modes back when it ends, and
 * aborts if that fails. It leaves a descriptor alone that is another file by then.
 */
export function outliveTerminals(): void {
  const terminals = STANDARD.filter((fd) => isatty(fd));
  process.on("exit", () => {
    for (const fd of terminals) {
      if (isatty(fd)) continue;
      closeSync(fd);
      // The lowest number that is free, which is this one.
      openSync("/dev/null", "r+");
    }
  });
}

function isLikeFile(fd: number): boolean {
  try {
    const stats = fstatSync(fd);
    return stats.isFile() || (stats.isCharacterDevice() && !isatty(fd));
  } catch {
    return false;
  }
}
