/**
 * A lock between processes, for exit handlers, which can't wait in an event loop.
 *
 * Each time that somebody takes the lock is a turn. A turn is a link in a folder: its name has the turn's number, and it
 * points to the holder, or to `free`. Whoever wants the lock makes `lock-7` once `lock-6` is free or its holder's process
 * is gone. Making a link fails if it exists, so only one of several who find the same lock stale gets the next turn. A
 * number is not used again: whoever comes late with an old one finds a newer turn, and tries again.
 */
import { readdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";

const NAME = /^lock-(\d+)$/;
const FREE = "free";
const POLL_MS = 5;
/** Holding the lock takes about a millisecond. A live holder that takes longer than this has been stopped (SIGSTOP), ms. */
const PATIENCE_MS = 10_000;

export interface LockOptions {
  folder: string;
  /** This process. */
  holder: string;
  isAlive: (holder: string) => boolean;
}

/** @throws {Error} where the folder can't be written, or a stopped process holds the lock */
export function withLock<Value>(options: LockOptions, act: () => Value): Value {
  const { folder, holder } = options;
  const turn = acquire(options);
  try {
    // The turn before stays, so that whoever lists the folder right now sees at least one of the two.
    for (const old of turns(folder)) if (old < turn - 1) rmSync(pathOf(folder, old), { force: true });
    return act();
  } finally {
    const own = join(folder, `free-${holder}`);
    rmSync(own, { force: true });
    symlinkSync(FREE, own);
    renameSync(own, pathOf(folder, turn));
  }
}

function acquire({ folder, holder, isAlive }: LockOptions): number {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const newest = newestOf(folder);
    const holds = newest === null ? FREE : holderOf(folder, newest);
    if (holds === FREE || (holds !== null && !isAlive(holds))) {
      const next = (newest ?? 0) + 1;
      if (make(pathOf(folder, next), holder)) {
        if (newestOf(folder) === next) return next;
        rmSync(pathOf(folder, next), { force: true });
      }
    } else if (performance.now() > deadline) {
      throw new Error(`process ${String(holds)} holds ${folder} and doesn't go on`);
    } else {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
    }
  }
}

function pathOf(folder: string, turn: number): string {
  return join(folder, `lock-${turn}`);
}

/** False: somebody else made it first. */
function make(path: string, holder: string): boolean {
  try {
    symlinkSync(holder, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Null: the link is gone, so there is a newer turn. */
function holderOf(folder: string, turn: number): string | null {
  try {
    return readlinkSync(pathOf(folder, turn));
  } catch {
    return null;
  }
}

function turns(folder: string): number[] {
  return readdirSync(folder).flatMap((name) => {
    const turn = NAME.exec(name)?.[1];
    return turn === undefined ? [] : [Number(turn)];
  });
}

/** A listing may miss names that come and go meanwhile, so the folder is listed until two listings agree. */
function newestOf(folder: string): number | null {
  const look = () => turns(folder).reduce((most, each) => Math.max(most, each), -1);
  let newest = look();
  for (let again = look(); again !== newest; again = look()) newest = again;
  return newest < 0 ? null : newest;
}
