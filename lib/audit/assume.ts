/**
 * Gives a capture without jitter the jitter that an observer would see: the send errors that were measured are put on
 * deadlines that are drawn. So what is compared is what the tunnel will show. On the bare grid, everything would show.
 */
import { rngChacha8 } from "@noble/ciphers/chacha.js";
import { jitterDensity, type ShapeName } from "../statistics/jitter-density.js";
import type { Observation, Seen } from "./observation.js";

/** The jitter that n95 is given for. */
export interface Assumed {
  jitterNs: number;
  shape: ShapeName;
}

/** Random bytes that are taken at once. */
const PIECE = 1 << 16;
/** Draws are the same each time, so that reports are. */
const SEED = new Uint8Array(32).fill(5);

/** @param observation with known deadlines */
export function withJitter(observation: Observation, intervalNs: number, { jitterNs, shape }: Assumed): Observation {
  const random = rngChacha8(SEED);
  let words = new Uint32Array(0);
  let at = 0;
  const next = () => {
    if (at === words.length) {
      words = new Uint32Array(random.randomBytes(PIECE).slice().buffer);
      at = 0;
    }
    return words[at++]! / 2 ** 32;
  };
  const density = jitterDensity(shape);
  // No shape rises from its middle outwards.
  const peak = density(0);
  const draw = () => {
    for (;;) {
      const offset = 2 * next() - 1;
      if (next() * peak < density(offset)) return offset * jitterNs;
    }
  };
  const shown = (seen: Seen): Seen => {
    const errors = seen.errorsNs ?? new Float64Array(0);
    const times: number[] = [];
    let due = seen.fromNs;
    for (const error of errors) {
      due += intervalNs + draw();
      if (!Number.isNaN(error)) times.push(due + error);
    }
    return { ...seen, timesNs: Float64Array.from(times).sort() };
  };
  return { ...observation, seen: observation.seen.map(shown) };
}
