/**
 * Two network namespaces joined by a virtual cable:
 *
 *     i405t-PID-RANDOM-a                 i405t-PID-RANDOM-b
 *       wire0  10.201.0.1/24  <------->  wire0  10.201.0.2/24
 *              fd00:1405::1/64                  fd00:1405::2/64
 *
 * They are removed by `close()`, when this process ends, and by the next run if this one was killed.
 */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { accessSync, constants, readdirSync } from "node:fs";
import type { Place } from "./program.js";

const PREFIX = "i405t";
const OURS = /^i405t-(\d+)-[0-9a-f]+-[ab]$/;
/** Where iproute2 keeps the names of namespaces. */
const NAMES = "/run/netns";

export interface PairOptions {
  /** MTU of the cable, 1280 to 65535. Default 1500. */
  mtu?: number;
}

function ip(args: readonly string[], input?: string): string {
  return execFileSync("ip", args, { encoding: "utf8", input, stdio: ["pipe", "pipe", "pipe"] });
}

function namespaces(): string[] {
  try {
    return readdirSync(NAMES).filter((name) => OURS.test(name));
  } catch {
    return [];
  }
}

/** Ends what runs inside, then removes the name. Nothing to do is fine. */
function remove(name: string): void {
  try {
    for (const pid of ip(["netns", "pids", name]).split("\n").filter(Boolean)) {
      try {
        process.kill(Number(pid), "SIGKILL");
      } catch {
        // It ended by itself.
      }
    }
    ip(["netns", "delete", name]);
  } catch {
    // It is gone already.
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Removes namespaces of test processes that are no more. Returns their names. */
export function sweep(): string[] {
  const stale = namespaces().filter((name) => !alive(Number(OURS.exec(name)![1])));
  stale.forEach(remove);
  return stale;
}

function reasonAgainst(): string | null {
  if (process.platform !== "linux") return "network namespaces are Linux's";
  if (process.getuid?.() !== 0) return "not root";
  try {
    execFileSync("ip", ["-V"], { stdio: "ignore" });
  } catch {
    return "no `ip` command: install iproute2";
  }
  try {
    accessSync("/dev/net/tun", constants.R_OK | constants.W_OK);
  } catch {
    return "no /dev/net/tun";
  }
  const trial = `${PREFIX}-${process.pid}-${randomBytes(4).toString("hex")}-a`;
  try {
    ip(["netns", "add", trial]);
    return null;
  } catch (error) {
    return `no network namespace can be made: ${(error as Error).message.trim()}`;
  } finally {
    remove(trial);
  }
}

let knownReason: string | null | undefined;

/**
 * Why namespaces can't be used here, or null if they can.
 * @throws in CI, where a test that can't run has failed.
 */
export function canUseNetns(): string | null {
  knownReason ??= reasonAgainst();
  if (knownReason !== null && process.env.CI) throw new Error(`network namespaces are needed in CI: ${knownReason}`);
  return knownReason;
}

/** One side. */
export class Netns implements Place {
  /** The interface at this end of the cable. */
  readonly device = "wire0";

  constructor(
    readonly name: string,
    readonly ipv4: string,
    readonly ipv6: string,
  ) {}

  command(argv: readonly string[]): string[] {
    return ["ip", "netns", "exec", this.name, ...argv];
  }

  /** Runs a command to its end; its stdout. */
  exec(argv: readonly string[]): string {
    const [command, ...rest] = this.command(argv);
    return execFileSync(command!, rest, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  }

  /** `ip` inside, in one go: `["link set wire0 down", ...]`. */
  ip(lines: readonly string[]): void {
    ip(["-n", this.name, "-batch", "-"], `${lines.join("\n")}\n`);
  }

  /** Names of its network interfaces. */
  interfaces(): string[] {
    const links = JSON.parse(ip(["-n", this.name, "-json", "link", "show"])) as { ifname: string }[];
    return links.map(({ ifname }) => ifname);
  }
}

const open = new Set<NetnsPair>();

function closeAll(): void {
  for (const pair of open) pair.close();
}

function closeAndDie(signal: NodeJS.Signals): void {
  closeAll();
  process.kill(process.pid, signal);
}

/** Two ends of a virtual cable. */
export class NetnsPair implements Disposable {
  readonly a: Netns;
  readonly b: Netns;

  constructor({ mtu = 1500 }: PairOptions = {}) {
    sweep();
    if (open.size === 0) {
      process.once("exit", closeAll);
      process.once("SIGINT", closeAndDie);
      process.once("SIGTERM", closeAndDie);
    }
    const stem = `${PREFIX}-${process.pid}-${randomBytes(4).toString("hex")}`;
    this.a = new Netns(`${stem}-a`, "10.201.0.1", "fd00:1405::1");
    this.b = new Netns(`${stem}-b`, "10.201.0.2", "fd00:1405::2");
    open.add(this);
    try {
      for (const { name } of [this.a, this.b]) ip(["netns", "add", name]);
      const end = ({ name, device }: Netns) => ["name", device, "mtu", String(mtu), "netns", name];
      ip(["link", "add", ...end(this.a), "type", "veth", "peer", ...end(this.b)]);
      for (const side of [this.a, this.b]) {
        side.ip([
          "link set lo up",
          // No link-local address: nothing is sent that no test asked for.
          `link set ${side.device} addrgenmode none`,
          `link set ${side.device} up`,
          `address add ${side.ipv4}/24 dev ${side.device}`,
          `address add ${side.ipv6}/64 dev ${side.device} nodad`,
        ]);
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Ends what still runs inside and removes both. Idempotent. */
  close(): void {
    if (!open.delete(this)) return;
    remove(this.a.name);
    remove(this.b.name);
    if (open.size === 0) {
      process.removeListener("exit", closeAll);
      process.removeListener("SIGINT", closeAndDie);
      process.removeListener("SIGTERM", closeAndDie);
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
