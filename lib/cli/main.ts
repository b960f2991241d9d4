#!/usr/bin/env node
/** The `i405` command. Everything that it does is in cli.ts; this is where it meets its process. */
import { setImmediate as turn } from "node:timers/promises";
import { loadAddon } from "../native/loader.js";
import { lastResort, runCli } from "./cli.js";
import { EXIT_FAILED, EXIT_MACHINE, EXIT_OK } from "./exit-codes.js";
import { processIo } from "./io.js";
import { outliveTerminals } from "./output.js";
import { stopOnSignals } from "./signals.js";

const parameters = process.argv.slice(2);
const stop = stopOnSignals();
const io = processIo();
const { standardOutput } = io;
outliveTerminals();

process.on("uncaughtException", (error) => {
  io.err(lastResort(error));
  process.exit(EXIT_FAILED);
});

/** A tunnel is there for its packets, so it goes on without a log. The other commands are there for their output. */
const isTunnel = parameters[0] === "client" || parameters[0] === "server";
if (!isTunnel) standardOutput.onFailure = () => stop.request();

const nativeProcess = async () => (await loadAddon()).process;
let code = await runCli(parameters, { io, stop, process: nativeProcess });
// A pipe that nobody reads says so only in the next turn.
await turn();
const { failure } = standardOutput;
if (!isTunnel && failure !== null) {
  // Somebody who closes a pipe (`i405 doctor | head`) has read enough, and knows it.
  if (failure.code !== "EPIPE") io.err(`i405: standard output can't be written: ${failure.message}\n`);
  if (code === EXIT_OK) code = EXIT_MACHINE;
}
// An exit and not an exit code: nothing that is still open may keep a command from ending.
process.exit(code);
