/** What the output flags ask for, parsed: these are the command's own and not options of the public API. */
import { familyOf } from "../common/address-text.js";
import { describe, I405Error } from "../common/errors.js";
import { readHostPort } from "../common/option-readers.js";
import { usageError, type Settings } from "./settings.js";

const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
const LOG_FORMATS = ["text", "json"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export interface OutputSettings {
  logLevel: LogLevel;
  logFormat: LogFormat;
  live: boolean;
  /** Where to serve metrics; null: nowhere. */
  metrics: { address: string; port: number } | null;
  /** A path, `"default"`, or null for none. */
  statusSocket: string | null;
}

/** Value of `statusSocket` that stands for the usual folder, if it can be used. */
export const DEFAULT_SOCKET = "default";

/** @throws {I405Error} `ERR_I405_USAGE` */
export function outputSettings(settings: Settings): OutputSettings {
  const logFormat = settings.has("json") ? "json" : oneOf(settings, "log-format", LOG_FORMATS, "text");
  const live = settings.has("live");
  if (live && logFormat === "json") {
    throw usageError("live", "--live contradicts --log-format json. Leave one of the two out");
  }
  return {
    logLevel: oneOf(settings, "log-level", LOG_LEVELS, "info"),
    logFormat,
    live,
    metrics: metricsAddress(settings),
    statusSocket: settings.has("no-status-socket")
      ? null
      : (settings.get("status-socket")?.value.toString() ?? DEFAULT_SOCKET),
  };
}

function oneOf<Choice extends string>(
  settings: Settings,
  flag: string,
  choices: readonly Choice[],
  otherwise: Choice,
): Choice {
  const given = settings.get(flag)?.value ?? otherwise;
  const choice = choices.find((each) => each === given);
  if (choice !== undefined) return choice;
  const expected = `${choices.slice(0, -1).join(", ")} or ${choices.at(-1) ?? ""}`;
  throw usageError(flag, `--${flag}: got ${describe(given)}, expected ${expected}`);
}

/** A literal address: what a name stands for can change, and with it who may read. */
function metricsAddress(settings: Settings): OutputSettings["metrics"] {
  const given = settings.get("metrics")?.value;
  if (given === undefined) return null;
  try {
    const { host, port } = readHostPort("metrics", given, 0);
    if (familyOf(host) !== 0) return { address: host, port };
  } catch (error) {
    if (!(error instanceof I405Error)) throw error;
  }
  throw usageError(
    "metrics",
    `--metrics: got ${describe(given)}, expected an address of this machine and a port: 127.0.0.1:9405, [::1]:9405`,
  );
}
