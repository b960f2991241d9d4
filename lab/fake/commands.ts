/** A `NativeTunnel` that does nothing but write down what it is told: for a machine alone, event by event. */
import type { NativeDeviation, NativeStats } from "../../lib/native/stats.js";
import type { NativeTunnel } from "../../lib/native/tunnel.js";
import type { Connection, RefusedClient, TunnelWarning } from "../../index.js";
import type { I405Error } from "../../lib/common/errors.js";
import type { DisconnectReason, MachineContext } from "../../lib/session/machine.js";
import { NO_STATS } from "../../lib/tunnel/stats.js";
import { SimulatedTime } from "./time.js";

export type Command = [name: string, ...values: any[]];

/** Each command is `[name, argument]`; those of a clean-up that changed nothing are written down as well. */
export class Commands {
  readonly log: Command[] = [];
  readonly native: NativeTunnel;
  /** What `handshakeSources()` gives. */
  sources: string[] = [];
  /** What `stats()` gives. */
  stats: NativeStats = { ...NO_STATS };

  constructor() {
    const write =
      (name: string) =>
      (...values: unknown[]): void => {
        this.log.push([name, ...values]);
      };
    this.native = {
      localAddress: () => "127.0.0.1:40000",
      deviceName: () => null,
      startSchedule: write("startSchedule"),
      endAt: write("endAt"),
      offer: write("offer"),
      stopOffer: write("stopOffer"),
      expectStamps: write("expectStamps"),
      install: write("install"),
      sendUnder: write("sendUnder"),
      forget: write("forget"),
      moveEndpoint: write("moveEndpoint"),
      ask: write("ask"),
      handshakeSources: () => this.sources,
      redirect: write("redirect"),
      watchSilence: write("watchSilence"),
      repeatControl: write("repeatControl"),
      sendClose: write("sendClose"),
      write: () => true,
      stats: () => this.stats,
      deviation: () => ({}) as NativeDeviation,
      close: write("close"),
      ref: write("ref"),
      unref: write("unref"),
    };
  }

  /** What was told since the last call. */
  take(): Command[] {
    return this.log.splice(0);
  }

  /** The names of {@link take}. */
  names(): string[] {
    return this.take().map(([name]) => name);
  }

  /** The argument of the newest command of this name, without forgetting any. */
  last(name: string): any {
    return this.log.filter(([each]) => each === name).at(-1)?.[1];
  }
}

/** A machine's surroundings, all of them written down. */
export class Surroundings implements MachineContext {
  readonly time = new SimulatedTime();
  readonly clock = this.time.clock();
  readonly commands = new Commands();
  readonly native = this.commands.native;
  /** Reports as `[name, value]`. */
  readonly reports: [string, any][] = [];
  readonly report = {
    connected: (connection: Connection) => this.reports.push(["connected", connection]),
    silent: (forMs: number) => this.reports.push(["silent", forMs]),
    heard: () => this.reports.push(["heard", null]),
    rekeyed: () => this.reports.push(["rekeyed", null]),
    roamed: (endpoint: string) => this.reports.push(["roamed", endpoint]),
    disconnected: (reason: DisconnectReason) => this.reports.push(["disconnected", reason]),
    refused: (refused: RefusedClient) => this.reports.push(["refused", refused]),
    warning: (warning: TunnelWarning) => this.reports.push(["warning", warning.code]),
    failed: (error: I405Error) => this.reports.push(["failed", error]),
  };
}
