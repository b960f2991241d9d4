/**
 * What a program may give up once its tunnels are open: `dropPrivileges` and `forbidCoreDumps` of the public interface.
 * Nothing here happens unasked.
 */
import type { Capability, PrivilegeOptions } from "../../index.js";
import { describe, optionError } from "../common/errors.js";
import { loadAddon } from "./loader.js";
import type { NativeProcess } from "./process.js";

/** Numbers of `linux/capability.h`, of those that a tunnel can have a use for after it has opened. */
export const CAPABILITIES: Readonly<Record<Capability, number>> = {
  "net-admin": 12,
  "net-raw": 13,
  "ipc-lock": 14,
  "sys-nice": 23,
};
/** One past the highest that Linux has. */
const NUMBERS = 64;

/** {@link forbidCoreDumps} of the contract. */
export async function forbidCoreDumps(): Promise<void> {
  const addon = await loadAddon();
  addon.process.forbidDumps();
}

/** {@link dropPrivileges} of the contract. */
export async function dropPrivileges(options: PrivilegeOptions = {}): Promise<void> {
  const addon = await loadAddon();
  const giveUp = planPrivileges(addon.process, options);
  // The tunnels that are open may have threads that never pause, and those change their class as long as they run.
  const { keep = [] } = options;
  if (keep !== "all" && !keep.includes("sys-nice")) addon.process.reserveRealtime();
  giveUp();
}

/**
 * Checks everything that can be refused beforehand.
 * @returns A function that does it.
 * @throws {I405Error} `ERR_I405_OPTION`, `ERR_I405_PRIVILEGES`
 */
export function planPrivileges(native: NativeProcess, options: PrivilegeOptions): () => void {
  return privilegePlan(native, options).giveUp;
}

/** The same, with the user that it changes to. */
export function privilegePlan(native: NativeProcess, options: PrivilegeOptions) {
  refuseUnknown(options);
  const { keep = [], user, group } = options;
  const numbers = keep === "all" ? Array.from({ length: NUMBERS }, (_, bit) => bit) : keepList(keep);
  requireName("user", user);
  requireName("group", group);
  if (group !== undefined && user === undefined) {
    throw optionError({ option: "group", came: describe(group), expected: "a user beside it" });
  }
  const identity = user === undefined ? null : native.findUser(user, group ?? null);
  const giveUp = () => {
    native.giveUpPrivileges({ keep: numbers, user: identity });
  };
  return { giveUp, user: identity };
}

function keepList(keep: unknown): number[] {
  const expected = `"all" or an array of ${Object.keys(CAPABILITIES).join(", ")}`;
  if (!Array.isArray(keep)) throw optionError({ option: "keep", came: describe(keep), expected });
  return keep.map((name: unknown) => {
    const number = typeof name === "string" && Object.hasOwn(CAPABILITIES, name) && CAPABILITIES[name as Capability];
    if (typeof number !== "number") throw optionError({ option: "keep", came: describe(name), expected });
    return number;
  });
}

function requireName(option: string, value: unknown): void {
  if (value === undefined || (typeof value === "string" && value !== "" && !value.includes("\0"))) return;
  throw optionError({ option, came: describe(value), expected: "a name or a number as a string" });
}

function refuseUnknown(options: object): void {
  const unknown = Object.keys(options).find((name) => !["keep", "user", "group"].includes(name));
  if (unknown === undefined) return;
  throw optionError({ option: unknown, came: "an unknown option", expected: "keep, user or group" });
}
