/**
 * What the two ends of an audit say to each other, in inner packets. The client asks, and repeats until it is answered.
 * The other end answers whatever it is asked, any number of times. Integers are big-endian.
 *
 *     hello    1 | version                      -> welcome  2 | version
 *     start    3 | stretch (4) | pattern | seed (4)      -> done
 *     stop     4 | stretch (4)                           -> done
 *     done     5 | stretch (4) | running | arrivals (4) | slots (4)
 *     get      6 | stretch (4) | series | records each | count | first records (4 each)     -> chunks
 *     chunk    7 | stretch (4) | series | first record (4) | records
 *
 * The peer is authenticated and may still mean harm, so whatever isn't exactly this is ignored.
 */
import { PATTERNS, type Pattern } from "./patterns.js";
import { RECORD, SERIES, type SeriesName } from "./series.js";

export const VERSION = 1;
/** Chunks asked for at once. */
export const MOST_CHUNKS = 16;
/** Bytes of a chunk message before its contents. */
const CHUNK_HEADER = 10;

export type Message =
  | { type: "hello" | "welcome"; version: number }
  | { type: "start"; stretch: number; pattern: Pattern; seed: number }
  | { type: "stop"; stretch: number }
  /** `running`: the pattern is on. Else the records are final, and there are so many. */
  | { type: "done"; stretch: number; running: boolean; arrivals: number; slots: number }
  /** Chunks of so many records each, beginning with these. */
  | { type: "get"; stretch: number; series: SeriesName; each: number; firsts: number[] }
  | { type: "chunk"; stretch: number; series: SeriesName; first: number; records: Uint8Array };

const NUMBERS = { hello: 1, welcome: 2, start: 3, stop: 4, done: 5, get: 6, chunk: 7 } as const;

export function encode(message: Message): Uint8Array {
  const { type } = message;
  switch (type) {
    case "hello":
    case "welcome":
      return Uint8Array.of(NUMBERS[type], message.version);
    case "start":
      return bytesOf(NUMBERS.start, word(message.stretch), [PATTERNS.indexOf(message.pattern)], word(message.seed));
    case "stop":
      return bytesOf(NUMBERS.stop, word(message.stretch));
    case "done": {
      const { stretch, running, arrivals, slots } = message;
      return bytesOf(NUMBERS.done, word(stretch), [Number(running)], word(arrivals), word(slots));
    }
    case "get": {
      const { stretch, series, each, firsts } = message;
      return bytesOf(NUMBERS.get, word(stretch), [SERIES.indexOf(series), each, firsts.length], firsts.flatMap(word));
    }
    case "chunk": {
      const { stretch, series, first, records } = message;
      return bytesOf(NUMBERS.chunk, word(stretch), [SERIES.indexOf(series)], word(first), records);
    }
  }
}

/** Null for anything that no end says. */
export function decode(bytes: Uint8Array): Message | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const { length } = bytes;
  const number = length > 0 ? view.getUint8(0) : 0;
  if (number === NUMBERS.hello || number === NUMBERS.welcome) {
    if (length !== 2) return null;
    return { type: number === NUMBERS.hello ? "hello" : "welcome", version: view.getUint8(1) };
  }
  if (length < 5) return null;
  const stretch = view.getUint32(1);
  switch (number) {
    case NUMBERS.start: {
      const pattern = length === 10 ? PATTERNS[view.getUint8(5)] : undefined;
      return pattern === undefined ? null : { type: "start", stretch, pattern, seed: view.getUint32(6) };
    }
    case NUMBERS.stop:
      return length === 5 ? { type: "stop", stretch } : null;
    case NUMBERS.done: {
      if (length !== 14 || view.getUint8(5) > 1) return null;
      const running = view.getUint8(5) === 1;
      return { type: "done", stretch, running, arrivals: view.getUint32(6), slots: view.getUint32(10) };
    }
    case NUMBERS.get: {
      const series = length >= 8 ? SERIES[view.getUint8(5)] : undefined;
      const count = length >= 8 ? view.getUint8(7) : 0;
      if (series === undefined || count > MOST_CHUNKS || length !== 8 + 4 * count) return null;
      const firsts = Array.from({ length: count }, (_, at) => view.getUint32(8 + 4 * at));
      return { type: "get", stretch, series, each: view.getUint8(6), firsts };
    }
    case NUMBERS.chunk: {
      const series = length > CHUNK_HEADER ? SERIES[view.getUint8(5)] : undefined;
      if (series === undefined || (length - CHUNK_HEADER) % RECORD !== 0) return null;
      return { type: "chunk", stretch, series, first: view.getUint32(6), records: bytes.slice(CHUNK_HEADER) };
    }
    default:
      return null;
  }
}

/** How many records a message of so many bytes has room for. */
export function recordsIn(bytes: number): number {
  return Math.min(Math.max(Math.floor((bytes - CHUNK_HEADER) / RECORD), 1), 255);
}

function word(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

function bytesOf(type: number, ...parts: ArrayLike<number>[]): Uint8Array {
  return Uint8Array.from([type, ...parts.flatMap((part) => Array.from(part))]);
}
