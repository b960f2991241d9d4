/** The direction that later fragments belong to: they have no ports, but the identification of a first one. */
import { addressesOf, type Headers } from "./headers.js";

/** Datagrams whose fragments are waited for at once. */
const MOST_DATAGRAMS = 4096;
/** Later fragments of a datagram that are kept until its first one comes: of 64 KiB at the smallest MTU, and few more. */
const MOST_WAITING = 128;

/** What a datagram's fragments have in common. */
function keyOf(bytes: Buffer, headers: Headers): string {
  const { version, protocol, fragmentId } = headers;
  // In IPv6, if headers lie between, only the first fragment says what is carried.
  return `${addressesOf(bytes, headers)}${fragmentId},${version === 4 ? protocol : 6}`;
}

/** A later fragment that came before the first one. */
export interface Waiting {
  timeNs: number;
  headers: Headers;
}

export class Fragments {
  /** The direction, or what waits for it. Insertion order is that of age. */
  readonly #datagrams = new Map<string, string | Waiting[]>();

  /** A first fragment. @returns what came before it */
  begin(bytes: Buffer, headers: Headers, direction: string): Waiting[] {
    const key = keyOf(bytes, headers);
    const before = this.#datagrams.get(key);
    // Identifications come again: this is a new datagram, and the newest.
    this.#datagrams.delete(key);
    this.#set(key, direction);
    return Array.isArray(before) ? before : [];
  }

  /** A later fragment. @returns its direction; undefined: it waits, and may never be known */
  directionOf(bytes: Buffer, headers: Headers, timeNs: number): string | undefined {
    const key = keyOf(bytes, headers);
    const known = this.#datagrams.get(key);
    if (typeof known === "string") return known;
    const waiting = known ?? [];
    if (known === undefined) this.#set(key, waiting);
    if (waiting.length < MOST_WAITING) waiting.push({ timeNs, headers: { ...headers } });
    return undefined;
  }

  #set(key: string, value: string | Waiting[]): void {
    if (this.#datagrams.size >= MOST_DATAGRAMS) {
      const [oldest] = this.#datagrams.keys();
      this.#datagrams.delete(oldest!);
    }
    this.#datagrams.set(key, value);
  }
}
