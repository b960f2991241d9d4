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
import { accessSync, constants } from "node:fs";
import { ip, ipInside, NetnsCable, netnsNames, removeNetns, sweepNetns } from "../../lib/audit/live/netns.js";
import type { Place } from "./program.js";

const PREFIX = "i405t";

export interface PairOptions {
  /** MTU of the cable, 1280 to 65535. Default 1500. */
  mtu?: number;
}

/** Removes namespaces of test processes that are no more. Returns their names. */
export function sweep(): string[] {
  return sweepNetns(PREFIX);
}

function reasonAgainst(): string | null {
  if (process.platform !== "linux") return "network namespaces are Linux's";
  if (process.getuid?.() !== 0) return "not root";
  try {
    ip(["-V"]);
  } catch {
    return "no `ip` command: install iproute2";
  }
  try {
    accessSync("/dev/net/tun", constants.R_OK | constants.W_OK);
  } catch {
    return "no /dev/net/tun";
  }
  const [trial] = netnsNames(PREFIX, ["a"]);
  try {
    ip(["netns", "add", trial]);
    return null;
  } catch (error) {
    return `no network namespace can be made: ${(error as Error).message.trim()}`;
  } finally {
    removeNetns(trial);
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
    ipInside(this.name, lines);
  }

  /** Names of its network interfaces. */
  interfaces(): string[] {
    const links = JSON.parse(ip(["-n", this.name, "-json", "link", "show"])) as { ifname: string }[];
    return links.map(({ ifname }) => ifname);
  }
}

const open = new Set<NetnsPair>();

/** A test that is told to end takes its namespaces with it. */
function closeAndDie(signal: NodeJS.Signals): void {
  for (const pair of open) pair.close();
  process.kill(process.pid, signal);
}

/** Two ends of a virtual cable. */
export class NetnsPair implements Disposable {
  readonly a: Netns;
  readonly b: Netns;
  readonly #cable: NetnsCable;

  constructor({ mtu = 1500 }: PairOptions = {}) {
    sweep();
    const [a, b] = netnsNames(PREFIX, ["a", "b"]);
    this.a = new Netns(a, "10.201.0.1", "fd00:1405::1");
    this.b = new Netns(b, "10.201.0.2", "fd00:1405::2");
    if (open.size === 0) {
      process.once("SIGINT", closeAndDie);
      process.once("SIGTERM", closeAndDie);
    }
    open.add(this);
    try {
      this.#cable = new NetnsCable([cableEnd(this.a), cableEnd(this.b)], mtu);
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  /** Ends what still runs inside and removes both. Idempotent. */
  close(): void {
    this.#cable.close();
    this.#forget();
  }

  #forget(): void {
    open.delete(this);
    if (open.size > 0) return;
    process.removeListener("SIGINT", closeAndDie);
    process.removeListener("SIGTERM", closeAndDie);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function cableEnd({ name, device, ipv4, ipv6 }: Netns) {
  return { name, device, addresses: [`${ipv4}/24`, `${ipv6}/64 nodad`] };
}
