/** Signals that end a command: the first asks it to close, a second ends the process at once. */
import { constants } from "node:os";
import { EXIT_SIGNAL } from "./exit-codes.js";

export interface Stop {
  /** Resolves with undefined at the first signal, or when asked to stop. */
  requested: Promise<undefined>;
  isRequested(): boolean;
  /** Does what a first signal does. It has no effect after one. */
  request(): void;
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * npm and timeout(1) pass on a signal that the terminal, or they themselves, sent here already: two signals for one
 * wish.
 */
const ECHO_MS = 100;

/** `exit` runs the exit handlers, which take routes back. */
export function stopOnSignals(exit: (code: number) => void = (code) => process.exit(code)): Stop & { release(): void } {
  let stop!: () => void;
  let asked = false;
  let firstMs = 0;
  const requested = new Promise<undefined>((resolve) => {
    stop = () => {
      asked = true;
      resolve(undefined);
    };
  });
  const onSignal = (signal: NodeJS.Signals) => {
    if (!asked) {
      firstMs = performance.now();
      stop();
    } else if (performance.now() - firstMs > ECHO_MS) {
      exit(EXIT_SIGNAL + constants.signals[signal]);
    }
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return {
    requested,
    isRequested: () => asked,
    request: () => stop(),
    release: () => {
      for (const signal of SIGNALS) process.removeListener(signal, onSignal);
    },
  };
}
