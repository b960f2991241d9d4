/** Puts the fragments of one handshake message together; all of one stamp have one length. */
import { fragmentCount, type Fragment } from "./wire.js";

export class Gathering {
  readonly stamp: number;
  readonly #parts: (Buffer | undefined)[];
  readonly #bytes: number;
  readonly #n: number;

  constructor(stamp: number, bytes: number, n: number) {
    this.stamp = stamp;
    this.#bytes = bytes;
    this.#n = n;
    this.#parts = new Array<Buffer | undefined>(fragmentCount(bytes, n)).fill(undefined);
  }

  /** The message, once it is whole. What follows its end has to be zeros. */
  take(fragment: Fragment): Buffer | null {
    if (fragment.bytes.length !== this.#n - 44) throw new Error("fragments of one stamp differ in length");
    if (fragment.f >= this.#parts.length) throw new Error("a fragment past the last");
    this.#parts[fragment.f] = fragment.bytes;
    const parts = this.#parts.filter((part) => part !== undefined);
    if (parts.length < this.#parts.length) return null;
    const all = Buffer.concat(parts);
    if (all.subarray(this.#bytes).some((byte) => byte !== 0)) throw new Error("padding that isn't zero");
    return all.subarray(0, this.#bytes);
  }
}
