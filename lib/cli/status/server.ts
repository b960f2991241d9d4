/**
 * The status socket of a running tunnel: a line asks, a line answers. Only this user and root get an answer. The file's
 * mode ensures that, and for each connection the kernel says who it is (SO_PEERCRED).
 */
import { chownSync, closeSync, constants, fstatSync, lstatSync, openSync, rmSync } from "node:fs";
import { createServer, connect, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { I405Error } from "../../common/errors.js";
import { prepareOwnFolder } from "../../common/own-folder.js";
import type { PeerCredentials } from "../../native/addon.js";
import { O_PATH, REQUEST } from "./client.js";
import { socketsIn } from "./places.js";
import type { Snapshot } from "./snapshot.js";

export interface StatusServer {
  path: string;
  close(): Promise<void>;
}

/** `sun_path` without its final zero, bytes (unix(7)). */
const LONGEST_PATH = 107;
/** The bits that the file's mode must not have: it is 0600 from the first moment on. */
const UMASK = 0o177;
/** How many may look at once. Each connection takes one of the process's descriptors. */
const CONNECTIONS = 8;
/** A connection that asks nothing, ms. */
const IDLE_MS = 10_000;

export interface StatusOptions {
  path: string;
  /** Whether the folder is i405's own. Then it is made, and what dead tunnels have left in it is removed. */
  ownFolder: boolean;
  snapshot: () => Snapshot;
  /** User id that the process will have, which the file is given to. Default: it stays this user's. */
  user?: number;
  /** Who is at the other end of this descriptor; throws if that can't be told. */
  peer: (fd: number) => PeerCredentials;
}

/** @throws {I405Error} `ERR_I405_STATUS` where the socket can't be made. */
export async function serveStatus(options: StatusOptions): Promise<StatusServer> {
  const { path, ownFolder } = options;
  try {
    if (Buffer.byteLength(path) > LONGEST_PATH) throw new Error(`a path has at most ${LONGEST_PATH} bytes`);
    if (ownFolder) await tidy(dirname(path));
    await makeRoom(path);
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      attend(socket, options);
    });
    server.maxConnections = CONNECTIONS;
    try {
      await listen(server, path);
      if (options.user !== undefined) giveAway(path, options.user);
    } catch (error) {
      server.close();
      throw error;
    }
    const close = () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      });
    return { path, close };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `--status-socket: can't listen on ${path}: ${reason}\nChoose another path, or say --no-status-socket`;
    throw new I405Error("ERR_I405_STATUS", message, { option: "status-socket", cause });
  }
}

async function tidy(folder: string): Promise<void> {
  prepareOwnFolder(folder);
  for (const { path } of socketsIn(folder)) {
    if (await isStale(path)) rmSync(path, { force: true });
  }
}

/** Removes only what a tunnel that was killed has left there. */
async function makeRoom(path: string): Promise<void> {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined) return;
  if (!there.isSocket()) throw new Error("something else is there");
  if (!(await isStale(path))) throw new Error("another program listens there");
  rmSync(path, { force: true });
}

function isStale(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const finish = (stale: boolean) => {
      socket.destroy();
      resolve(stale);
    };
    socket.on("connect", () => finish(false));
    socket.on("error", ({ code }: NodeJS.ErrnoException) => finish(code === "ECONNREFUSED"));
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    // The file is made before `listen` returns. If its mode were set later, that could be the mode of another file by
    // then.
    const before = process.umask(UMASK);
    // Node takes a path of digits alone for a port, and would ask the whole network in.
    server.listen({ path: path.includes("/") ? path : `./${path}` }, () => {
      server.removeListener("error", reject);
      // If an accept fails because descriptors have run out, that is no reason to end.
      server.on("error", () => undefined);
      // The tunnel keeps the program alive; its readers don't.
      server.unref();
      resolve();
    });
    process.umask(before);
  });
}

/** Opens the file's name once, and changes what that opened, because the path may lead elsewhere by then. */
function giveAway(path: string, user: number): void {
  const file = openSync(path, O_PATH | constants.O_NOFOLLOW);
  try {
    const stats = fstatSync(file);
    const isOurs = stats.isSocket() && stats.uid === process.geteuid?.() && stats.nlink === 1;
    if (!isOurs) throw new Error("something else has taken its place");
    chownSync(`/proc/self/fd/${file}`, user, -1);
  } finally {
    closeSync(file);
  }
}

function attend(socket: Socket, { snapshot, peer, user }: StatusOptions): void {
  socket.on("error", () => undefined);
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  if (!isPermitted(socket, peer, user)) {
    socket.end(`{"error":"not permitted"}\n`);
    // Whatever it may still send is of no interest.
    socket.resume();
    return;
  }
  let asked = "";
  socket.setEncoding("latin1").on("data", (text: string) => {
    asked += text;
    if (asked === REQUEST) {
      asked = "";
      // The next question is read when this answer is gone, so that a client that doesn't read can't make answers pile
      // up.
      socket.pause();
      socket.write(`${JSON.stringify(snapshot())}\n`, () => socket.resume());
    } else if (!REQUEST.startsWith(asked)) {
      socket.end(`{"error":"ask ${REQUEST.trim().replaceAll('"', "'")}"}\n`);
      socket.destroySoon();
    }
  });
}

/**
 * This user, the user that it will be, and root, who can read the process's memory anyway. Nobody, if that can't be
 * told.
 */
function isPermitted(socket: Socket, peer: StatusOptions["peer"], user: number | undefined): boolean {
  // Node has the descriptor, and no public name for it. Without it there is no answer.
  const fd = (socket as unknown as { _handle?: { fd?: number } | null })._handle?.fd;
  if (fd === undefined || fd < 0) return false;
  try {
    const { uid } = peer(fd);
    return uid === 0 || uid === process.geteuid?.() || uid === user;
  } catch {
    return false;
  }
}
