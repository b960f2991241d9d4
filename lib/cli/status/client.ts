/** Asks a running tunnel. Where root asks, anybody may answer, so little is read, and not for long. */
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { connect } from "node:net";
import { readSnapshot, type Snapshot } from "./snapshot.js";

/** A line that asks for a snapshot; the answer is a line as well. */
export const REQUEST = '{"request":"status"}\n';

/** A snapshot has about 4 KB. */
const MOST_BYTES = 256 * 1024;
/** A tunnel answers when its event loop comes round to it, ms. */
const PATIENCE_MS = 3000;

export type Answer =
  | { kind: "snapshot"; snapshot: Snapshot }
  /** Nobody listens there any more. */
  | { kind: "stale" }
  /** It is somebody else's. */
  | { kind: "denied" }
  | { kind: "broken"; why: string };

/** Names a file and opens nothing: what it names stays the same, whatever the path leads to later (open(2)). */
export const O_PATH = 0o10000000;

export interface AskOptions {
  /** User id that the socket must have, because where root looks, the path may have changed since. Default: any. */
  owner?: number;
  patienceMs?: number;
}

export async function askStatus(path: string, { owner, patienceMs = PATIENCE_MS }: AskOptions = {}): Promise<Answer> {
  if (owner === undefined) return ask(path, patienceMs);
  let file: number;
  try {
    file = openSync(path, O_PATH | constants.O_NOFOLLOW);
  } catch (error) {
    return failure(error as NodeJS.ErrnoException);
  }
  try {
    const stats = fstatSync(file);
    if (!stats.isSocket() || stats.uid !== owner) return { kind: "broken", why: "not its folder's owner's socket" };
    return await ask(`/proc/self/fd/${file}`, patienceMs);
  } finally {
    closeSync(file);
  }
}

function ask(path: string, patienceMs: number): Promise<Answer> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    const socket = connect({ path }, () => socket.write(REQUEST));
    const finish = (answer: Answer) => {
      clearTimeout(timer);
      resolve(answer);
      socket.destroy();
    };
    const timer = setTimeout(() => finish({ kind: "broken", why: "no answer in time" }), patienceMs);
    socket.on("error", (error: NodeJS.ErrnoException) => finish(failure(error)));
    socket.on("close", () => finish({ kind: "broken", why: "closed without an answer" }));
    socket.on("data", (data) => {
      parts.push(data);
      bytes += data.length;
      if (data.includes("\n")) finish(answerOf(Buffer.concat(parts).toString("utf8")));
      else if (bytes > MOST_BYTES) finish({ kind: "broken", why: "an endless answer" });
    });
  });
}

function failure({ code, message }: NodeJS.ErrnoException): Answer {
  if (code === "ECONNREFUSED" || code === "ENOENT") return { kind: "stale" };
  return code === "EACCES" || code === "EPERM" ? { kind: "denied" } : { kind: "broken", why: message };
}

function answerOf(text: string): Answer {
  const line = text.slice(0, text.indexOf("\n"));
  if (line.includes(`"error":"not permitted"`)) return { kind: "denied" };
  const snapshot = readSnapshot(line);
  return snapshot === null ? { kind: "broken", why: "not an i405 of this version" } : { kind: "snapshot", snapshot };
}
