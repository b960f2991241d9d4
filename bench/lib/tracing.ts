/** The kernel's event tracer (tracefs), in an instance of our own: nobody else's tracing is touched. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sleep } from "./bench.js";

/** One event: who was on the core, when, and what. */
export interface TraceEvent {
  task: string;
  /** Counter of the processor: the only clock of the tracer with nanoseconds in its text. */
  tsc: number;
  name: string;
  detail: string;
}

/** KiB a core: some seconds of a core's events. */
const BUFFER_KIB = 65_536;
const LINE = /^\s*(.+)-\d+\s+\[\d+\] \S+ (\d+): ([\w:]+?)(?:\(|: | ->)(.*)$/;

/** Where tracefs is mounted; mounts it for the time of `body` if nobody has. */
async function withTracefs<Value>(body: (folder: string) => Promise<Value>): Promise<Value> {
  const mounted = readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .find(([, , type]) => type === "tracefs")?.[1];
  if (mounted !== undefined) return await body(mounted);
  const folder = mkdtempSync(join(tmpdir(), "i405-tracefs-"));
  try {
    execFileSync("mount", ["-t", "tracefs", "none", folder], { stdio: ["ignore", "ignore", "pipe"] });
  } catch (error) {
    rmdirSync(folder);
    throw new Error("this kernel has no tracefs, or it may not be mounted here", { cause: error });
  }
  try {
    return await body(folder);
  } finally {
    execFileSync("umount", [folder]);
    rmdirSync(folder);
  }
}

/** What happened on one core in so many seconds. Events that this kernel doesn't have are left out. */
export async function traceCore(cpu: number, seconds: number, events: readonly string[]): Promise<TraceEvent[]> {
  return await withTracefs(async (tracefs) => {
    const folder = join(tracefs, "instances", `i405-${process.pid}`);
    const set = (file: string, value: string) => {
      writeFileSync(join(folder, file), value);
    };
    mkdirSync(folder);
    try {
      set("tracing_on", "0");
      set("trace_clock", "x86-tsc");
      set("tracing_cpumask", (1n << BigInt(cpu)).toString(16));
      set("buffer_size_kb", String(BUFFER_KIB));
      for (const event of events) {
        const file = join("events", event, "enable");
        if (existsSync(join(folder, file))) set(file, "1");
      }
      set("tracing_on", "1");
      await sleep(seconds * 1000);
      set("tracing_on", "0");
      return parseTrace(readFileSync(join(folder, "trace"), "utf8"));
    } finally {
      rmdirSync(folder);
    }
  });
}

/** Of the tracer's text; what isn't an event is left out. */
function parseTrace(text: string): TraceEvent[] {
  return text.split("\n").flatMap((line) => {
    const [, task, tsc, name, detail] = LINE.exec(line) ?? [];
    return task === undefined ? [] : [{ task, tsc: Number(tsc), name: name!, detail: detail! }];
  });
}
