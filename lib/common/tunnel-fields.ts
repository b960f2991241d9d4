/** The options that `new I405Tunnel` takes. The command line hands the others to `connect` and `listen`. */
import type { TunnelOptions } from "../../index.js";

export const TUNNEL_FIELDS = [
  "pollMode",
  "schedFifo",
  "cpu",
  "dispatchers",
  "burner",
  "device",
  "queue",
  "readerQueue",
  "finalizeDelta",
  "reorderWindow",
  "fwmark",
  "deviationInterval",
  "deviationSource",
  "sendBy",
  "record",
] as const satisfies readonly (keyof TunnelOptions)[];
