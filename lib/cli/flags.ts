/** Looks flags of `i405 server` and `i405 client` up, by command or by the option that they set. `flag-table.ts` has them. */
import { FLAGS } from "./flag-table.js";
import type { Flag, TunnelCommand } from "./flag.js";

/** The flags of a command. */
export function flagsOf(command: TunnelCommand): Flag[] {
  return FLAGS.filter(({ only }) => only === undefined || only === command);
}

/**
 * The flag's name for an option of the public API, or undefined. If several flags set the option, it is the one that
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
