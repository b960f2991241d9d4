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

/** Scheduling classes of `sched(7)` by number. */
export const [ORDINARY, FIFO] = [0, 1];

/** The scheduling class of the first thread with this name: ORDINARY or FIFO. */
export function classOf(pid: number, name: string): number | undefined {
  const folder = `/proc/${pid}/task`;
  for (const tid of readdirSync(folder)) {
    const stat = readFileSync(`${folder}/${tid}/stat`, "utf8");
    // The name may hold anything; behind it come the fields from the third on, and the class is the 41st.
    const end = stat.lastIndexOf(")");
    if (stat.slice(stat.indexOf("(") + 1, end) === name) return Number(stat.slice(end + 2).split(" ")[38]);
  }
  return undefined;
}

/** Capability sets of these numbers. */
export function capabilities(...numbers: number[]): bigint {
  return numbers.reduce((set, number) => set | (1n << BigInt(number)), 0n);
}

/** Numbers of `linux/capability.h`. */
export const NET_ADMIN = 12;
export const SYS_NICE = 23;
export const SYS_RESOURCE = 24;
