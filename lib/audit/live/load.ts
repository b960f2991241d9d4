/**
 * Makes this machine busy without any program but Node's own. A process of its own does the work, so that it disturbs
 * the tunnel's process only through the machine that both share. It ends when this process does, however that ends.
 */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { I405Error } from "../../common/errors.js";
import { hereError } from "./errors.js";

/** What a load keeps busy: `cpu` and `memory` on every core, `disk` and `interrupts` (of the network) on one or two. */
export type LoadKind = "cpu" | "memory" | "disk" | "interrupts";

export interface Load {
  /** Of the process that does the work. */
  readonly pid: number;
  /**
   * Resolves once the process has ended; nothing of it is left then. It may be called again.
   * @throws {I405Error} `ERR_I405_AUDIT_HERE` if the load had ended before, and why
   */
  stop(): Promise<void>;
}

export interface LoadOptions {
  /** The load ends by itself after this time, ms, so that a forgotten one doesn't stay for ever. Default 10 minutes. */
  limitMs?: number;
}

/** What the process says: that everything works, or why nothing does any more. */
export type LoadMessage = { type: "working" } | { type: "failed"; why: string };

const LIMIT_MS = 600_000;
/** For the first turn of everything; on a busy machine with a slow disk it takes seconds. */
const PATIENCE_MS = 60_000;
/** For the last turn of everything, before SIGKILL. */
const GRACE_MS = 10_000;
/** How many characters of what Node says when it dies are shown, from the end. */
const SHOWN_LENGTH = 300;

/**
 * Resolves once the load is under way.
 * @throws {I405Error} `ERR_I405_AUDIT_HERE`
 */
export async function startLoad(kind: LoadKind, { limitMs = LIMIT_MS }: LoadOptions = {}): Promise<Load> {
  const program = fileURLToPath(new URL("./load-process.js", import.meta.url));
  const child = fork(program, [kind, String(limitMs)], {
    // A session of its own: Ctrl-C in a terminal asks the audit to end, which then ends the load.
    detached: true,
    // The load doesn't inherit options for debugging or evaluating, which are meant for this process.
    execArgv: [],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let why = "";
  let stderr = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => (stderr = `${stderr}${text}`.slice(-SHOWN_LENGTH)));
  const working = new Promise<null>((resolve) => {
    child.on("message", (message: LoadMessage) => {
      if (message.type === "working") resolve(null);
      else why = message.why;
    });
  });
  /** Null: an end that was asked for. */
  const ended = new Promise<I405Error | null>((resolve) => {
    child.once("error", (error) => {
      resolve(hereError(`the load "${kind}" can't be started: ${error.message}`, error));
    });
    child.once("close", (code, signal) => {
      if (code === 0) return resolve(null);
      why ||= [signal ?? `exit code ${String(code)}`, stderr.trim()].filter(Boolean).join(", ");
      resolve(hereError(`the load "${kind}" ended early: ${why}`));
    });
  });

  const patience = setTimeout(() => {
    why = `nothing worked within ${PATIENCE_MS / 1000} s`;
    child.kill("SIGKILL");
  }, PATIENCE_MS);
  const failed = await Promise.race([working, ended]).finally(() => clearTimeout(patience));
  if (failed !== null) throw failed;

  let stopping: Promise<void> | undefined;
  const stop = async () => {
    const grace = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
    // Not `disconnect`, after which Node emits no "close". A load that has ended already doesn't listen.
    if (child.connected) child.send("end", () => undefined);
    const early = await ended.finally(() => clearTimeout(grace));
    if (early !== null && !child.killed) throw early;
  };
  return { pid: child.pid!, stop: () => (stopping ??= stop()) };
}
