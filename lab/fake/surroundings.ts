/** What a machine alone has around it, for tests that move it event by event. */
import type { NativeDeviation, NativeStats } from "../../lib/native/stats.js";
import type { NativeTunnel } from "../../lib/native/tunnel.js";
import type { Connection, RefusedClient, TunnelWarning } from "../../index.js";
import type { I405Error } from "../../lib/common/errors.js";
import type { DisconnectReason, MachineContext } from "../../lib/session/machine.js";
import { NO_STATS } from "../../lib/tunnel/stats.js";
import { AddonState } from "./addon-state.js";
import { SimulatedTime } from "./time.js";

/** A `NativeTunnel` without slots: it keeps what its commands leave in force, and nothing else. */
class CommandedTunnel extends AddonState implements NativeTunnel {
  /** What `handshakeSources()` gives. */
  sources: string[] = [];
  /** What `stats()` gives. */
  readonly counters: NativeStats = { ...NO_STATS };

  localAddress(): string {
    return "127.0.0.1:40000";
  }
  deviceName(): null {
    return null;
  }
  handshakeSources(): string[] {
    return this.sources;
  }
  write(): boolean {
    return true;
  }
  stats(): NativeStats {
    return this.counters;
  }
  deviation(): NativeDeviation {
    return {} as NativeDeviation;
  }
  // A machine gives none of these.
  readonly close = () => undefined;
  readonly ref = () => undefined;
  readonly unref = () => undefined;
}

export class Surroundings implements MachineContext {
  readonly time = new SimulatedTime();
  readonly clock = this.time.clock();
  readonly native = new CommandedTunnel();
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
