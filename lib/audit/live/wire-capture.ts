/**
 * Writes down what a tunnel's wire shows, with tcpdump: the kernel's own timestamps in nanoseconds, and the headers of
 * one UDP port. A shell holds tcpdump by a pipe, so that it ends with this process, however that ends.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { hereError } from "./errors.js";

export interface WireCaptureOptions {
  /** The interface. */
  device: string;
  /** UDP port, of either end. */
  port: number;
  /** Where to write; overwritten. Its name ends with `.pcap`, because AppArmor may let tcpdump write nothing else. */
  file: string;
  /** Runs it elsewhere, in a network namespace. */
  command?: (argv: readonly string[]) => string[];
  /** The program that is run; tests have another. Default `tcpdump`. */
  program?: string;
}

/** What tcpdump counted. */
export interface CaptureCounts {
  captured: number;
  /** Came while tcpdump was too slow; an audit would take them for slots that were skipped. */
  dropped: number;
}

export interface WireCapture {
  /**
   * Ends the capture once everything that is on the wire by now is in the file. It may be called again.
   * @throws {I405Error} `ERR_I405_AUDIT_HERE` if the capture had ended before, and why
   */
  stop(): Promise<CaptureCounts>;
}

/** How many bytes of each packet are captured: every header, and as much after them as an audit looks at. */
const SNAP_LENGTH = 128;
/** What waits for tcpdump while others keep it off the cores, KiB: seconds of any tunnel that can be audited. */
const BUFFER_KIB = 32 * 1024;
/** The kernel hands packets on in blocks, a started one after tcpdump's 1 s; what is in it when tcpdump ends is lost, ms. */
const HAND_OVER_MS = 1500;
/** For opening an interface, and for writing what is left, on a busy machine, ms. */
const PATIENCE_MS = 20_000;
/** Of what it says, the end is shown, characters. */
const SHOWN_LENGTH = 300;

const INSTALL = "sudo apt-get install tcpdump";
const AS_ROOT = "Run it as root: sudo i405 audit --here";

/** A shell's: runs its parameters until the end of its input. It must not hold standard error, whose end tells of theirs. */
const HOLD = `"$@" </dev/null & exec >/dev/null 2>&1; read -r _; kill "$!"; wait "$!"`;

/** Why tcpdump can't be used here, with the command that helps; null if it can. */
export function tcpdumpProblem(program = "tcpdump"): string | null {
  // Opens the interface and prints how it would filter.
  const { error, status, stderr } = spawnSync(program, ["-i", "lo", "-d"], { encoding: "utf8" });
  if (error !== undefined) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    return missing ? `tcpdump is missing. Install it: ${INSTALL}` : `tcpdump does not run: ${error.message}`;
  }
  if (status === 0) return null;
  const said = stderr.trim().split("\n").join(" ") || `exit code ${String(status)}`;
  return /permi/i.test(said) ? `tcpdump may not capture (${said}). ${AS_ROOT}` : `tcpdump can't capture: ${said}`;
}

/**
 * Resolves once tcpdump captures.
 * @throws {I405Error} `ERR_I405_AUDIT_HERE`
 */
export async function startWireCapture(options: WireCaptureOptions): Promise<WireCapture> {
  const { device } = options;
  const child = spawnHeld(options);
  let said = "";
  const listening = new Promise<true>((resolve) => {
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said = `${said}${text}`.slice(-SHOWN_LENGTH);
      if (said.includes("listening on")) resolve(true);
    });
  });
  const over = new Promise<false>((resolve) => child.stderr.once("close", () => resolve(false)));
  const closed = new Promise<void>((resolve) => {
    child.once("close", () => resolve());
    child.once("error", (error) => {
      said = error.message;
      resolve();
    });
  });
  /** What tcpdump has said until then, on one line. */
  const end = async (patienceMs: number) => {
    child.stdin.end();
    const timer = setTimeout(() => killGroup(child.pid), patienceMs);
    await closed.finally(() => clearTimeout(timer));
    return said.trim().replaceAll("\n", " ");
  };

  if (!(await Promise.race([listening, over, delay(PATIENCE_MS, false, { ref: false })]))) {
    const why = await end(0);
    throw hereError(`tcpdump on ${device} doesn't capture: ${why || "it says nothing"}`);
  }
  let stopping: Promise<CaptureCounts> | undefined;
  const stop = async () => {
    const runs = await Promise.race([delay(HAND_OVER_MS, true), over]);
    const text = await end(PATIENCE_MS);
    const [captured, dropped] = [/(\d+) packets? captured/, /(\d+) packets? dropped by kernel/].map(
      (pattern) => pattern.exec(text)?.[1],
    );
    if (!runs || captured === undefined) throw hereError(`tcpdump on ${device} ended early: ${text}`);
    return { captured: Number(captured), dropped: Number(dropped ?? 0) };
  };
  return { stop: () => (stopping ??= stop()) };
}

function spawnHeld({ device, port, file, command = (argv) => [...argv], program = "tcpdump" }: WireCaptureOptions) {
  const wanted = ["-i", device, "-p", "--nano", "-s", String(SNAP_LENGTH), "-B", String(BUFFER_KIB)];
  const call = [program, ...wanted, "-U", "-w", "-", "udp", "port", String(port)];
  const [shell, ...parameters] = command(["/bin/sh", "-c", HOLD, "i405-capture", ...call]);
  // Opened here: tcpdump gives up root's rights before it opens files, and may not write everywhere after that.
  const output = open(file);
  try {
    // It has a session of its own. Ctrl-C in a terminal asks the audit to end, which then ends the capture.
    const child = spawn(shell!, parameters, { detached: true, stdio: ["pipe", output, "pipe"] });
    // A capture that has ended doesn't listen.
    child.stdin!.on("error", () => undefined);
    return child as ChildProcess & { stdin: Writable; stderr: Readable };
  } finally {
    closeSync(output);
  }
}

/** The shell and what it runs. */
function killGroup(leader: number | undefined): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, "SIGKILL");
  } catch {
    // They have ended by themselves.
  }
}

function open(file: string): number {
  try {
    return openSync(file, "w");
  } catch (cause) {
    throw hereError(`the capture can't be written: ${(cause as Error).message}`, cause);
  }
}
