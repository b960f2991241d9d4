/**
 * A lock between processes, of links in a folder, for where nothing can wait in an event loop (exit handlers). Each holder
 * makes the next generation: `lock-7` after `lock-6` is free or its holder is no more. A link is made once, with what it
 * says, so of several that find the same lock stale one gets it. A generation's name is not used again: who comes late
 * with an old one finds a newer and tries again.
 */
import { readdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";

const NAME = /^lock-(\d+)$/;
const FREE = "free";
const POLL_MS = 5;
/** Holding it takes about a millisecond; a holder that is alive and takes longer than this is stopped, ms. */
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
  const generation = acquire(options);
  try {
    // The one before stays: whoever is listing the folder right now sees one of the two.
    for (const old of generations(folder)) if (old < generation - 1) rmSync(pathOf(folder, old), { force: true });
    return act();
  } finally {
    const own = join(folder, `free-${holder}`);
    rmSync(own, { force: true });
    symlinkSync(FREE, own);
    renameSync(own, pathOf(folder, generation));
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

function pathOf(folder: string, generation: number): string {
  return join(folder, `lock-${generation}`);
}

/** False: somebody else has made it. */
function make(path: string, holder: string): boolean {
  try {
    symlinkSync(holder, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Null: it is gone, so there is a newer one. */
function holderOf(folder: string, generation: number): string | null {
  try {
    return readlinkSync(pathOf(folder, generation));
  } catch {
    return null;
  }
}

function generations(folder: string): number[] {
  return readdirSync(folder).flatMap((name) => {
    const generation = NAME.exec(name)?.[1];
    return generation === undefined ? [] : [Number(generation)];
  });
}

/** Names that come and go while a folder is listed may be in it or not: listed until it is the same twice. */
function newestOf(folder: string): number | null {
  const look = () => generations(folder).reduce((most, each) => Math.max(most, each), -1);
  let newest = look();
  for (let again = look(); again !== newest; again = look()) newest = again;
  return newest < 0 ? null : newest;
}
