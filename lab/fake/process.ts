/** The part of the addon that concerns the process, which leaves the process of the tests alone and writes down. */
import type { NativeIdentity, NativeProcess } from "../../lib/native/process.js";
import { I405Error } from "../../lib/common/errors.js";

export class PretendProcess implements NativeProcess {
  /** What was called, in order. */
  readonly calls: string[] = [];
  /** Users that there are. */
  readonly users: Record<string, NativeIdentity> = { nobody: { uid: 65534, gid: 65534, groups: [65534] } };
  /** What `giveUpPrivileges` was asked for. */
  wanted: Parameters<NativeProcess["giveUpPrivileges"]>[0] | null = null;
  /** By what its threads can come back to SCHED_FIFO. */
  realtimeBy: ReturnType<NativeProcess["reserveRealtime"]> = "limit";
  /** What to throw instead of telling a service manager. */
  deaf: Error | null = null;

  forbidDumps(): void {
    this.calls.push("forbidDumps");
  }

  notify(socket: string, state: string): void {
    if (this.deaf) throw this.deaf;
    this.calls.push(`notify ${socket} ${state.replaceAll("\n", " ")}`);
  }

  findUser(user: string, group: string | null): NativeIdentity {
    this.calls.push(`findUser ${user} ${String(group)}`);
    const found = this.users[user];
    if (found === undefined) throw new I405Error("ERR_I405_PRIVILEGES", `there is no user "${user}"`);
    return found;
  }

  reserveRealtime(): "limit" | "capability" | "none" {
    this.calls.push("reserveRealtime");
    return this.realtimeBy;
  }

  giveUpPrivileges(wanted: { keep: number[]; user: NativeIdentity | null }): void {
    this.calls.push("giveUpPrivileges");
    this.wanted = wanted;
  }
}
