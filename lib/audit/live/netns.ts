/**
 * Network namespaces joined by a virtual cable: how `ip` makes them, and how they go again. Their names,
 * PREFIX-PID-RANDOM-x, say which process made them. So those of a process that was killed can be told from those in
 * use.
 *
 * All of it is synchronous, because an exit handler may not wait.
 */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { hereError } from "./errors.js";

/** Where iproute2 keeps the names of namespaces. */
const NAMES = "/run/netns";

/**
 * Runs `ip`, and returns its standard output.
 * @throws {I405Error} `ERR_I405_AUDIT_HERE`, with what `ip` said
 */
export function ip(parameters: readonly string[], input = ""): string {
  const { error, status, stdout, stderr } = spawnSync("ip", parameters, { encoding: "utf8", input });
  if (error !== undefined) throw hereError(`ip does not run: ${error.message}`, error);
  if (status === 0) return stdout;
  throw hereError(`ip ${parameters.join(" ")}: ${stderr.trim() || `exit code ${String(status)}`}`);
}

/** A new name for each side; `sides` are their last letters. */
export function netnsNames<const Sides extends readonly string[]>(prefix: string, sides: Sides) {
  const stem = `${prefix}-${process.pid}-${randomBytes(4).toString("hex")}`;
  return sides.map((side) => `${stem}-${side}`) as { [Side in keyof Sides]: string };
}

/** Ends what runs inside, then removes the name. Nothing to do is fine. */
export function removeNetns(name: string): void {
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

/** Removes namespaces of processes that are no more. Returns their names. */
export function sweepNetns(prefix: string): string[] {
  const ours = new RegExp(`^${prefix}-(\\d+)-[0-9a-f]+-[a-z]$`);
  const stale = namesInUse().filter((name) => {
    const pid = ours.exec(name)?.[1];
    return pid !== undefined && !alive(Number(pid));
  });
  stale.forEach(removeNetns);
  return stale;
}

function namesInUse(): string[] {
  try {
    return readdirSync(NAMES);
  } catch {
    return [];
  }
}

/** One end of a cable, in a namespace of its own. */
export interface CableEnd {
  /** Of the namespace. */
  name: string;
  /** Of the interface. */
  device: string;
  /** What follows `ip address add`, without the interface: `["10.201.0.1/24"]`. */
  addresses: readonly string[];
}

const open = new Set<NetnsCable>();

function closeAll(): void {
  for (const cable of open) cable.close();
}

/** Two namespaces and the cable between them. They are removed by `close()` and when this process ends. */
export class NetnsCable {
  readonly #names: readonly string[];

  /**
   * @param mtu of the cable, bytes
   * @throws {I405Error} `ERR_I405_AUDIT_HERE`; nothing is left behind then
   */
  constructor(ends: readonly [CableEnd, CableEnd], mtu: number) {
    this.#names = ends.map(({ name }) => name);
    if (open.size === 0) process.once("exit", closeAll);
    open.add(this);
    try {
      for (const name of this.#names) ip(["netns", "add", name]);
      const [one, other] = ends.map(({ name, device }) => ["name", device, "mtu", String(mtu), "netns", name]);
      ip(["link", "add", ...one!, "type", "veth", "peer", ...other!]);
      for (const { name, device, addresses } of ends) {
        ipInside(name, [
          "link set lo up",
          // Without link-local addresses, so that nothing is sent that nobody asked for.
          `link set ${device} addrgenmode none`,
          `link set ${device} up`,
          ...addresses.map((address) => `address add ${address} dev ${device}`),
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
    this.#names.forEach(removeNetns);
    if (open.size === 0) process.removeListener("exit", closeAll);
  }
}

/** `ip` inside a namespace, in one go: `["link set wire0 down", ...]`. */
export function ipInside(name: string, lines: readonly string[]): void {
  ip(["-n", name, "-batch", "-"], `${lines.join("\n")}\n`);
}
