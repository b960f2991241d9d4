/** What goes through the tunnel while it carries something: the same generator at both ends. */
import { rngChacha8 } from "@noble/ciphers/chacha.js";
import { fillingOf, type Sender } from "./packets.js";

/**
 * - `saturated`: as much as fits.
 * - `now-and-then`: one small packet, on average once a second.
 * - `bursts`: many packets at once, then nothing for a while, as of somebody who reads web pages.
 * - `stream`: small packets at a constant rate, as of a call.
 */
export const PATTERNS = ["nothing", "saturated", "now-and-then", "bursts", "stream"] as const;
export type Pattern = (typeof PATTERNS)[number];

/** What a generator writes to. */
export interface Outlet {
  /** False: it did not fit. */
  write: (packet: Uint8Array) => boolean;
  /** Bytes of the longest packet that fits. */
  longest: number;
}

/** How often a queue that was full is tried again, ms. */
const RETRY_MS = 5;
const [SMALL, CALL] = [100, 200];
/** Means of what is drawn, ms; and of the packets of a burst. */
const [NOW_AND_THEN_MS, BURST_PAUSE_MS, BURST_PACKETS] = [1000, 1500, 40];
const STREAM_MS = 20;
/** Packets of one burst at most: a large page. */
const MOST_IN_BURST = 1000;

/**
 * Begins a pattern.
 *
 * @param seed everything that is drawn follows from it
 * @returns a function that ends it
 */
export function startPattern(pattern: Pattern, sender: Sender, seed: number, { write, longest }: Outlet): () => void {
  let timer: NodeJS.Timeout | undefined;
  let waiting = 0;
  const filling = (bytes: number) => fillingOf(sender, Math.min(bytes, longest));
  const [small, call, large] = [filling(SMALL), filling(CALL), filling(longest)];
  const random = randomFrom(seed);
  const exponential = (mean: number) => -mean * Math.log(1 - random());
  const later = (ms: number, what: () => void) => {
    timer = setTimeout(what, ms);
  };
  const saturate = () => {
    while (write(large));
    later(RETRY_MS, saturate);
  };
  const nowAndThen = () => {
    write(small);
    later(exponential(NOW_AND_THEN_MS), nowAndThen);
  };
  const burst = () => {
    if (waiting === 0) waiting = Math.min(Math.ceil(exponential(BURST_PACKETS)), MOST_IN_BURST);
    while (waiting > 0 && write(large)) waiting -= 1;
    later(waiting > 0 ? RETRY_MS : exponential(BURST_PAUSE_MS), burst);
  };
  const stream = () => {
    write(call);
    later(STREAM_MS, stream);
  };
  switch (pattern) {
    case "nothing":
      break;
    case "saturated":
      saturate();
      break;
    case "now-and-then":
      later(exponential(NOW_AND_THEN_MS), nowAndThen);
      break;
    case "bursts":
      burst();
      break;
    case "stream":
      stream();
      break;
  }
  return () => {
    clearTimeout(timer);
  };
}

/** Numbers from 0 to below 1, the same for the same seed. */
export function randomFrom(seed: number): () => number {
  const key = new Uint8Array(32);
  new DataView(key.buffer).setUint32(0, seed);
  const source = rngChacha8(key);
  return () => new DataView(source.randomBytes(4).slice().buffer).getUint32(0) / 2 ** 32;
}
