/**
 * The packet device as Node's streams have it. Writing is pushed back while the waiting queue is full; reading is
 * bounded, and what comes beyond the bound is dropped and counted, as an IP network does.
 */
import { Duplex } from "node:stream";
import { I405Error } from "./errors.js";

/** Ours: packets that wait for a slow reader; 1.5 MB of full-size ones. */
export const READER_BOUND = 1024;
/** Ours: packets that wait for the queue, in the stream. The queue itself is bounded in time. */
const WRITER_BOUND = 16;

/** What a stream needs of its tunnel. */
export interface PacketPort {
  /** True: taken. False: wait for `ready`. Throws if it can't ever be. */
  write(packet: Uint8Array): boolean;
  /** Calls back once the tunnel is open and its queue has room, or it is over. */
  ready(callback: () => void): void;
  /** A packet was dropped for want of a reader. */
  dropped(): void;
}

/** Takes what the tunnel receives. */
export interface PacketReader {
  deliver(packet: Uint8Array): void;
  /** The tunnel is over. True: this reader passes the error on. */
  finish(error: I405Error | null): boolean;
}

export class PacketStream extends Duplex implements PacketReader {
  readonly #port: PacketPort;

  constructor(port: PacketPort) {
    // Bytes only: a string is no packet, and has to fail here rather than be sent as text.
    super({
      readableObjectMode: true,
      writableObjectMode: true,
      readableHighWaterMark: READER_BOUND,
      writableHighWaterMark: WRITER_BOUND,
    });
    this.#port = port;
  }

  deliver(packet: Uint8Array): void {
    if (this.destroyed) return;
    if (this.readableLength >= READER_BOUND) this.#port.dropped();
    else this.push(packet);
  }

  finish(error: I405Error | null): boolean {
    if (this.destroyed) return false;
    // An `error` event without a listener would end the program.
    const told = error !== null && this.listenerCount("error") > 0;
    if (told) this.destroy(error);
    else if (error !== null) this.destroy();
    else {
      this.push(null);
      if (!this.writableEnded) this.end();
    }
    return told;
  }

  override _read(): void {
    // Packets come when they come.
  }

  override _write(packet: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    try {
      if (this.#port.write(packet)) {
        done();
        return;
      }
    } catch (error) {
      // What was still to be written when the tunnel closed is lost, as on a network; an error without a listener
      // would end the program.
      done(error instanceof I405Error && error.code === "ERR_I405_CLOSED" ? null : (error as Error));
      return;
    }
    this.#port.ready(() => {
      if (!this.destroyed) this._write(packet, _encoding, done);
    });
  }
}

/** Packets as `for await` takes them. */
export class PacketIterator implements AsyncIterableIterator<Uint8Array>, PacketReader {
  readonly #dropped: () => void;
  readonly #left: (reader: PacketIterator) => void;
  readonly #packets: Uint8Array[] = [];
  #waiting: { resolve: (result: IteratorResult<Uint8Array>) => void; reject: (error: Error) => void }[] = [];
  #over = false;
  #error: I405Error | null = null;

  /**
   * @param dropped Called for each packet that found no room.
   * @param left Called when the loop is left.
   */
  constructor(dropped: () => void, left: (reader: PacketIterator) => void) {
    this.#dropped = dropped;
    this.#left = left;
  }

  deliver(packet: Uint8Array): void {
    if (this.#over) return;
    const next = this.#waiting.shift();
    if (next !== undefined) next.resolve({ done: false, value: packet });
    else if (this.#packets.length >= READER_BOUND) this.#dropped();
    else this.#packets.push(packet);
  }

  finish(error: I405Error | null): boolean {
    if (this.#over) return false;
    this.#over = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    const first = waiting.shift();
    if (error === null || first === undefined) {
      this.#error = error;
      first?.resolve({ done: true, value: undefined });
    } else {
      first.reject(error);
    }
    for (const each of waiting) each.resolve({ done: true, value: undefined });
    return error !== null;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    const packet = this.#packets.shift();
    if (packet !== undefined) return Promise.resolve({ done: false, value: packet });
    if (this.#error !== null) {
      const error = this.#error;
      this.#error = null;
      return Promise.reject(error);
    }
    if (this.#over) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
    });
  }

  return(): Promise<IteratorResult<Uint8Array>> {
    this.#packets.length = 0;
    this.finish(null);
    this.#left(this);
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
