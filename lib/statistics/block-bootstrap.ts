/**
 * The circular block bootstrap (Politis and Romano, 1992): resamples of a sequence made of pieces of it, so that what
 * neighbours have to do with each other stays as it was. The end is followed by the beginning, so that every value is
 * drawn equally often.
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
   * One resample of as many values as there are.
   *
   * @param each is told where each block begins and how many values it has; the last one is cut to fit
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
