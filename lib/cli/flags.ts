/**
 * Every flag of `i405 server` and `i405 client`, once: its name on the command line and in a config file, the option
 * of the public API that it sets, and what `--help` says. What the values mean is parsed behind the API and not here.
 */
import { FLAGS } from "./flag-table.js";

export type TunnelCommand = "server" | "client";

export type FlagKind = "text" | "integer" | "integers" | "texts" | "switch";

export interface Flag {
  /** Long name without dashes; the key in a config file. */
  name: string;
  /** Other names for the same thing. */
  aliases?: readonly string[];
  kind: FlagKind;
  /** Shown in help: `<bytes>`. Not for switches. */
  value?: string;
  help: string;
  group: string;
  /** Path of the option of the public API that it sets and that an error names. */
  option?: string;
  only?: TunnelCommand;
}

/** The flags of a command. */
export function flagsOf(command: TunnelCommand): Flag[] {
  return FLAGS.filter(({ only }) => only === undefined || only === command);
}

/**
 * What to call an option of the public API on the command line, or undefined. Where several flags set it, the one that
 * was given.
 */
export function flagOfOption(
  option: string,
  command: TunnelCommand,
  given: (flag: Flag) => boolean = () => false,
): Flag | undefined {
  const flags = flagsOf(command);
  const exact = flags.filter((flag) => flag.option === option);
  if (exact.length > 0) return exact.find(given) ?? exact[0];
  // `--jitter-shape` sets both directions.
  if (option === "down.jitterShape") return flags.find(({ name }) => name === "jitter-shape");
  if (option === "key") return flags.find(({ name }) => name === "private-key-file");
  // `device.tun.ipv4[1]`, for example.
  const parent = option.replace(/(\[\d+\]|\.[^.[]+)$/, "");
  return parent === option ? undefined : flagOfOption(parent, command, given);
}
