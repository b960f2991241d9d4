/** What options are once they are parsed: whole nanoseconds, bytes per second, addresses with their ports. */
import type { HostPort } from "../common/option-readers.js";
import type {
  BurnerName,
  DeviationSourceName,
  JitterShapeName,
  NativeDevice,
  PollModeName,
  SendByName,
} from "../native/options.js";
import type { AllowedIps } from "./allowed-ips.js";
import type { Credentials } from "./credentials.js";
import type { LingerRange } from "./linger.js";

/** What is local to an end, parsed. */
export interface LocalSettings {
  pollMode: PollModeName;
  schedFifo: "on" | "off" | "require";
  /** One for each dispatcher, or none. */
  cpus: number[];
  dispatchers: 1 | 2;
  burner: BurnerName;
  device: NativeDevice;
  queueNs: number;
  readerQueueMs: number;
  finalizeNs: number | null;
  reorderWindow: number;
  fwmark: number | null;
  deviationIntervalMs: number;
  deviationSource: DeviationSourceName;
  sendBy: SendByName;
  record: boolean;
}

/** One direction as asked for: what is missing depends on the route. */
export interface WireRequest {
  /** `up` or `down`. */
  option: string;
  length: number | null;
  /** Bytes per second; null exactly if `intervalNs` is given. */
  rate: number | null;
  intervalNs: number | null;
  /** null: half of the mean. */
  jitterNs: number | null;
  shape: JitterShapeName;
}

export interface ClientSettings {
  /** At least one, best first. */
  peers: HostPort[];
  localAddress: HostPort | null;
  persistent: boolean;
  credentials: Credentials;
  up: WireRequest;
  down: WireRequest;
  /** null: the default, which depends on the interval. */
  clientTimeoutNs: number | null;
  serverTimeoutNs: number | null;
  linger: LingerRange;
  allowedIps: AllowedIps;
  connectTimeoutNs: number | null;
  /** null: the protocol's. */
  rekeyIntervalNs: number | null;
  stateFile: string | null;
  signal: AbortSignal | null;
}

/** What a server grants, bytes per second, nanoseconds and bytes. */
export interface ServerLimits {
  maxRateUp: number;
  maxRateDown: number;
  minIntervalNs: number;
  maxLength: number;
  /** Timeouts that are longer than this are not refused, but cut. */
  maxServerTimeoutMs: number;
}

export interface ServerSettings {
  address: HostPort;
  credentials: Credentials;
  limits: ServerLimits;
  linger: LingerRange;
  allowedIps: AllowedIps;
  maxStampAgeMs: number | null;
  stateFile: string | null;
  /** The client and what it is sent, if that is known beforehand. null: the client says. */
  client: { endpoint: HostPort; down: WireRequest } | null;
  signal: AbortSignal | null;
}
