/** The records of a command that ends by itself, and what every log of the command line can do. */
import { errorLines, type Explained } from "./explain.js";
import type { Io } from "./io.js";
import type { LogLevel } from "./output-settings.js";

/** Where a command's records go. */
export interface Log {
  /** `event` and `fields` for programs, `text` for people. Level: default `info`. */
  say(event: string, fields: object, text: string, level?: LogLevel): void;
  fail(explained: Explained): void;
}

/** For the commands that end by themselves: everything is said, without levels. */
export function plainLog(io: Io, json: boolean, program: string, now: () => Date = () => new Date()): Log {
  const line = (object: object) => io.out(`${JSON.stringify({ time: now().toISOString(), ...object })}\n`);
  if (json) {
    return {
      say: (event, fields) => line({ event, ...fields }),
      fail: ({ code, message, option }) => line({ event: "error", code, message, option }),
    };
  }
  return {
    // Without a text it is for programs only.
    say: (_event, _fields, text) => {
      if (text !== "") io.out(`${text}\n`);
    },
    fail: (explained) => io.err(`${errorLines(explained, program)}\n`),
  };
}
