/** What every simulated run has in common: keys, wire, timeouts, and the bounds that follow from them. */
import type { Wire } from "../../index.js";
import type { NativeTiming } from "../../lib/native/tunnel.js";
import { INITIATION_LENGTHS, RESPONSE_LENGTH } from "../../lib/handshake/messages.js";
import { generatePresharedKey, generatePrivateKey, publicKey } from "../../lib/handshake/keys.js";
import type { ServerLimits } from "../../lib/options/settings.js";
import type { LingerRange } from "../../lib/options/linger.js";
import { pairingFromKeys, type Pairing } from "../../lib/handshake/pairing.js";
import { attemptNs } from "../../lib/session/times.js";
import type { StampStore } from "../../lib/handshake/stamps.js";
import type { SavedState } from "../../lib/handshake/state-file.js";
import { JITTER_PART } from "../../lib/common/wire-bounds.js";
import { resolveTimeoutMs, timingOf } from "../../lib/session/wire-settings.js";
import type { Plant } from "./simulator.js";

/** Slots of the issue: 10 ms, IP packets of 200 bytes. */
const INTERVAL_NS = 10e6;
const LENGTH = 200;
/** Where the ends are at first in the simulation (crates/i405-sim/src/world.rs). */
const SERVER = "192.0.2.2";
const CLIENT = "192.0.2.1";
/** Longest cover after a session, where there is any. */
const LINGER_NS = 5e9;
const PORT = 1405;

/** What outlives a process. */
interface SimulatedEnd {
  pairing: Pairing;
  /** null: nothing is remembered over restarts. */
  store: StampStore | null;
}

/** A state file on a disk that never fails. */
class MemoryStore implements StampStore {
  #saved: SavedState | null = null;

  read(): SavedState | null {
    return this.#saved;
  }

  write(state: SavedState): void {
    this.#saved = state;
  }
}

export interface Circumstances {
  endpoint: string;
  clientEndpoint: string;
  wire: Wire;
  up: NativeTiming;
  down: NativeTiming;
  timeoutMs: number;
  attemptNs: number;
  limits: ServerLimits;
  client: SimulatedEnd;
  server: SimulatedEnd;
  linger: LingerRange;
  /** The server sends from its own start. */
  ownStart: boolean;
  /** How long after the network healed both ends are connected; see {@link makeCircumstances}. */
  boundNs: number;
  unconfirmedNs: number;
  plant: Plant;
}

/**
 * The keys are drawn here, so randomness has to be seeded before.
 *
 * The bound has these terms: the timeout, until a client believes that its session is gone; the rest of the attempt that
 * is under way, whose initiation the server may have answered to nobody; one whole attempt more, for an initiation that
 * came within a second of another; the start of the server's schedule and the round trips, 1 s; and slow programs,
 * clocks that were put right and datagrams held back on the way, another attempt.
 */
export function makeCircumstances(seed: number, plant: Plant): Circumstances {
  // Of eight seeds in a row each has another combination.
  const [stateFiles, lingers, ownStart] = [seed % 2 === 0, seed % 4 >= 2, seed % 8 >= 6];
  const store = (): StampStore | null => (stateFiles ? new MemoryStore() : null);
  const direction = {
    length: LENGTH,
    intervalNs: INTERVAL_NS,
    jitterNs: INTERVAL_NS * JITTER_PART,
    jitterShape: "cos4" as const,
  };
  const wire = { up: { ...direction }, down: { ...direction } };
  const [up, down] = [timingOf(wire.up, SERVER), timingOf(wire.down, SERVER)];
  const timeoutMs = resolveTimeoutMs("clientTimeout", null, wire.down);
  const [clientKey, serverKey, presharedKey] = [generatePrivateKey(), generatePrivateKey(), generatePresharedKey()];
  const attempt = attemptNs(
    { ...up, messageLength: INITIATION_LENGTHS.IKpsk2 },
    { ...down, messageLength: RESPONSE_LENGTH },
  );
  return {
    endpoint: `${SERVER}:${PORT}`,
    clientEndpoint: `${CLIENT}:${PORT}`,
    wire,
    up,
    down,
    timeoutMs,
    attemptNs: attempt,
    limits: { maxRateUp: 1e9, maxRateDown: 1e9, minIntervalNs: 1e6, maxLength: 1500, maxServerTimeoutMs: 3_600_000 },
    client: {
      pairing: pairingFromKeys("client", {
        privateKey: clientKey,
        peerPublicKey: publicKey(serverKey),
        presharedKey,
      }),
      store: store(),
    },
    server: {
      pairing: pairingFromKeys("server", {
        privateKey: serverKey,
        peerPublicKey: publicKey(clientKey),
        presharedKey,
      }),
      store: store(),
    },
    linger: { leastNs: 0, mostNs: lingers ? LINGER_NS : 0 },
    ownStart: ownStart && plant !== "unaskedSchedule",
    boundNs: Math.ceil(timeoutMs * 1e6 + 3 * attempt + 1e9),
    // From the initiation or the loss of a session: both timeouts, an attempt, the start, the cover, and a slow program.
    unconfirmedNs: Math.ceil(timeoutMs * 1e6 + attempt + LINGER_NS + 10e9),
    plant,
  };
}
