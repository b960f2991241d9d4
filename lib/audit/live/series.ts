/**
 * What an end remembers of one stretch, slot by slot or datagram by datagram, and how it travels to the other end.
 *
 *     record   generation (2) | counter (4) | nanoseconds from the series' origin (6) | missed slots behind it (2)
 */
import { Growing } from "../growing.js";

/** `arrivals`: what was received; `slots`: what was sent, with deadlines. */
export const SERIES = ["arrivals", "slots"] as const;
export type SeriesName = (typeof SERIES)[number];

/** Bytes of a record. */
export const RECORD = 14;
/** Records of a stretch that are kept: ten minutes at 1 ms, 20 s at 10 us. 64 MiB. */
export const MOST_RECORDS = 1 << 21;
const [MOST_GENERATION, MOST_NS, MOST_MISSED] = [2 ** 16, 2 ** 48, 2 ** 16 - 1];

/** Columns of a series, in the order in which they came. */
export class Series {
  readonly #columns = {
    generation: new Growing(),
    counter: new Growing(),
    timeNs: new Growing(),
    missed: new Growing(),
  };
  #length = 0;
  #originNs: bigint | null = null;
  /** What found no room. */
  dropped = 0;

  get length(): number {
    return this.#length;
  }

  /** @param atNs CLOCK_MONOTONIC, not before the first one by more than a stretch */
  push(generation: number, counter: number, atNs: bigint, missed: number): void {
    if (this.#length === MOST_RECORDS) {
      this.dropped += 1;
      return;
    }
    // The first one is not always the earliest: two dispatchers tell of their slots independently.
    this.#originNs ??= atNs - SLACK_NS;
    this.#add(generation, counter, Number(atNs - this.#originNs), missed);
  }

  #add(generation: number, counter: number, timeNs: number, missed: number): void {
    this.#columns.generation.push(generation);
    this.#columns.counter.push(counter);
    this.#columns.timeNs.push(timeNs);
    this.#columns.missed.push(missed);
    this.#length += 1;
  }

  /** On the local clock; null if it is another machine's. */
  get originNs(): bigint | null {
    return this.#originNs;
  }

  columns(): Records {
    const { generation, counter, timeNs, missed } = this.#columns;
    return {
      ...{ generation: generation.values(), counter: counter.values() },
      ...{ timeNs: timeNs.values(), missed: missed.values() },
    };
  }

  /** Records from..to as they travel. */
  encode(from: number, to: number): Uint8Array {
    const { generation, counter, timeNs, missed } = this.columns();
    const end = Math.min(to, this.#length);
    const bytes = new Uint8Array(Math.max(end - from, 0) * RECORD);
    const view = new DataView(bytes.buffer);
    for (let index = from; index < end; index += 1) {
      const at = (index - from) * RECORD;
      const time = Math.min(Math.max(timeNs[index]!, 0), MOST_NS - 1);
      view.setUint16(at, generation[index]! % MOST_GENERATION);
      view.setUint32(at + 2, counter[index]!);
      view.setUint16(at + 6, Math.floor(time / 2 ** 32));
      view.setUint32(at + 8, time % 2 ** 32);
      view.setUint16(at + 12, Math.min(missed[index]!, MOST_MISSED));
    }
    return bytes;
  }

  /** @throws RangeError for bytes that are no whole records; {@link takesWhole} tells beforehand */
  decode(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at < bytes.length; at += RECORD) {
      const time = view.getUint16(at + 6) * 2 ** 32 + view.getUint32(at + 8);
      this.#add(view.getUint16(at), view.getUint32(at + 2), time, view.getUint16(at + 12));
    }
  }
}

/** How much earlier than the first a later record may be, 1 s. */
const SLACK_NS = 1_000_000_000n;

/** A series as lists. */
export interface Records {
  generation: Float64Array;
  counter: Float64Array;
  /** From the series' origin. */
  timeNs: Float64Array;
  missed: Float64Array;
}
