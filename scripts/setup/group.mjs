// @ts-check
// Runs a program so that a signal ends it together with all that it has started: a build that goes on by itself after
// the run that wanted it was ended holds locks and cores.
import { spawn } from "node:child_process";
import { constants } from "node:os";

const SIGNALS = /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"]);
/** For programs to put things back, ms. */
const GRACE_MS = 10_000;
const LOOK_MS = 50;

/**
 * @param {string} command
 * @param {string[]} parameters
 * @param {NodeJS.ProcessEnv} environment
 * @returns {Promise<number>} its exit code, or that of a signal as shells have it
 */
export function runInGroup(command, parameters, environment = process.env) {
  const child = spawn(command, parameters, {
    detached: true,
    stdio: ["ignore", "inherit", "inherit"],
    env: environment,
  });
  /** @type {NodeJS.Signals | null} */
  let asked = null;
  const listeners = SIGNALS.map((signal) => {
    const listener = () => {
      asked ??= signal;
      signalGroup(child.pid, signal);
    };
    process.on(signal, listener);
    return /** @type {const} */ ([signal, listener]);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", async (code, signal) => {
      // What it leaves behind after a signal is on its way out, or has to be.
      if (asked !== null) await ended(child.pid);
      for (const [name, listener] of listeners) process.removeListener(name, listener);
      const by = asked ?? signal;
      resolve(by === null ? (code ?? 1) : 128 + constants.signals[by]);
    });
  });
}

/** @param {number | undefined} group */
async function ended(group) {
  const deadline = performance.now() + GRACE_MS;
  while (signalGroup(group, 0)) {
    if (performance.now() > deadline) signalGroup(group, "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/**
 * Whether somebody was there to get it.
 * @param {number | undefined} group
 * @param {NodeJS.Signals | 0} signal
 */
function signalGroup(group, signal) {
  if (group === undefined) return false;
  try {
    process.kill(-group, signal);
    return true;
  } catch {
    return false;
  }
}
