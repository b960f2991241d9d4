#!/usr/bin/env node
/** The `i405` command. Everything that it does is in cli.ts; this is where it meets its process. */
import { loadAddon } from "../native.js";
import { lastResort, runCli } from "./cli.js";
import { EXIT_FAILED } from "./exit-codes.js";
import { processIo } from "./io.js";
import { stopOnSignals } from "./signals.js";

const stop = stopOnSignals();

// Whoever read our output has gone (`i405 client --json | head`): end as at a signal.
process.stdout.on("error", () => {
  stop.request();
});
process.on("uncaughtException", (error) => {
  process.stderr.write(lastResort(error));
  process.exit(EXIT_FAILED);
});

const nativeProcess = async () => (await loadAddon()).process;

// An exit and not an exit code: nothing that is still open may keep a command from ending.
process.exit(await runCli(process.argv.slice(2), { io: processIo, stop, process: nativeProcess }));
