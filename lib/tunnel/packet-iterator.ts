/** The packet device as `for await` takes it. */
import type { I405Error } from "../common/errors.js";
import { PacketQueue, type PacketBound } from "./packet-queue.js";
import type { PacketReader } from "./packet-stream.js";

type Result = IteratorResult<Uint8Array, undefined>;

interface Waiting {
  resolve(result: Result): void;
  reject(error: I405Error): void;
}

const DONE: Result = { done: true, value: undefined };

export class PacketIterator implements AsyncIterableIterator<Uint8Array, undefined>, PacketReader {
  readonly #packets: PacketQueue;
  readonly #left: (reader: PacketIterator) => void;
  #waiting: Waiting[] = [];
  #over = false;
  #error: I405Error | null = null;

  /** @param left Called when the loop is left. */
  constructor(bound: PacketBound, left: (reader: PacketIterator) => void) {
    this.#packets = new PacketQueue(bound);
    this.#left = left;
  }

  deliver(packet: Uint8Array): void {
    if (this.#over) return;
    const next = this.#waiting.shift();
    if (next === undefined) this.#packets.push(packet);
    else next.resolve({ done: false, value: packet });
  }

  finish(error: I405Error | null): boolean {
    if (this.#over) return false;
    this.#over = true;
    const [first, ...others] = this.#waiting;
    this.#waiting = [];
    if (error !== null && first !== undefined) {
      first.reject(error);
    } else {
      this.#error = error;
      first?.resolve(DONE);
    }
    for (const each of others) each.resolve(DONE);
    return error !== null;
  }

  next(): Promise<Result> {
    const packet = this.#packets.shift();
    if (packet !== undefined) return Promise.resolve({ done: false, value: packet });
    if (this.#error !== null) {
      const error = this.#error;
      this.#error = null;
      return Promise.reject(error);
    }
    if (this.#over) return Promise.resolve(DONE);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
    });
  }

  return(): Promise<Result> {
    this.#packets.clear();
    this.#error = null;
    this.finish(null);
    this.#left(this);
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
