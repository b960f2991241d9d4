/**
 * What the doctor sees of a machine. Checks get this and nothing else, so that a test can hand in a machine of its own.
 * Only the hands of `--fix` and `--undo` can write.
 */
import type { NativeClockCorrection, NativePermissions, NativeRefusal } from "../native/probes.js";

/** How a command ended. */
export interface Ran {
  status: number;
  stdout: string;
  stderr: string;
}

/** What the addon knows without waiting; null where it doesn't load. */
export interface Natives {
  permissions(): NativePermissions;
  clock(): NativeClockCorrection;
  /** Why `sendBy: "kernel"` can't be had; null: it can. */
  kernelSpin(): NativeRefusal | null;
  /** IP bytes. */
  routeMtu(address: string): number;
}

export interface System {
  /** Text without the white space around it; undefined if it isn't there or can't be read. `.gz` is unpacked. */
  readFile(path: string): string | undefined;
  /** Names, sorted; empty if it isn't there or can't be read. */
  readDir(path: string): readonly string[];
  /** Where a symbolic link points to, as it is written there. */
  readLink(path: string): string | undefined;
  /** Runs a command, at most five seconds; undefined if there is no such program. */
  run(command: readonly string[]): Ran | undefined;
  /** Of the user. */
  readonly uid: number;
  readonly pid: number;
  /** Cores that this process may run on. */
  readonly cores: readonly number[];
  readonly natives: Natives | null;
  /** Paths that were there and could not be read for lack of a privilege. */
  readonly unseen: ReadonlySet<string>;
}

/** What puts fixes in place and takes them back. */
export interface Hands extends System {
  /** @throws the system's error. */
  writeFile(path: string, text: string): void;
}

/** What it is looked at for. */
export interface Target {
  /** Interface that the tunnel's datagrams leave through; undefined without a route. */
  egress: string | undefined;
  /** Core of the timed thread. */
  cpu: number;
  /** The other end, by `--peer`. */
  peer: { address: string; port: number } | undefined;
  /** Of the direction that this machine sends, outer bytes per second. */
  rate: number;
}
