/**
 * Takes policy rules back after this process has given up the privilege for it. Routes go with the interface that they
 * lead to; rules don't. If this process is killed the rules stay, as they do without a guard: they lead nowhere then, and the
 * next run takes them over, which a guard that removes them at that moment would spoil.
 */
import { startGuard } from "./guard.js";

export interface RouteGuard {
  /** Carries the commands out and waits for the end of that. */
  takeBack(): void;
  /** They are not needed. */
  dismiss(): void;
}

/** Longest that the kernel may take over the rules, ms. */
const PATIENCE_MS = 5000;

/** @param remove parameters of each `ip`, in order; a failure of one doesn't stop the next. */
export function guardRoutes(remove: readonly (readonly string[])[]): RouteGuard {
  const commands = remove.map((parameters) => ["ip", ...parameters].map(quoted).join(" "));
  // Nobody has asked: the pipe has ended with the process.
  const guard = startGuard(["read -r _ || exit 0", ...commands].join("\n"), [], { PATH: process.env.PATH });
  return {
    takeBack: () => {
      guard.say("take back");
      guard.join(PATIENCE_MS);
    },
    dismiss: () => {
      guard.leave();
    },
  };
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
