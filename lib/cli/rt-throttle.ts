/**
 * `--lift-rt-throttle`: the kernel's limit on real-time threads is lifted while a command runs, and put back at its
 * end, whatever that end is.
 *
 * The limit is the whole machine's, and several commands may want it lifted. Each holds it by a file in a folder of
 * `/run`. The first writes down what the limit was, and the last to go puts that back. A holder whose process is gone
 * doesn't count. The command puts the limit back itself at any exit that it sees. For those that it doesn't see
 * (SIGKILL), a guard waits for the end of a pipe.
 *
 * The kernel's fair server (from Linux 6.12 on) is left alone. It lets starving ordinary threads in for as long as they
 * have work, at most 50 ms a second. Without it, the kernel's own threads of that core would starve.
 */
import { accessSync, constants, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { I405Error } from "../common/errors.js";
import { prepareOwnFolder } from "../common/own-folder.js";
import { withLock } from "./link-lock.js";
import { startGuard, type Guard } from "./guard.js";

/** Where things are; tests have their own. */
export interface Places {
  /** The limit, in microseconds of each period; -1: none. */
  limit: string;
  /** Folder in which the commands see each other. */
  folder: string;
  /** `/proc`. */
  processes: string;
}

export const PLACES: Places = {
  limit: "/proc/sys/kernel/sched_rt_runtime_us",
  folder: "/run/i405/rt-throttle",
  processes: "/proc",
};

const NO_LIMIT = "-1";
/** File with what the limit was. */
const FORMER = "former";

/**
 * Lifts the limit for this process.
 *
 * @returns A function that puts it back, and may be called at any time and any number of times. null: there was no
 *   limit to lift.
 * @throws {I405Error} `ERR_I405_RT_THROTTLE` if that isn't permitted.
 */
export function liftRtThrottle(places: Places = PLACES): (() => void) | null {
  const holder = holderName(process.pid, places);
  const former = whereWritable(places, () => hold(holder, places));
  if (former === null) return null;
  const guard = startThrottleGuard(holder, former, places);
  const putBack = () => {
    process.removeListener("exit", putBack);
    if (letGo(holder, places)) guard.say("ended");
    guard.leave();
  };
  process.on("exit", putBack);
  return putBack;
}

function whereWritable<Value>({ limit }: Places, act: () => Value): Value {
  try {
    return act();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new I405Error(
      "ERR_I405_RT_THROTTLE",
      `--lift-rt-throttle: the kernel's real-time limit can't be lifted: ${reason}\nRun it as root, or lift it beforehand: ` +
        `echo ${NO_LIMIT} | sudo tee ${limit}`,
      { option: "lift-rt-throttle", cause },
    );
  }
}

/** A process by its number and start time, because numbers are used again. */
function holderName(pid: number, places: Places): string {
  return `${pid}-${startTime(pid, places) ?? "?"}`;
}

function startTime(pid: number, { processes }: Places): string | null {
  try {
    const stat = readFileSync(join(processes, String(pid), "stat"), "utf8");
    // Fields from the third on; the second, the name, may hold anything. The 22nd is the start time (proc_pid_stat(5)).
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[22 - 3] ?? null;
  } catch {
    return null;
  }
}

function holders(places: Places): string[] {
  const { folder } = places;
  return readdirSync(folder).filter((name) => {
    const pid = /^(\d+)-/.exec(name)?.[1];
    if (pid === undefined) return false;
    if (holderName(Number(pid), places) === name) return true;
    rmSync(join(folder, name), { force: true });
    return false;
  });
}

/** What the limit was before the first holder; null if there is none, or somebody else has lifted it. */
function hold(holder: string, places: Places): string | null {
  const { folder, limit } = places;
  // Nothing is left in /run where the limit can't be written.
  accessSync(limit, constants.W_OK);
  // The last one to go, root maybe, puts back what is written there as the former limit.
  prepareOwnFolder(dirname(folder));
  prepareOwnFolder(folder);
  return locked(places, () => {
    const now = readFileSync(limit, "utf8").trim();
    const others = holders(places);
    const known = formerLimit(places);
    // A former limit without holders is that of a command that was killed together with its guard.
    if (now === NO_LIMIT && known === null) return null;
    const former = known !== null && (now === NO_LIMIT || others.length > 0) ? known : now;
    writeFileSync(join(folder, FORMER), former);
    writeFileSync(join(folder, holder), "");
    try {
      writeFileSync(limit, NO_LIMIT);
    } catch (error) {
      rmSync(join(folder, holder), { force: true });
      throw error;
    }
    return former;
  });
}

/** Ends a hold; the last one puts the limit back. False: it could not be done. */
export function letGo(holder: string, places: Places = PLACES): boolean {
  const { folder, limit } = places;
  try {
    locked(places, () => {
      rmSync(join(folder, holder), { force: true });
      if (holders(places).length > 0) return;
      const former = formerLimit(places);
      // What somebody else has set since is his.
      if (former !== null && readFileSync(limit, "utf8").trim() === NO_LIMIT) writeFileSync(limit, former);
      rmSync(join(folder, FORMER), { force: true });
    });
    return true;
  } catch {
    return false;
  }
}

function formerLimit({ folder }: Places): string | null {
  try {
    const text = readFileSync(join(folder, FORMER), "utf8").trim();
    return /^\d+$/.test(text) ? text : null;
  } catch {
    return null;
  }
}

/** One command at a time. */
function locked<Value>(places: Places, act: () => Value): Value {
  const isAlive = (name: string) => {
    const pid = /^(\d+)-/.exec(name)?.[1];
    return pid !== undefined && holderName(Number(pid), places) === name;
  };
  return withLock({ folder: places.folder, holder: holderName(process.pid, places), isAlive }, act);
}

/**
 * A line on its pipe means that all is well. If the pipe ends without one, this process is gone, or could not put the
 * limit back because it has given up the privilege. Then the guard lets go in its place.
 */
const GUARD = `read -r _ || "$1" "$2" "$3" "$4" "$5" "$6" || echo "$7" > "$4"`;

/** Without a shell there is no guard. The limit is then put back at every exit but a SIGKILL. */
function startThrottleGuard(holder: string, former: string, { limit, folder, processes }: Places): Guard {
  const script = join(dirname(fileURLToPath(import.meta.url)), "rt-guard.js");
  return startGuard(GUARD, [process.execPath, script, holder, limit, folder, processes, former]);
}
