/** Header fields and byte values, counted while the file is read: a packet at a time would not fit into memory. */
import type { ByteCounts, HeaderCount, HeaderFields } from "../observation.js";
import { UDP, type Headers } from "./headers.js";

/** How many places of a payload are counted one by one: a header would be there. */
export const PLACES = 32;
/** Different combinations of header fields that are kept. More is a finding in itself. */
const MOST_COMBINATIONS = 1000;

const CONSTANT = [
  ...["version", "length", "ttl", "dscp", "ecn", "flags", "fragmentOffset", "flowLabel", "headerLength", "protocol"],
  ...["sourcePort", "destinationPort"],
] as readonly string[] as readonly (keyof Headers & keyof HeaderFields)[];

/** The combinations of header fields of one direction. */
export class HeaderTally {
  readonly #counts = new Map<string, HeaderCount>();
  #last: HeaderCount | undefined;
  #identification: number | undefined;

  add(label: string, timeNs: number, headers: Headers): void {
    const identification = this.#step(headers);
    const udpChecksum = headers.protocol === UDP && headers.udpChecksum === 0 ? "zero" : "set";
    let count = this.#last;
    const same =
      count?.label === label &&
      count.fields.identification === identification &&
      count.fields.udpChecksum === udpChecksum &&
      CONSTANT.every((field) => count!.fields[field] === headers[field]);
    if (!same) {
      count = this.#find(label, timeNs, { ...pick(headers), identification, udpChecksum });
      this.#last = count;
    }
    if (count === undefined) return;
    count.count += 1;
    count.lastNs = timeNs;
  }

  #step({ version, identification }: Headers): HeaderFields["identification"] {
    const before = this.#identification;
    this.#identification = identification;
    if (version === 6 || identification === 0) return "zero";
    if (before === undefined || identification === ((before + 1) & 0xffff)) return "next";
    return identification === before ? "same" : "other";
  }

  #find(label: string, timeNs: number, fields: HeaderFields): HeaderCount | undefined {
    const key = `${label}\0${Object.values(fields).join()}`;
    const known = this.#counts.get(key);
    if (known !== undefined || this.#counts.size >= MOST_COMBINATIONS) return known;
    const fresh = { label, fields, count: 0, firstNs: timeNs, lastNs: timeNs };
    this.#counts.set(key, fresh);
    return fresh;
  }

  all(): HeaderCount[] {
    return [...this.#counts.values()];
  }
}

function pick(headers: Headers): Omit<HeaderFields, "identification" | "udpChecksum"> {
  const fields = Object.fromEntries(CONSTANT.map((field) => [field, headers[field]]));
  return fields as unknown as Omit<HeaderFields, "identification" | "udpChecksum">;
}

/** Byte values of one direction, by condition. */
export class ByteTally {
  readonly #counts = new Map<string, ByteCounts>();

  /** A datagram, from the first byte of its payload. */
  add(label: string, bytes: Buffer, start: number, end: number): void {
    const counts = this.#of(label);
    counts.datagrams += 1;
    const { all, places } = counts;
    for (let at = start; at < end; at += 1) all[bytes[at]!]! += 1;
    const last = Math.min(end - start, PLACES);
    for (let place = 0; place < last; place += 1) places[256 * place + bytes[start + place]!]! += 1;
  }

  /** What a later fragment has of a payload. */
  addRest(label: string, bytes: Buffer, start: number, end: number): void {
    const { all } = this.#of(label);
    for (let at = start; at < end; at += 1) all[bytes[at]!]! += 1;
  }

  #of(label: string): ByteCounts {
    const known = this.#counts.get(label);
    if (known !== undefined) return known;
    const counts = { label, datagrams: 0, all: new Float64Array(256), places: new Float64Array(256 * PLACES) };
    this.#counts.set(label, counts);
    return counts;
  }

  all(): ByteCounts[] {
    return [...this.#counts.values()];
  }
}

/** Several tallies as one. */
export function addBytes(tallies: readonly (readonly ByteCounts[])[]): ByteCounts[] {
  const sums = new Map<string, ByteCounts>();
  for (const counts of tallies.flat()) {
    const sum = sums.get(counts.label);
    if (sum === undefined) {
      sums.set(counts.label, { ...counts, all: counts.all.slice(), places: counts.places.slice() });
      continue;
    }
    sum.datagrams += counts.datagrams;
    counts.all.forEach((count, value) => (sum.all[value]! += count));
    counts.places.forEach((count, value) => (sum.places[value]! += count));
  }
  return [...sums.values()];
}
