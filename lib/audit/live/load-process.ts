/**
 * The process of a load: `load-process.js KIND LIMIT_MS`. This thread only watches, so that it notices at once if the
 * process that started it ends. Other threads do the work.
 */
import { statfsSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { Worker } from "node:worker_threads";
import type { LoadKind, LoadMessage } from "./load.js";
import type { Task } from "./load-worker.js";

/** All threads together take no more than this share of the free memory, so that the tunnel doesn't run out of it. */
const MEMORY_SHARE = 0.25;
/** What each thread writes over and over, bytes: far more than the caches hold. */
const MEMORY_BYTES = 128 * 1024 * 1024;
/** File systems that are memory (statfs(2)): tmpfs, ramfs. */
const NO_DISK = new Set([0x0102_1994, 0x8584_58f6]);

const [kind, limitMs] = process.argv.slice(2) as [LoadKind, string];

function say(message: LoadMessage, said?: () => void): void {
  process.send!(message, undefined, undefined, said);
}

function fail(why: string): void {
  say({ type: "failed", why }, () => process.exit(1));
}

/** Starts a thread. Resolves, once it works, with what it says then. */
function start(task: Task): Promise<unknown> {
  const worker = new Worker(new URL("./load-worker.js", import.meta.url), { workerData: task });
  worker.on("error", (error) => fail(error.message));
  worker.on("exit", () => fail("a thread ended"));
  return new Promise((resolve) => worker.once("message", resolve));
}

function onEveryCore(task: Task): Promise<unknown> {
  return Promise.all(Array.from({ length: availableParallelism() }, () => start(task)));
}

function memoryTask(): Task {
  const share = (process.availableMemory() * MEMORY_SHARE) / availableParallelism();
  return { work: "memory", bytes: Math.floor(Math.min(MEMORY_BYTES, share)) };
}

/** The folder for temporary files, unless that is in memory and there is another for those that outlive a boot. */
function diskFolder(): string {
  const onDisk = (folder: string) => {
    try {
      return !NO_DISK.has(statfsSync(folder).type);
    } catch {
      return false;
    }
  };
  return [tmpdir(), "/var/tmp"].find(onDisk) ?? tmpdir();
}

async function startAll(): Promise<void> {
  switch (kind) {
    case "cpu":
      await onEveryCore({ work: "cpu" });
      break;
    case "memory":
      await onEveryCore(memoryTask());
      break;
    case "disk":
      await start({ work: "disk", folder: diskFolder() });
      break;
    case "interrupts":
      await start({ work: "flood", port: (await start({ work: "drain" })) as number });
      break;
  }
}

// Asked to end, or orphaned: there is nothing to clean up that the kernel wouldn't.
process.on("message", () => process.exit(0));
process.on("disconnect", () => process.exit(0));
// Or orphaned while this was loaded.
if (!process.connected) process.exit(0);
await startAll();
setTimeout(() => fail(`nobody had ended it within ${Number(limitMs) / 1000} s`), Number(limitMs));
say({ type: "working" });
