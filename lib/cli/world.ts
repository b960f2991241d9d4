/** What the commands are given of the world around them; tests hand in their own. */
import type { MeasuredTunnel } from "../../types/metrics.js";
import type { I405Tunnel, TunnelOptions } from "../index.js";
import type { NativeProcess } from "../native/process.js";
import type { DoctorParts } from "./doctor/parts.js";
import type { Io } from "./io.js";
import type { RunIp } from "./ip.js";
import type { liftRtThrottle } from "./rt-throttle.js";
import type { Stop } from "./signals.js";
import type { StatusPlaces } from "./status/places.js";
import type { ShownTunnel } from "./status/snapshot.js";

/** What observers need of a tunnel. */
export type ObservedTunnel = MeasuredTunnel & ShownTunnel;

/** What a command needs of a tunnel. */
export type RunTunnel = ObservedTunnel & Pick<I405Tunnel, "connect" | "listen" | "close">;

export interface World {
  io: Io;
  stop: Stop;
  /** For `i405 doctor`. */
  doctor?: DoctorParts;
  createTunnel?: (options: TunnelOptions) => RunTunnel;
  runIp?: RunIp;
  liftRtThrottle?: typeof liftRtThrottle;
  /** The addon's part for this process; without it, the process is left as it is. */
  process?: () => Promise<NativeProcess>;
  statusPlaces?: StatusPlaces;
}
