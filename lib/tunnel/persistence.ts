/** A persistent client tries again if opening fails for a reason that may pass. */
import { I405Error } from "../common/errors.js";
import { Timers, type Clock } from "../native/clock.js";
import type { MachineReport } from "../session/machine.js";
import { notOpenYet } from "../session/warnings.js";

/** Ours: pause between two attempts to open, ms: a name server or an interface takes seconds to be there. */
const AGAIN_MS = 2000;

/**
 * Errors that may pass by themselves, or when somebody else gets on: a network that is not there yet, a name server, an
 * address or interface that an earlier process still has.
 */
const PASSING: ReadonlySet<string> = new Set([
  "ERR_I405_RESOLVE",
  "ERR_I405_ROUTE",
  "ERR_I405_ADDRESS",
  "ERR_I405_ADDRESS_IN_USE",
  "ERR_I405_TUN_IN_USE",
]);

/** What it needs of the tunnel that opens. */
export interface Opener {
  report: MachineReport;
  /** Throws if the tunnel was closed meanwhile. */
  requireOpen(): void;
}

/** Opens. If persistent, tries again and again, with a warning for each new reason. */
export async function persistently<Opened>(
  opener: Opener,
  persistent: boolean,
  clock: Clock,
  open: () => Promise<Opened>,
): Promise<Opened> {
  let told = "";
  for (;;) {
    try {
      return await open();
    } catch (error) {
      if (!persistent || !(error instanceof I405Error) || !PASSING.has(error.code)) throw error;
      if (error.message !== told) opener.report.warning(notOpenYet(error, AGAIN_MS));
      told = error.message;
    }
    await pause(clock);
    opener.requireOpen();
  }
}

async function pause(clock: Clock): Promise<void> {
  // The clock's timers don't keep a program alive, and there is no tunnel yet that would.
  const alive = setInterval(() => undefined, 2 ** 30);
  try {
    await new Promise<void>((resolve) => {
      new Timers<"again">(clock).set("again", AGAIN_MS, resolve);
    });
  } finally {
    clearInterval(alive);
  }
}
