/** What `import ... from "i405"` gives: `index.d.ts` is its contract, and `test/project/types.test.ts` ties the two. */
import type { TunnelOptions } from "../index.js";
import { nativeParts } from "./tunnel/parts.js";
import { Tunnel } from "./tunnel/tunnel.js";

export type {
  ArrivalRecords,
  Capability,
  ConnectOptions,
  Burner,
  Connection,
  CredentialOptions,
  DepartureRecords,
  Deviation,
  DeviationSource,
  DeviceOptions,
  Duration,
  JitterShape,
  KnownClient,
  LatenessDistribution,
  PathLoss,
  PathStats,
  Limits,
  ListenOptions,
  PollMode,
  PrivilegeOptions,
  Rate,
  RefusedClient,
  SendBy,
  SlotRecords,
  StaticKeys,
  TunnelEvents,
  TunnelOptions,
  TunnelState,
  TunnelStats,
  TunnelWarning,
  TunOptions,
  Wire,
  WireDirection,
  WireOptions,
} from "../index.js";
export { I405Error } from "./common/errors.js";
export { generatePassword } from "./handshake/passwords.js";
export { generatePresharedKey, generatePrivateKey, publicKey } from "./handshake/keys.js";
export { dropPrivileges, forbidCoreDumps } from "./native/privileges.js";
export { version } from "./common/version.js";

/** One end of a tunnel over the real addon, which is loaded when the tunnel opens and not before. */
export class I405Tunnel extends Tunnel {
  constructor(options: TunnelOptions = {}) {
    super(options, nativeParts);
  }
}
