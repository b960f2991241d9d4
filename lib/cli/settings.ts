/**
 * What was asked for: flags, config file and environment put together. A flag goes before the config file, and the
 * config file before the environment. If two settings exclude each other, the nearer source wins; both from one source
 * are an error.
 */
import { I405Error } from "../common/errors.js";
import { readConfig, type FlagValue } from "./config.js";
import { FLAGS } from "./flag-table.js";
import type { Flag, TunnelCommand } from "./flag.js";
import { flagsOf } from "./flags.js";

export interface Given {
  value: FlagValue;
  /** `flags` or the config file's name. */
  source: string;
}

export type Settings = ReadonlyMap<string, Given>;

export const FROM_FLAGS = "flags";

/** Of each group at most one. */
const EXCLUSIVE: readonly (readonly string[])[] = [
  ["up-speed", "up-packet-interval"],
  ["down-speed", "down-packet-interval"],
  ["no-sched-fifo", "require-sched-fifo"],
  ["password", "password-file", "private-key-file"],
  ["password", "password-file", "peer-public-key"],
  ["password", "password-file", "preshared-key-file"],
  ["json", "log-format"],
  ["json", "live"],
  ["status-socket", "no-status-socket"],
];

/** Every name that a config file could mean, of either command. */
const ALL_NAMES: ReadonlySet<string> = new Set(FLAGS.flatMap(({ name, aliases }) => [name, ...(aliases ?? [])]));

/** The flags as the command line gave them, each alias under its flag's own name. */
export class GivenFlags {
  readonly values = new Map<string, Given>();
  readonly #spelled = new Map<string, string>();

  /** @throws {I405Error} `ERR_I405_USAGE` if it was given before and can't be repeated. */
  add(flag: Flag, spelled: string, text: string | undefined): void {
    const before = this.values.get(flag.name);
    if (before === undefined) {
      this.#spelled.set(flag.name, spelled);
      this.values.set(flag.name, { value: readText(flag, text), source: FROM_FLAGS });
      return;
    }
    if (flag.kind === "texts" && Array.isArray(before.value)) {
      (before.value as string[]).push(text ?? "");
      return;
    }
    const first = this.#spelled.get(flag.name) ?? flag.name;
    const other = first === spelled ? `--${spelled} is given twice` : `--${first} and --${spelled} are the same`;
    throw usageError(flag.name, `${other}. Leave one of the two out`);
  }
}

function readText(flag: Flag, text: string | undefined): FlagValue {
  if (flag.kind === "switch") return true;
  if (text === undefined) return "";
  if (flag.kind === "texts") return [text];
  // A value that isn't a number stays as it is, so that the option's own message quotes it.
  if (flag.kind === "integers" && /^\d+(,\d+)+$/.test(text)) return text.split(",").map(Number);
  const isNumber = flag.kind === "integer" || flag.kind === "integers";
  return isNumber && /^(\d+|0x[0-9a-f]+)$/i.test(text) ? Number(text) : text;
}

/** Flags and config file as one. @throws {I405Error} `ERR_I405_USAGE`, `ERR_I405_CONFIG`, `ERR_I405_SECRET_FILE` */
export function mergeSettings(command: TunnelCommand, flags: ReadonlyMap<string, Given>): Settings {
  const merged = new Map<string, Given>();
  const config = flags.get("config")?.value;
  if (typeof config === "string") {
    for (const [name, value] of readConfig(config, flagsOf(command), ALL_NAMES)) {
      // `no-sched-fifo = false` is the same as leaving it out.
      if (value !== false) merged.set(name, { value, source: config });
    }
  }
  refuseContradictions(merged);
  for (const group of EXCLUSIVE) {
    if (group.some((name) => flags.has(name))) for (const name of group) merged.delete(name);
  }
  for (const [name, given] of flags) merged.set(name, given);
  refuseContradictions(merged);
  return merged;
}

function refuseContradictions(settings: Settings): void {
  for (const group of EXCLUSIVE) {
    const [first, second] = group.filter((name) => settings.has(name));
    if (first === undefined || second === undefined) continue;
    throw usageError(second, `--${second} contradicts --${first}. Leave one of the two out`);
  }
  const device = settings.get("device")?.value ?? "tun";
  const needsTun = ["tun-name", "tun-ipv4", "tun-ipv6", "tun-mtu"].find((name) => settings.has(name));
  if (needsTun !== undefined && device !== "tun") {
    throw usageError(needsTun, `--${needsTun} contradicts --device ${String(device)}. Leave one of the two out`);
  }
  if (settings.has("route") && device !== "tun") {
    throw usageError("route", `--route contradicts --device ${String(device)}. Leave one of the two out`);
  }
}

export function usageError(option: string, message: string): I405Error {
  return new I405Error("ERR_I405_USAGE", message, { option });
}
