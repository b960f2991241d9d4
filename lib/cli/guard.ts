/**
 * A guard is a shell of about a megabyte that waits at a pipe. It keeps the privileges that this process had when it
 * started the guard, and it has a session of its own, so that Ctrl-C in a terminal doesn't reach it. What it does is
 * fixed beforehand: somebody who gets hold of this process later can make that happen early, and nothing else.
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

export interface Guard {
  /** A line to the guard. */
  say(line: string): void;
  /** The end of its pipe. */
  leave(): void;
  /** Is called with each line of the guard's from now on. `null`: the guard is gone. */
  hear(listener: (line: string | null) => void): void;
  /** Waits, without an event loop, as an exit handler has to, until the guard is gone. False: it takes too long. */
  join(timeoutMs: number): boolean;
}

/** Pause between two looks whether a guard is gone, ms. */
const LOOK_MS = 5;

/** @param script for `sh -c`, which gets `parameters` as `$1` and so on. */
export function startGuard(script: string, parameters: readonly string[], environment: NodeJS.ProcessEnv = {}): Guard {
  const child = spawn("/bin/sh", ["-c", `trap '' INT TERM HUP QUIT PIPE\n${script}`, "i405-guard", ...parameters], {
    cwd: "/",
    detached: true,
    env: environment,
    stdio: ["pipe", "pipe", "ignore"],
  });
  // Without a shell there is no guard.
  child.on("error", () => undefined);
  child.stdin.on("error", () => undefined);
  child.unref();
  for (const pipe of [child.stdin, child.stdout]) (pipe as unknown as { unref?(): void }).unref?.();
  return {
    say: (line) => void child.stdin.write(`${line}\n`),
    leave: () => void child.stdin.end(),
    hear: (listener) => {
      createInterface({ input: child.stdout }).on("line", listener);
      child.on("exit", () => {
        listener(null);
      });
    },
    join: (timeoutMs) => {
      const end = performance.now() + timeoutMs;
      while (child.pid !== undefined && runs(child.pid)) {
        if (performance.now() > end) return false;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_MS);
      }
      return true;
    },
  };
}

/** A child that has ended stays as a zombie until the event loop has time for it. */
function runs(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.charAt(stat.lastIndexOf(")") + 2) !== "Z";
  } catch {
    return false;
  }
}
