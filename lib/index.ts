/** What `import ... from "i405"` gives: `index.d.ts` is its contract, and `test/types.test.ts` ties the two. */
import { createRequire } from "node:module";
import type { TunnelOptions } from "../index.js";
import { nativeParts } from "./parts.js";
import { Tunnel } from "./tunnel.js";

export type {
  ConnectOptions,
  Connection,
  CredentialOptions,
  Deviation,
  DeviationSource,
  DeviceOptions,
  Duration,
  JitterShape,
  Limits,
  ListenOptions,
  PollMode,
  Rate,
  SendBy,
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
export { I405Error } from "./errors.js";
export { generatePassword, generatePresharedKey, generatePrivateKey, publicKey } from "./keys.js";

/** One end of a tunnel over the real addon, which is loaded when the tunnel opens and not before. */
export class I405Tunnel extends Tunnel {
  constructor(options: TunnelOptions = {}) {
    super(options, nativeParts);
  }
}

const manifest = createRequire(import.meta.url)("../package.json") as { version: string };

/** Version of the package. */
export const version: string = manifest.version;
