/** Turns what a machine reports into the tunnel's state and its events. Once the tunnel ends, nothing is told. */
import type { Connection, TunnelState } from "../../index.js";
import type { MachineReport } from "../session/machine.js";
import type { Voice } from "./voice.js";

/** What reports change for everybody to see. */
export interface Standing {
  state: TunnelState;
  connection: Connection | null;
  /** Over, or about to be. */
  readonly ending: boolean;
}

/** What else reports lead to, before listeners hear of them. */
export interface Consequences {
  connected(connection: Connection): void;
  rekeyed(): void;
  failed: MachineReport["failed"];
  /** The state while there is no session. */
  stateWithout(): TunnelState;
}

export function machineReport(standing: Standing, voice: Voice, consequences: Consequences): MachineReport {
  return {
    connected: (connection) => {
      if (standing.ending) return;
      standing.state = "connected";
      standing.connection = connection;
      consequences.connected(connection);
      voice.emit("connected", connection);
    },
    silent: (forMs) => {
      if (standing.ending) return;
      standing.state = "silent";
      voice.emit("silent", { forMs });
    },
    heard: () => {
      if (standing.ending) return;
      standing.state = "connected";
      voice.emit("heard");
    },
    rekeyed: () => {
      if (standing.ending) return;
      consequences.rekeyed();
      voice.emit("rekeyed");
    },
    roamed: (endpoint) => {
      if (standing.ending || standing.connection === null) return;
      standing.connection = { ...standing.connection, endpoint };
      voice.emit("roamed", { endpoint });
    },
    disconnected: (reason) => {
      if (standing.ending) return;
      standing.state = consequences.stateWithout();
      standing.connection = null;
      voice.emit("disconnected", { reason });
    },
    refused: (refused) => {
      if (!standing.ending) voice.emit("refused", refused);
    },
    warning: (warning) => {
      if (!standing.ending) voice.emit("warning", warning);
    },
    failed: consequences.failed,
  };
}
