/** Where the packet device meets its readers and writers: event listeners, the stream, iterators. */
import type { Duplex } from "node:stream";
import type { I405Error } from "./errors.js";
import { PacketIterator, PacketStream, type PacketReader } from "./packet-stream.js";

/** Writes one packet: true if it was taken. Throws if it can't ever be. */
export type WritePacket = (packet: Uint8Array) => boolean;

export class PacketHub {
  /** Packets that found no room with a stream or iterator. */
  drops = 0n;
  /** Whether there is no queue to wait for yet. */
  opening = true;
  readonly #write: WritePacket;
  #stream: PacketStream | null = null;
  readonly #readers = new Set<PacketReader>();
  #waiting: (() => void)[] = [];
  #over = false;

  constructor(write: WritePacket) {
    this.#write = write;
  }

  stream(): Duplex {
    this.#stream ??= this.#add(
      new PacketStream({
        // A stream may be written to before its tunnel is open: it waits as for a full queue.
        write: (packet) => !(this.opening && !this.#over) && this.#write(packet),
        ready: (callback) => this.#waiting.push(callback),
        dropped: () => (this.drops += 1n),
      }),
    );
    return this.#stream;
  }

  iterate(): AsyncIterableIterator<Uint8Array> {
    const dropped = (): void => {
      this.drops += 1n;
    };
    return this.#add(new PacketIterator(dropped, (reader) => this.#readers.delete(reader)));
  }

  deliver(packet: Uint8Array): void {
    for (const reader of this.#readers) reader.deliver(packet);
  }

  /** The queue has room. */
  ready(): void {
    this.opening = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const callback of waiting) callback();
  }

  /** The tunnel is over. True: somebody was told of the error. */
  finish(error: I405Error | null): boolean {
    if (this.#over) return false;
    this.#over = true;
    let told = false;
    for (const reader of this.#readers) told = reader.finish(error) || told;
    this.#readers.clear();
    this.ready();
    return told;
  }

  #add<Reader extends PacketReader>(reader: Reader): Reader {
    if (this.#over) reader.finish(null);
    else this.#readers.add(reader);
    return reader;
  }
}
