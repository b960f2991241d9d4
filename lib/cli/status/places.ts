/** Where status sockets are: in a folder of the user's own, so that several tunnels and users don't meet. */
import { lstatSync, opendirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { isWritableByOthers } from "../../common/own-folder.js";

export interface StatusPlaces {
  /** Where this user's tunnels make their sockets; null: nowhere. */
  own: string | null;
  /** Where `i405 status` looks. */
  search: readonly string[];
}

/** Root's. A service has a folder of its own in it, its `RuntimeDirectory`. */
const SYSTEM = "/run/i405";
const USERS = "/run/user";
const END = ".sock";
/** How many names of a folder are looked at: more than a user has tunnels, but a user's files can't keep root busy. */
const MOST_NAMES = 256;

/** `uid`: effective user. `root`: where root's sockets are. `users`: where users have folders of their own. */
export function realPlaces(
  environment: NodeJS.ProcessEnv,
  uid = process.geteuid?.() ?? 0,
  root = SYSTEM,
  users = USERS,
): StatusPlaces {
  const system = [
    root,
    ...names(root)
      .filter((name) => !isSocket(name))
      .map((service) => join(root, service)),
  ];
  // Set by systemd; several are parted by colons.
  const service = absolute(environment.RUNTIME_DIRECTORY?.split(":")[0]);
  if (uid === 0) {
    // Not $XDG_RUNTIME_DIR: under `sudo -E` that is somebody else's.
    return { own: service ?? root, search: [...system, ...names(users).map((user) => join(users, user, "i405"))] };
  }
  // Under su and cron it isn't set, and the folder may be there all the same.
  const user = absolute(environment.XDG_RUNTIME_DIR) ?? folderOf(uid, join(users, String(uid)));
  const own = service ?? (user === undefined ? root : join(user, "i405"));
  return { own, search: [...new Set([own, ...system])] };
}

function folderOf(uid: number, path: string): string | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats?.isDirectory() === true && stats.uid === uid && !isWritableByOthers(stats) ? path : undefined;
}

function absolute(path: string | undefined): string | undefined {
  return path?.startsWith("/") === true ? path : undefined;
}

function isSocket(name: string): boolean {
  return name.endsWith(END);
}

/** Path of the socket of that name. */
export function socketPath(folder: string, name: string): string {
  return join(folder, `${name}${END}`);
}

export interface StatusSocket {
  path: string;
  /** User id. */
  owner: number;
}

/**
 * The sockets in a folder that are its owner's; none if it can't be read. If only root can put anything into the
 * folder, a socket of another user was given to him by root (`--user`), and counts too. Links are not followed: where
 * root looks, they could lead to any program's socket.
 */
export function socketsIn(folder: string): StatusSocket[] {
  try {
    const stats = lstatSync(folder);
    if (!stats.isDirectory()) return [];
    const isRoots = stats.uid === 0 && !isWritableByOthers(stats);
    return firstNames(folder)
      .filter(isSocket)
      .map((name) => join(folder, name))
      .map((path) => ({ path, owner: socketOwner(path) }))
      .filter((socket): socket is StatusSocket => (isRoots ? socket.owner !== null : socket.owner === stats.uid));
  } catch {
    return [];
  }
}

/** Null: it is no socket. */
function socketOwner(path: string): number | null {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats?.isSocket() === true ? stats.uid : null;
}

function firstNames(folder: string): string[] {
  const entries = opendirSync(folder);
  try {
    const found: string[] = [];
    for (let entry = entries.readSync(); entry !== null && found.length < MOST_NAMES; entry = entries.readSync()) {
      found.push(entry.name);
    }
    return found.sort();
  } finally {
    entries.closeSync();
  }
}

/** The name of a socket's tunnel. */
export function nameOf(path: string): string {
  const file = path.slice(path.lastIndexOf("/") + 1);
  return file.endsWith(END) ? file.slice(0, -END.length) : file;
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
