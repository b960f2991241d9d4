/** Senders in memory, with whatever leak is wanted, all from a seed. */
import { rngChacha8 } from "@noble/ciphers/chacha.js";
import type { Observation, Seen } from "../../lib/audit/observation.js";
import { jitterDensity, type ShapeName } from "../../lib/statistics/jitter-density.js";

/** What a report of such senders is of. */
export const SIMULATED = {
  ...{ file: "memory", format: "observations" as const, observedAt: "call" as const, fromS: 0, seconds: 1, packets: 0 },
  ...{ otherPackets: 0, cutOff: false, resolutionNs: 1, port: null },
  ...{ endpoints: null, otherFlows: [], copies: 0 },
};

/** Numbers in 0..1. */
export function numbers(seed: number): () => number {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setFloat64(0, seed + 0.5);
  const random = rngChacha8(bytes);
  let words = new Uint32Array(0);
  let at = 0;
  return () => {
    if (at === words.length) {
      words = new Uint32Array(random.randomBytes(16_384).slice().buffer);
      at = 0;
    }
    return (words[at++]! + 0.5) / 2 ** 32;
  };
}

export interface Sender {
  seed: number;
  label?: string;
  intervalNs: number;
  jitterNs?: number;
  shape?: ShapeName;
  slots: number;
  /** Standard deviation of send errors. */
  errorNs: number;
  /** Further lateness of the slot due at a time; slots that are due before it is over are skipped. */
  stall?: (dueNs: number) => number;
  /** Lateness that is added to a slot, by its number and when it is due, without skipping any. */
  delay?: (slot: number, dueNs: number) => number;
  /** When it begins. */
  fromNs?: number;
}

/** What an observer sees of a sender; its deadlines are known. */
export function send(sender: Sender): Seen {
  const { seed, label = "idle", intervalNs, jitterNs = 0, shape = "cos4", slots, errorNs, fromNs = 0 } = sender;
  const next = numbers(seed);
  const density = jitterDensity(shape);
  const peak = Math.max(density(0), density(0.25));
  const draw = () => {
    if (jitterNs === 0) return 0;
    for (;;) {
      const offset = 2 * next() - 1;
      if (next() * peak < density(offset)) return offset * jitterNs;
    }
  };
  const normal = () => Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next());
  const times: number[] = [];
  const errors: number[] = [];
  let due = fromNs;
  let free = -Infinity;
  for (let slot = 0; slot < slots; slot += 1) {
    due += intervalNs + draw();
    // Late wake-up: go at once, skip what has passed.
    const stall = sender.stall?.(due) ?? 0;
    if (due < free) {
      errors.push(NaN);
      continue;
    }
    const error = errorNs * normal() + stall + (sender.delay?.(slot, due) ?? 0);
    if (stall > 0) free = due + stall;
    times.push(due + error);
    errors.push(error);
  }
  const timesNs = Float64Array.from(times).sort();
  return { label, fromNs, toNs: due + intervalNs, timesNs, errorsNs: Float64Array.from(errors) };
}

/** What an observer sees who doesn't know the deadlines. */
export function unknowing({ label, fromNs, toNs, timesNs }: Seen): Seen {
  return { label, fromNs, toNs, timesNs };
}

export function observation(seen: Seen[], rest: Partial<Observation> = {}): Observation {
  return { direction: "up", seen, headers: [], bytes: [], ...rest };
}
