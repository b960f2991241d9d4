/** Files and folders that nobody else may have put there, because root believes what it reads there. */
import { lstatSync, mkdirSync, type Stats } from "node:fs";

const WRITABLE_BY_OTHERS = 0o022;

/** Whether it is root's or this user's. */
export function isOwnedByUs({ uid }: Stats): boolean {
  return uid === 0 || uid === process.geteuid?.();
}

export function isWritableByOthers({ mode }: Stats): boolean {
  return (mode & WRITABLE_BY_OTHERS) !== 0;
}

/** Whether only root and this user can change it. */
export function isOurs(stats: Stats): boolean {
  return isOwnedByUs(stats) && !isWritableByOthers(stats);
}

/**
 * Makes the folder if it is missing. The folder above has to be there.
 *
 * @throws {Error} if that isn't possible, or if others may write in it
 */
export function prepareOwnFolder(folder: string): void {
  if (lstatSync(folder, { throwIfNoEntry: false }) === undefined) mkdirSync(folder, { mode: 0o755 });
  const stats = lstatSync(folder);
  if (!stats.isDirectory() || !isOurs(stats)) throw new Error(`others may write in ${folder}`);
}
