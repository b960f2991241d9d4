/** What the kernel says of a process's credentials, thread by thread. */
import { readdirSync, readFileSync } from "node:fs";

export interface Credentials {
  name: string;
  uids: number[];
  gids: number[];
  groups: number[];
  /** Capability sets as numbers. */
  permitted: bigint;
  effective: bigint;
  inheritable: bigint;
  bounding: bigint;
  ambient: bigint;
  noNewPrivs: boolean;
}

function parse(status: string): Credentials {
  const fields = new Map(status.split("\n").map((line) => line.split(":\t", 2) as [string, string]));
  const text = (name: string) => fields.get(name) ?? "";
  const numbers = (name: string) => text(name).trim().split(/\s+/).filter(Boolean).map(Number);
  const set = (name: string) => BigInt(`0x${text(name)}`);
  return {
    name: text("Name"),
    uids: numbers("Uid"),
    gids: numbers("Gid"),
    groups: numbers("Groups"),
    permitted: set("CapPrm"),
    effective: set("CapEff"),
    inheritable: set("CapInh"),
    bounding: set("CapBnd"),
    ambient: set("CapAmb"),
    noNewPrivs: text("NoNewPrivs") === "1",
  };
}

/** Of every thread of a process. */
export function threadsOf(pid: number): Credentials[] {
  const folder = `/proc/${pid}/task`;
  return readdirSync(folder).map((tid) => parse(readFileSync(`${folder}/${tid}/status`, "utf8")));
}

/** Capability sets of these numbers. */
export function capabilities(...numbers: number[]): bigint {
  return numbers.reduce((set, number) => set | (1n << BigInt(number)), 0n);
}

/** Numbers of `linux/capability.h`. */
export const NET_ADMIN = 12;
export const SYS_NICE = 23;
