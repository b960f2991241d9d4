/**
 * Tells a datagram from a copy of one. If a machine has a VLAN, a bridge or a router, a capture of all its interfaces
 * has every datagram once per interface. A capture of a mirrored port may have it twice on the same interface.
 *
 * A copy has the same payload, and a tunnel sends each payload once. If a tunnel's payloads are all alike, contents
 * can't tell.
 */
import type { Headers } from "./headers.js";

/** How many bytes of a payload are compared. Below the least, the other headers have to decide. */
const [COMPARED, LEAST_COMPARED] = [48, 8];
/** How many datagrams are remembered: as many as a bridge or a router holds between one sight and the next. */
const MOST_REMEMBERED = 8192;
/** A payload that comes more often than this is one that its sender repeats; no network makes so many copies. */
const MOST_COPIES = 8;
/** Places that can be told apart: bits of a mask. */
export const MOST_PLACES = 31;

interface Remembered {
  /** Places that have seen it, by bit. */
  mask: number;
  /** When each of them did. */
  timesNs: number[];
  /** How many times it has come, at all places. */
  count: number;
}

/** What is known of a datagram when it comes. */
export interface Sight {
  /** Places that have seen the same before, a bit each. */
  elsewhere: number;
  /** How long ago the same was seen here; NaN: never. */
  sinceNs: number;
  /** It has come so often that its contents say nothing. */
  repeated: boolean;
}

export class Copies {
  readonly #seen = new Map<string, Remembered>();
  readonly #sight: Sight = { elsewhere: 0, sinceNs: NaN, repeated: false };

  /** @returns an object that is used again */
  look(bytes: Buffer, headers: Headers, place: number, timeNs: number): Sight {
    const sight = this.#sight;
    const key = contentsOf(bytes, headers);
    const bit = 1 << place;
    const known = this.#seen.get(key);
    sight.elsewhere = 0;
    sight.sinceNs = NaN;
    sight.repeated = false;
    if (known === undefined) {
      this.#remember(key, { mask: bit, timesNs: at([], place, timeNs), count: 1 });
      return sight;
    }
    known.count += 1;
    sight.repeated = known.count > MOST_COPIES * bits(known.mask | bit);
    if ((known.mask & bit) !== 0) {
      sight.sinceNs = timeNs - known.timesNs[place]!;
      // A sender's own repetition begins anew, at all places.
      known.mask = bit;
    } else {
      sight.elsewhere = known.mask;
      known.mask |= bit;
    }
    at(known.timesNs, place, timeNs);
    return sight;
  }

  #remember(key: string, value: Remembered): void {
    if (this.#seen.size >= MOST_REMEMBERED) {
      const [oldest] = this.#seen.keys();
      this.#seen.delete(oldest!);
    }
    this.#seen.set(key, value);
  }
}

function at(times: number[], place: number, timeNs: number): number[] {
  times[place] = timeNs;
  return times;
}

function bits(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}

function contentsOf(bytes: Buffer, headers: Headers): string {
  const { payloadStart, payloadEnd, length, identification, udpChecksum } = headers;
  if (payloadEnd - payloadStart < LEAST_COMPARED) return `${length},${identification},${udpChecksum}`;
  return bytes.toString("latin1", payloadStart, Math.min(payloadStart + COMPARED, payloadEnd));
}
