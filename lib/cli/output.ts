/**
 * Standard output and standard error, whatever becomes of them: a full disk, a pipe that nobody reads any more, a terminal
 * that was closed. Writing never throws. What a tunnel does depends on none of it; a command whose output is all that it is
 * for ends with a failure.
 */
import { fstatSync, writeSync } from "node:fs";
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

  constructor(stream: NodeJS.WriteStream & { fd: number }) {
    this.#fd = stream.fd;
    this.#stream = isLikeFile(stream.fd) ? null : stream;
    // A pipe or a terminal that has failed is gone for good. Without a listener, that would end the process.
    stream.on("error", (error) => this.#fail(error));
  }

  /** Whether it was written, so far as can be told at once. A file is tried anew each time: its disk may have room again. */
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

function isLikeFile(fd: number): boolean {
  try {
    const stats = fstatSync(fd);
    return stats.isFile() || (stats.isCharacterDevice() && !isatty(fd));
  } catch {
    return false;
  }
}
