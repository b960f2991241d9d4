/**
 * The circular block bootstrap (Politis and Romano, 1992). A resample of a sequence is made of pieces of it, so that
 * neighbours depend on each other as before. The beginning follows the end, so that every value is drawn equally often.
 */
import { rngChacha8 } from "@noble/ciphers/chacha.js";

/** Draws blocks, reproducibly. */
export class BlockBootstrap {
  readonly #random: ReturnType<typeof rngChacha8>;

  /** @param seed any number; the same one draws the same blocks */
  constructor(seed: number) {
    const bytes = new Uint8Array(32);
    new DataView(bytes.buffer).setFloat64(0, seed);
    this.#random = rngChacha8(bytes);
  }

  /**
   * Draws one resample of as many values as there are.
   *
   * @param each is called with the first index and the number of values of each block; the last block is cut to fit
   */
  draw(length: number, blockLength: number, each: (first: number, count: number) => void): void {
    const bytes = this.#random.randomBytes(4 * Math.ceil(length / blockLength));
    const words = new DataView(bytes.buffer, bytes.byteOffset);
    for (let done = 0, block = 0; done < length; done += blockLength, block += 1) {
      // The bias of this rounding, at most one in 2^32, is none that a resample could show.
      const first = Math.floor((words.getUint32(4 * block) / 2 ** 32) * length);
      each(first, Math.min(blockLength, length - done));
    }
  }
}
