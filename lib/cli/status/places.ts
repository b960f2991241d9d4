/** Where status sockets are: in a folder of the user's own, so that several tunnels and users don't meet. */
import { lstatSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";

export interface StatusPlaces {
  /** Where this user's tunnels make theirs. */
  own: string;
  /** Where `i405 status` looks. */
  search: readonly string[];
}

/** For root, and for a service whose RuntimeDirectory it is. */
const SYSTEM = "/run/i405";
const USERS = "/run/user";
const END = ".sock";

/** `uid`: effective user. */
export function realPlaces(environment: NodeJS.ProcessEnv, uid = process.geteuid?.() ?? 0): StatusPlaces {
  if (uid === 0) {
    // Not $XDG_RUNTIME_DIR: under `sudo -E` that is somebody else's.
    return { own: SYSTEM, search: [SYSTEM, ...names(USERS).map((user) => join(USERS, user, "i405"))] };
  }
  const runtime = environment.XDG_RUNTIME_DIR;
  const own = runtime?.startsWith("/") === true ? join(runtime, "i405") : SYSTEM;
  return { own, search: [...new Set([own, SYSTEM])] };
}

/** Path of the socket of that name. */
export function socketPath(folder: string, name: string): string {
  return join(folder, `${name}${END}`);
}

/** The sockets in a folder; none where it can't be read. */
export function socketsIn(folder: string): string[] {
  return names(folder)
    .filter((name) => name.endsWith(END))
    .map((name) => join(folder, name));
}

/** What a socket's tunnel is called. */
export function nameOf(path: string): string {
  const file = path.slice(path.lastIndexOf("/") + 1);
  return file.endsWith(END) ? file.slice(0, -END.length) : file;
}

/** Makes the folder. Throws where that isn't possible, or where others could put something into it. */
export function prepareFolder(folder: string): void {
  // One level: what is above is the system's.
  if (lstatSync(folder, { throwIfNoEntry: false }) === undefined) mkdirSync(folder, { mode: 0o755 });
  const { uid, mode } = lstatSync(folder);
  const isOurs = uid === 0 || uid === process.geteuid?.();
  if (!isOurs || (mode & 0o022) !== 0) throw new Error(`others may write in ${folder}`);
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
