/** What every simulated run has in common: keys, wire, timeouts, and the bounds that follow from them. */
import { INITIATION_LENGTHS, RESPONSE_LENGTH } from "../../lib/handshake/messages.js";
import { generatePresharedKey, generatePrivateKey, publicKey } from "../../lib/handshake/keys.js";
import type { ServerLimits, WireRequest } from "../../lib/options/settings.js";
import type { LingerRange } from "../../lib/options/linger.js";
import { pairingFromKeys, type Pairing } from "../../lib/handshake/pairing.js";
import { attemptNs } from "../../lib/session/times.js";
import type { StampStore } from "../../lib/handshake/stamps.js";
import type { SavedState } from "../../lib/handshake/state-file.js";
import { LENGTH_RANGE } from "../../lib/common/wire-bounds.js";
import { LENGTHS } from "../../lib/session/endpoint-ladder.js";
import { resolveDirection, resolveTimeoutMs, timingOf } from "../../lib/session/wire-settings.js";
import type { Plant } from "./simulator.js";

/** What a client asks for: IP bytes, null for what its route takes, and ms from slot to slot. */
interface WireWish {
  up: number | null;
  down: number | null;
  intervalMs: number;
}

const WIRES = {
  /** Below every rung of the ladder. */
  short: { up: 200, down: 200, intervalMs: 10 },
  automatic: { up: null, down: null, intervalMs: 20 },
  /** As automatic, with few slots for long runs. */
  rare: { up: null, down: null, intervalMs: 100 },
  /** Only one direction has a ladder. */
  mixed: { up: 300, down: 1500, intervalMs: 20 },
  /** Above 1500, where both end at rungs of their own. */
  long: { up: 1450, down: 9000, intervalMs: 25 },
  longest: { up: LENGTH_RANGE.max, down: LENGTH_RANGE.max, intervalMs: 100 },
} satisfies Record<string, WireWish>;
export type WireName = keyof typeof WIRES;
/** By the seed. Five, so that each wire meets each combination of what goes by twos. */
const DRAWN: readonly WireName[] = ["short", "automatic", "mixed", "long", "longest"];
/** IP bytes; a route's when nothing is wrong. */
const WIDE = LENGTH_RANGE.max;
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
  up: WireRequest;
  down: WireRequest;
  /** A length is what the client's route takes. */
  automatic: boolean;
  timeoutMs: number;
  /** Of the rung whose attempts take longest. */
  attemptNs: number;
  limits: ServerLimits;
  client: SimulatedEnd;
  server: SimulatedEnd;
  linger: LingerRange;
  /** The server sends from its own start. */
  ownStart: boolean;
  /** How long after the network healed both ends are connected; see {@link makeCircumstances}. */
  boundNs: number;
  narrowBoundNs: number;
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
 *
 * Where the way is narrow, each rung comes before that, the first of them twice, and a climb that was due by then.
 */
export function makeCircumstances(seed: number, plant: Plant, wireName?: WireName): Circumstances {
  // Of eight seeds in a row each has another combination.
  const [stateFiles, lingers, ownStart] = [seed % 2 === 0, seed % 4 >= 2, seed % 8 >= 6];
  const store = (): StampStore | null => (stateFiles ? new MemoryStore() : null);
  const { up: upLength, down: downLength, intervalMs }: WireWish = WIRES[wireName ?? DRAWN[seed % DRAWN.length]!];
  const request = (option: string, length: number | null): WireRequest => {
    return { option, length, rate: null, intervalNs: intervalMs * 1e6, jitterNs: null, shape: "cos4" };
  };
  const [up, down] = [request("up", upLength), request("down", downLength)];
  const timeoutMs = resolveTimeoutMs("clientTimeout", null, resolveDirection(down, WIDE));
  const [clientKey, serverKey, presharedKey] = [generatePrivateKey(), generatePrivateKey(), generatePresharedKey()];
  const attempt = Math.max(...[WIDE, ...LENGTHS].map((rung) => attemptAt(up, down, rung)));
  return {
    endpoint: `${SERVER}:${PORT}`,
    clientEndpoint: `${CLIENT}:${PORT}`,
    up,
    down,
    automatic: upLength === null || downLength === null,
    timeoutMs,
    attemptNs: attempt,
    limits: { maxRateUp: 1e9, maxRateDown: 1e9, minIntervalNs: 1e6, maxLength: WIDE, maxServerTimeoutMs: 3_600_000 },
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
    narrowBoundNs: Math.ceil(timeoutMs * 1e6 + (3 + LENGTHS.length + 3) * attempt + 1e9),
    // From the initiation or the loss of a session: both timeouts, an attempt, the start, the cover, and a slow program.
    unconfirmedNs: Math.ceil(timeoutMs * 1e6 + attempt + LINGER_NS + 10e9),
    plant,
  };
}

/** How long an attempt lasts at a rung, ns. */
function attemptAt(up: WireRequest, down: WireRequest, rung: number): number {
  const [upwards, downwards] = [up, down].map((request) => {
    const { length, ...direction } = resolveDirection(request, WIDE);
    return timingOf({ ...direction, length: Math.min(length, rung) }, SERVER);
  });
  return attemptNs(
    { ...upwards!, messageLength: INITIATION_LENGTHS.IKpsk2 },
    { ...downwards!, messageLength: RESPONSE_LENGTH },
  );
}
