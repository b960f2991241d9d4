/** Draws the live view once a second, and gives the terminal back whatever happens. */
import type { Io } from "../io.js";
import type { Snapshot } from "../status/snapshot.js";
import { Screen } from "../terminal/screen.js";
import { paint, wantsColour } from "../terminal/style.js";
import { History } from "./history.js";
import { renderLive, renderLiveLine } from "./view.js";

const FRAME_MS = 1000;

export interface LiveView {
  /** Gives the terminal back; idempotent. */
  stop(): void;
}

/**
 * @param take Gives the newest snapshot. null: there was none to be had, and the last one stays.
 * @param frameMs Time between two frames.
 */
export function showLive(io: Io, take: () => Promise<Snapshot | null>, frameMs = FRAME_MS): LiveView {
  const history = new History();
  const screen = new Screen(io);
  const colour = wantsColour(io);
  let stopped = false;
  let drawing = false;
  const draw = async () => {
    // A tunnel that answers slowly is asked again when it has answered.
    if (drawing) return;
    drawing = true;
    const snapshot = await take().catch(() => null);
    drawing = false;
    if (isOver() || snapshot === null) return;
    history.add(snapshot);
    const terminal = io.terminal();
    if (terminal === null) io.out(`${renderLiveLine(history)}\n`);
    else screen.draw(paint(renderLive(history, terminal.columns), terminal.columns, colour));
  };
  const isOver = () => stopped;
  const timer = setInterval(() => void draw(), frameMs);
  void draw();
  const stop = () => {
    if (stopped) return;
    stopped = true;
    clearInterval(timer);
    process.removeListener("exit", stop);
    screen.end();
  };
  // A second signal and an exception end the process at once. The cursor has to be there all the same.
  process.on("exit", stop);
  return { stop };
}
