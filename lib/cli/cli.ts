/** The command line from its arguments to its exit code. */
import { CommanderError } from "commander";
import { I405Error } from "../common/errors.js";
import { EXIT_OK, EXIT_USAGE, exitCodeOf } from "./exit-codes.js";
import { errorLines, explainError } from "./explain.js";
import { plainLog } from "./plain-log.js";
import { buildProgram, type Request } from "./program.js";
import { mergeSettings } from "./settings.js";
import type { World } from "./world.js";

/** @param parameters what follows the program's name */
export async function runCli(parameters: readonly string[], world: World): Promise<number> {
  const { io } = world;
  // The audit's `--json` names a file.
  const asksJson = parameters.includes("--json") && parameters[0] !== "audit";
  const isJson = asksJson || parameters.join("=").includes("--log-format=json");
  const log = plainLog(io, isJson, "i405");
  let request: Request | undefined;
  try {
    const program = buildProgram((asked) => (request = asked), { out: (text) => io.out(text) });
    if (parameters.length === 0) {
      program.outputHelp();
      return EXIT_USAGE;
    }
    program.parse(parameters, { from: "user" });
    return request === undefined ? EXIT_OK : await run(request, world);
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT_OK;
    const explained = explainError(error instanceof CommanderError ? usageOf(error) : error);
    log.fail(explained);
    return exitCodeOf(explained.code);
  }
}

/** Commander says what is wrong; what to do about it is ours. */
function usageOf(error: CommanderError): I405Error {
  // A bare `i405` or `i405 help nonsense` has no message of its own.
  const message = error.message.replace(/^error: /, "").replace(/\n\(Did you mean (.*)\?\)$/, ". Did you mean $1?");
  const hint = message.includes("Did you mean") ? "" : ". See i405 --help";
  return new I405Error("ERR_I405_USAGE", `${message}${hint}`, { cause: error });
}

/** Loads only what this command needs. The audit's charts and statistics take longer to load than a tunnel. */
async function run(request: Request, world: World): Promise<number> {
  switch (request.command) {
    case "server":
    case "client": {
      const { runTunnel } = await import("./run.js");
      return runTunnel(request.command, mergeSettings(request.command, request.given.values), world);
    }
    case "status": {
      const { runStatus } = await import("./status/status.js");
      return runStatus(request, world);
    }
    case "demo": {
      const { runDemo } = await import("./demo/demo.js");
      return runDemo(request, world);
    }
    case "audit": {
      const { runAudit } = await import("./audit/audit.js");
      return runAudit(request.flags, request.given, world);
    }
    case "doctor": {
      const { runDoctor } = await import("./doctor/doctor.js");
      return runDoctor(request.flags, world);
    }
    default:
      // Best effort: keys are made without the addon, and on machines that have none.
      await world.process?.().then(
        (process) => {
          process.forbidDumps();
        },
        () => undefined,
      );
      (await import("./keygen.js")).runKeyCommand(request, world.io);
      return EXIT_OK;
  }
}

/** For what escapes everything else: never a stack trace. */
export function lastResort(error: unknown): string {
  return `${errorLines(explainError(error), "i405")}\n`;
}
