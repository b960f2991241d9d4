/** A file read from front to back in large pieces, of which the reader asks for so many bytes in one run. */
import { readSync } from "node:fs";

/** Bytes per read: large enough that the calls don't count. 4 MiB. */
const PIECE = 4 << 20;

/** Hands out runs of bytes; `bytes[at]` is the first that hasn't been taken. */
export class ByteSource {
  bytes = Buffer.allocUnsafe(2 * PIECE);
  view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length);
  at = 0;
  #end = 0;
  #before = 0;

  /** @param descriptor of a regular file, which is read from its beginning and stays open */
  constructor(readonly descriptor: number) {}

  /** Place in the file of the next byte. */
  get position(): number {
    return this.#before + this.at;
  }

  /** How many bytes are at hand, up to `count` if the file has them. What was taken before is gone afterwards. */
  want(count: number): number {
    if (this.#end - this.at >= count) return count;
    this.#makeRoom(count);
    while (this.#end - this.at < count) {
      const place = this.#before + this.#end;
      const read = readSync(this.descriptor, this.bytes, this.#end, this.bytes.length - this.#end, place);
      if (read === 0) break;
      this.#end += read;
    }
    return Math.min(this.#end - this.at, count);
  }

  /** Skips any number of bytes unseen. If they go beyond the end, that shows when more is wanted. */
  skip(count: number): void {
    const at = this.at + count;
    if (at <= this.#end) {
      this.at = at;
      return;
    }
    this.#before += at;
    this.at = this.#end = 0;
  }

  #makeRoom(count: number): void {
    const rest = this.bytes.subarray(this.at, this.#end);
    const larger = count + PIECE > this.bytes.length;
    const target = larger ? Buffer.allocUnsafe(count + PIECE) : this.bytes;
    target.set(rest);
    this.#before += this.at;
    this.#end = rest.length;
    this.at = 0;
    if (!larger) return;
    this.bytes = target;
    this.view = new DataView(target.buffer, target.byteOffset, target.length);
  }
}
