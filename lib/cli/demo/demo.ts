/**
 * `i405 demo`: two tunnels over 127.0.0.1 in one program, with packet devices and without privileges. Between them, a
 * relay sees what a watcher sees. Quiet and busy stretches take turns.
 */
import { setTimeout as delay } from "node:timers/promises";
import { describe } from "../../common/errors.js";
import { generatePassword, I405Tunnel, type Deviation, type PollMode, type WireOptions } from "../../index.js";
import { EXIT_OK, exitCodeOf } from "../exit-codes.js";
import { errorLines, explainError } from "../explain.js";
import { usageError } from "../settings.js";
import { Screen } from "../terminal/screen.js";
import type { World } from "../world.js";
import { startRelay, type Sighting } from "./relay.js";
import { Sender } from "./traffic.js";
import { renderVerdict } from "./verdict.js";
import { renderLine, renderView, type View } from "./view.js";
import { Watch, type Condition } from "./watch.js";

export interface DemoRequest {
  seconds: string | undefined;
  pollMode: string | undefined;
}

/** Long enough to look at, short enough to wait for. */
const DEFAULT_SECONDS = 20;
const LEAST_SECONDS = 4;
const MOST_SECONDS = 3600;
/** How long quiet and busy last by turns, four of each: long enough for a report of lateness, and never boring, ms. */
const STRETCHES = 8;
const SHORTEST_STRETCH_MS = 1000;
const LONGEST_STRETCH_MS = 5000;
/** The wire of both directions: 250 datagrams a second are many to count and few for any machine. */
const INTERVAL_MS = 4;
/** Half of the interval, as by default. */
const JITTER_MS = 2;
const LENGTH = 1500;
const WIRE: WireOptions = { length: LENGTH, interval: `${INTERVAL_MS}ms`, jitter: `${JITTER_MS}ms` };
/** Lateness is reported this often, ms, so that several reports fit in a stretch. */
const REPORT_MS = 500;
/** The screen moves this often, ms; without a terminal there are two lines for each stretch. */
const FRAME_MS = 100;
const LINES_PER_STRETCH = 2;

type End = "client" | "server";

export async function runDemo(request: DemoRequest, world: World): Promise<number> {
  try {
    await demo(request, world);
    return EXIT_OK;
  } catch (error) {
    if (world.stop.isRequested()) return EXIT_OK;
    const explained = explainError(error);
    world.io.err(`${errorLines(explained, "i405 demo")}\n`);
    return exitCodeOf(explained.code);
  }
}

async function demo(request: DemoRequest, world: World): Promise<void> {
  const { stop, io } = world;
  const lengthMs = secondsOf(request.seconds) * 1000;
  const local = { pollMode: pollModeOf(request.pollMode), deviationInterval: `${REPORT_MS}ms` };
  const ends = { client: new I405Tunnel(local), server: new I405Tunnel(local) };
  let onSeen: (sightings: Sighting[]) => void = () => undefined;
  const aborted = new AbortController();
  void stop.requested.then(() => aborted.abort());
  const password = generatePassword();
  try {
    for (const end of ["client", "server"] as const) {
      ends[end].on("warning", ({ code, message }) => {
        if (code !== "I405_SCHED_FIFO") io.err(`${end}: ${message} (${code})\n`);
      });
    }
    await ends.server.listen({ address: "127.0.0.1:0", password });
    const serverPort = Number(ends.server.localAddress?.split(":").at(-1));
    const relay = await startRelay(serverPort, (sightings) => onSeen(sightings));
    try {
      const { wire } = await ends.client.connect({
        peer: `127.0.0.1:${relay.port}`,
        password,
        up: WIRE,
        down: WIRE,
        connectTimeout: "20s",
        signal: aborted.signal,
      });
      const watch = new Watch(now());
      onSeen = (sightings) => {
        for (const sighting of sightings) watch.saw(sighting);
      };
      await perform(ends, watch, lengthMs, local.pollMode, world);
      const stats = [ends.client.stats(), ends.server.stats()];
      const program = io.environment.npm_lifecycle_event === "start" ? "npm start --" : "i405";
      io.out(`\n${renderVerdict({ watch, endMs: now(), wire: wire.up, stats, program }).join("\n")}\n`);
    } finally {
      await Promise.all([ends.client.close(), ends.server.close()]);
      await relay.stop();
    }
  } finally {
    await Promise.all([ends.client.close(), ends.server.close()]);
  }
}

/** Lets quiet and busy take turns until the time is over, or a signal ends it early. The view moves meanwhile. */
async function perform(
  ends: Record<End, I405Tunnel>,
  watch: Watch,
  lengthMs: number,
  pollMode: PollMode,
  world: World,
) {
  const { io, stop } = world;
  const lateness: Partial<Record<End, Deviation>> = {};
  for (const end of ["client", "server"] as const) {
    ends[end].on("deviation", (deviation) => {
      lateness[end] = deviation;
      watch.late(deviation, now(), REPORT_MS);
    });
  }
  const senders = [
    new Sender(ends.client, (bytes) => watch.sent("up", now(), bytes)),
    new Sender(ends.server, (bytes) => watch.sent("down", now(), bytes)),
  ];
  const endMs = watch.startMs + lengthMs;
  const stretchMs = Math.min(Math.max(lengthMs / STRETCHES, SHORTEST_STRETCH_MS), LONGEST_STRETCH_MS);
  const terminal = io.terminal() !== null;
  const frameMs = terminal ? FRAME_MS : stretchMs / LINES_PER_STRETCH;
  const screen = new Screen(io);
  let condition: Condition | undefined;
  try {
    // Counted in frames and not by the clock, so that frames and stretches stay in step.
    for (let frame = 0; frame * frameMs < lengthMs && !stop.isRequested(); frame += 1) {
      const wanted = Math.floor((frame * frameMs) / stretchMs) % 2 === 0 ? "quiet" : "busy";
      if (wanted !== condition) {
        condition = wanted;
        watch.begin(condition, now());
        for (const sender of senders) sender.set(condition === "busy");
      }
      const dueMs = Math.min(endMs, watch.startMs + (frame + 1) * frameMs);
      await Promise.race([delay(Math.max(0, dueMs - now())), stop.requested]);
      const nowMs = now();
      const shape = { intervalMs: INTERVAL_MS, jitterMs: JITTER_MS, pollMode };
      const view: View = { watch, condition, nowMs, leftMs: endMs - nowMs, lateness, ...shape };
      if (terminal) screen.draw(renderView(view, io.terminal()?.columns ?? 80));
      else io.out(`${renderLine(view)}\n`);
    }
  } finally {
    for (const sender of senders) sender.set(false);
    screen.end();
  }
}

/** CLOCK_MONOTONIC, ms: the same clock in the relay's thread. */
function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function secondsOf(text: string | undefined): number {
  const seconds = text === undefined ? DEFAULT_SECONDS : Number(text);
  if (Number.isFinite(seconds) && seconds >= LEAST_SECONDS && seconds <= MOST_SECONDS) return seconds;
  const message = `--seconds: got ${describe(text)}, expected a number from ${LEAST_SECONDS} to ${MOST_SECONDS}`;
  throw usageError("seconds", message);
}

function pollModeOf(text: string | undefined): PollMode {
  const modes: readonly PollMode[] = ["sleepy", "dozy", "spinny"];
  const mode = modes.find((each) => each === (text ?? "sleepy"));
  if (mode !== undefined) return mode;
  throw usageError("poll-mode", `--poll-mode: got ${describe(text)}, expected sleepy, dozy or spinny`);
}
