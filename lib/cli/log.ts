/**
 * The log of `i405 server` and `i405 client`: records with a level, a time, an event and its fields. pino makes and
 * filters them. Here they become lines for people, or stay JSON.
 */
import { pino, type DestinationStream, type Logger } from "pino";
import { errorLines } from "./explain.js";
import type { Io } from "./io.js";
import type { LogFormat, LogLevel } from "./output-settings.js";
import type { Log } from "./plain-log.js";

export interface LogOptions {
  format: LogFormat;
  level: LogLevel;
  /** In front of errors: `i405 client`. */
  program: string;
  now?: () => Date;
}

/** No record has such a field. If one ever gets one, it isn't written. */
const SECRET_FIELDS = ["password", "privateKey", "presharedKey", "key"].flatMap((name) => [name, `*.${name}`]);

/** What a line for people is made of. */
interface TextRecord {
  level: LogLevel;
  msg: string;
}

export function startLog(io: Pick<Io, "out" | "err">, options: LogOptions): Log {
  const { format, level, program, now = () => new Date() } = options;
  const isJson = format === "json";
  const out = withLosses(io.out, (records) => {
    const message = `${records} records of this log could not be written: a full disk, or a file that is too large`;
    const warning = { code: "I405_LOG_LOST", message, remedy: "Make room where it is written to" };
    const fields = { level: "warn", time: now().toISOString(), event: "warning", ...warning };
    return isJson ? JSON.stringify(fields) : `warning: ${message} (${warning.code})\n  ${warning.remedy}`;
  });
  const logger = pino(
    {
      level,
      // Whoever collects logs knows process and host already.
      base: null,
      formatters: { level: (label) => ({ level: label }) },
      timestamp: () => `,"time":"${now().toISOString()}"`,
      redact: { paths: SECRET_FIELDS, censor: "[redacted]" },
    },
    isJson ? { write: out } : textLines({ out, err: io.err }),
  );
  return {
    say: (event, fields, text, level = "info") => record(logger, level, { event, ...fields }, text),
    fail: (explained) => {
      const { code, message, option } = explained;
      // People get the code and the program's name in the line itself, programs get them as fields.
      const text = isJson ? message : errorLines(explained, program);
      record(logger, "error", { event: "error", code, message, option }, text);
    },
  };
}

/** Counts the records that can't be written, and writes the count before the next record that can. */
function withLosses(write: (text: string) => unknown, notice: (records: number) => string): (text: string) => void {
  let lost = 0;
  return (text) => {
    if (lost > 0 && write(`${notice(lost)}\n`) !== false) lost = 0;
    if (lost > 0 || write(text) === false) lost += 1;
  };
}

function record(logger: Logger, level: LogLevel, fields: object, text: string): void {
  logger[level](fields, text);
}

/** The text of each record, errors on standard error. Without a text it is for programs only. */
function textLines(io: Pick<Io, "out" | "err">): DestinationStream {
  return {
    write: (line) => {
      const { level, msg } = JSON.parse(line) as TextRecord;
      if (msg === "") return;
      if (level === "error") io.err(`${msg}\n`);
      else io.out(`${level === "debug" ? "debug: " : ""}${msg}\n`);
    },
  };
}
