/** `i405 status`: what the tunnels of this machine say of themselves. */
import { describe, I405Error } from "../../common/errors.js";
import { EXIT_OK, exitCodeOf } from "../exit-codes.js";
import { explainError } from "../explain.js";
import { showLive } from "../live/live.js";
import { plainLog } from "../plain-log.js";
import { usageError } from "../settings.js";
import { paint, wantsColour } from "../terminal/style.js";
import type { World } from "../world.js";
import { askStatus } from "./client.js";
import { realPlaces, socketsIn } from "./places.js";
import { renderStatus } from "./render.js";
import type { Snapshot } from "./snapshot.js";

export interface StatusRequest {
  /** A name, an interface, a process number, or the path of a socket; undefined: all tunnels. */
  name: string | undefined;
  json: boolean;
  live: boolean;
}

/** A socket to be asked. It was found, or the user gave its path, which may lead to anybody's socket. */
interface Asked {
  path: string;
  owner?: number;
}

interface Found {
  socket: Asked;
  snapshot: Snapshot;
}

interface Search {
  found: Found[];
  /** Tunnels of other users. */
  denied: number;
  /** Tunnels whose answer was something else, or none. */
  broken: string[];
}

export async function runStatus(request: StatusRequest, world: World): Promise<number> {
  const { io } = world;
  try {
    if (request.json && request.live) throw usageError("live", "--live contradicts --json. Leave one of the two out");
    const { name } = request;
    const search = await lookFor(name, world);
    if (search.found.length === 0) throw notFound(name, search, world);
    if (request.live) await follow(search.found, world);
    else for (const { snapshot } of search.found) say(snapshot, request.json, world);
    return EXIT_OK;
  } catch (error) {
    const explained = explainError(error);
    plainLog(io, request.json, "i405 status").fail(explained);
    return exitCodeOf(explained.code);
  }
}

async function lookFor(name: string | undefined, world: World): Promise<Search> {
  const isPath = name?.includes("/") === true;
  const { search } = world.statusPlaces ?? realPlaces(world.io.environment);
  const sockets: Asked[] = isPath ? [{ path: name }] : search.flatMap(socketsIn);
  const answers = await Promise.all(
    sockets.map(async (socket) => ({ socket, answer: await askStatus(socket.path, socket) })),
  );
  const result: Search = { found: [], denied: 0, broken: [] };
  for (const { socket, answer } of answers) {
    if (answer.kind === "denied") result.denied += 1;
    else if (answer.kind === "broken") result.broken.push(`${socket.path}: ${answer.why}`);
    else if (answer.kind === "snapshot" && (isPath || isMeant(answer.snapshot, name))) {
      result.found.push({ socket, snapshot: answer.snapshot });
    }
  }
  return result;
}

function isMeant({ name, deviceName, pid, command }: Snapshot, wanted: string | undefined): boolean {
  return wanted === undefined || [name, deviceName, String(pid), command].includes(wanted);
}

function notFound(name: string | undefined, { denied, broken }: Search, world: World): I405Error {
  const what = name === undefined ? "no tunnel of this user runs here" : `no tunnel ${describe(name)} answers`;
  const others = denied === 0 ? "" : `; ${denied} of other users, which sudo shows`;
  const strange = broken.length === 0 ? "" : `; ${broken.join("; ")}`;
  const { search } = world.statusPlaces ?? realPlaces(world.io.environment);
  const remedy =
    "Tunnels of i405 client and i405 server are found, unless they say --no-status-socket or could make no status socket, " +
    `which their log says (I405_STATUS_SOCKET). Looked in ${search.join(", ")}: i405 status PATH asks a socket elsewhere`;
  return new I405Error("ERR_I405_STATUS", `${what}${others}${strange}\n${remedy}`);
}

function say(snapshot: Snapshot, json: boolean, { io }: World): void {
  const width = io.terminal()?.columns ?? Infinity;
  const lines = json ? [JSON.stringify(snapshot)] : paint(renderStatus(snapshot), width, wantsColour(io));
  io.out(`${lines.join("\n")}\n`);
}

async function follow(found: readonly Found[], { io, stop }: World): Promise<void> {
  const [first, second] = found;
  if (first === undefined) return;
  if (second !== undefined) {
    const names = found.map(({ snapshot }) => snapshot.name).join(", ");
    throw usageError("live", `--live shows one tunnel, and there are several. Name one of them: ${names}`);
  }
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const view = showLive(io, async () => {
    const answer = await askStatus(first.socket.path, first.socket);
    if (answer.kind === "snapshot") return answer.snapshot;
    // The tunnel has ended, and its socket with it.
    if (answer.kind !== "broken") end();
    return null;
  });
  await Promise.race([ended, stop.requested]);
  view.stop();
}
