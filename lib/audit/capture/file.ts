/**
 * A capture that can be read from the front as often as needed. A file is read as it is. What comes through a pipe is
 * first copied into a temporary file without a name, so that nothing of it stays behind however this ends.
 */
import { closeSync, constants, mkdtempSync, openSync, fstatSync, rmSync } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { captureError } from "./errors.js";
import { magicProblem, MAGIC_LENGTH } from "./magic.js";

const GIVE = "Give a pcap or pcapng file that you may read, or a pipe with one";

/** Open until it is closed. */
export interface Capture {
  /** As the user named it. */
  readonly path: string;
  readonly descriptor: number;
  close(): void;
}

/**
 * A regular file.
 *
 * @throws {I405Error} `ERR_I405_CAPTURE`
 */
export function openCaptureFile(path: string): Capture {
  const descriptor = opened(path);
  if (fstatSync(descriptor).isFile()) return { path, descriptor, close: () => closeSync(descriptor) };
  const what = whatElse(descriptor);
  closeSync(descriptor);
  throw captureError(path, `it is ${what}`, GIVE);
}

/**
 * Opens a regular file, or copies all that comes through a pipe until its end.
 *
 * @param signal ends the copying of a pipe; what came until then is the capture
 * @throws {I405Error} `ERR_I405_CAPTURE`
 */
export async function openCapture(
  path: string,
  signal: AbortSignal | null = null,
  onProgress: (what: string) => void = () => undefined,
): Promise<Capture> {
  const descriptor = opened(path);
  if (!fstatSync(descriptor).isFIFO()) {
    closeSync(descriptor);
    return openCaptureFile(path);
  }
  onProgress(`reading ${path}, a pipe, to its end`);
  return await copyOf(path, descriptor, signal);
}

/** Doesn't wait for somebody to write into a pipe, because a signal has to be heard meanwhile. */
function opened(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw captureError(path, (cause as Error).message, GIVE, cause);
  }
}

function whatElse(descriptor: number): string {
  const stat = fstatSync(descriptor);
  if (stat.isDirectory()) return "a folder";
  if (stat.isFIFO()) return "a pipe, which can't be read twice";
  return stat.isSocket() ? "a socket" : "a device";
}

/** @param pipe is closed in any case */
async function copyOf(path: string, pipe: number, signal: AbortSignal | null): Promise<Capture> {
  const from = new Socket({ fd: pipe, readable: true, writable: false });
  const end = () => void from.push(null);
  let copy: FileHandle | undefined;
  try {
    copy = await nameless(path);
    signal?.addEventListener("abort", end);
    if (signal?.aborted) end();
    let head = Buffer.alloc(0);
    for await (const piece of from as AsyncIterable<Buffer>) {
      if (head.length < MAGIC_LENGTH) {
        head = Buffer.concat([head, piece.subarray(0, MAGIC_LENGTH)]);
        // Before gigabytes of something else are copied.
        const problem = head.length < MAGIC_LENGTH ? null : magicProblem(head);
        if (problem !== null) throw captureError(path, problem.what, problem.remedy);
      }
      await copy.writeFile(piece);
    }
    const kept = copy;
    copy = undefined;
    return { path, descriptor: kept.fd, close: () => void kept.close() };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ERR_I405_CAPTURE") throw error;
    const remedy = `Unpack it into a file where there is room and give that, or set TMPDIR (now ${tmpdir()})`;
    throw captureError(path, `what came through the pipe can't be kept: ${message}`, remedy, error);
  } finally {
    signal?.removeEventListener("abort", end);
    from.destroy();
    await copy?.close();
  }
}

async function nameless(path: string): Promise<FileHandle> {
  try {
    const folder = mkdtempSync(join(tmpdir(), "i405-capture-"));
    try {
      return await open(join(folder, "copy"), "wx+", 0o600);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  } catch (cause) {
    throw captureError(path, (cause as Error).message, `Set TMPDIR to a folder that can be written`, cause);
  }
}
