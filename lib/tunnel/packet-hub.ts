/** Where the packet device meets its readers and writers: event listeners, the stream, iterators. */
import type { Duplex } from "node:stream";
import type { TunnelWarning } from "../../index.js";
import type { I405Error } from "../common/errors.js";
import { packetRefused } from "../session/warnings.js";
import { PacketIterator } from "./packet-iterator.js";
import { PacketStream, type PacketPort, type PacketReader } from "./packet-stream.js";

/** What the hub needs of its tunnel. */
export interface HubPort {
  /** Longest wait for a reader, ms. */
  boundMs: number;
  /** Writes one packet. True if it was taken. Throws if it can never be taken. */
  write(packet: unknown): boolean;
  warn(warning: TunnelWarning): void;
}

/** What only the program's side of the packet device counts. */
export interface PacketCounts {
  /** Packets that a stream or iterator did not read in time. */
  readerDrops: bigint;
  /** Calls of `write` that returned false. */
  writeRefusals: bigint;
  /** What was written to a stream and is no bytes at all. Bytes that are no packet are counted by the addon. */
  malformed: bigint;
}

export class PacketHub {
  readonly counts: PacketCounts = { readerDrops: 0n, writeRefusals: 0n, malformed: 0n };
  /** Whether there is no queue to wait for yet. */
  opening = true;
  /** 0 until the tunnel has a clock; no packet comes before that. */
  nowMs: () => number = () => 0;
  readonly #tunnel: HubPort;
  readonly #port: PacketPort;
  #stream: PacketStream | null = null;
  readonly #readers = new Set<PacketReader>();
  #waiting = new Set<() => void>();
  #over = false;
  #warned = false;

  constructor(tunnel: HubPort) {
    this.#tunnel = tunnel;
    this.#port = {
      boundMs: tunnel.boundMs,
      nowMs: () => this.nowMs(),
      // A stream may be written to before its tunnel is open: it waits as for a full queue.
      write: (packet) => !(this.opening && !this.#over) && tunnel.write(packet),
      ready: (callback) => {
        this.#waiting.add(callback);
        return () => this.#waiting.delete(callback);
      },
      dropped: () => (this.counts.readerDrops += 1n),
      refused: (error) => {
        this.#refused(error);
      },
      left: (reader) => this.#readers.delete(reader),
    };
  }

  /** The same stream for as long as it can be read and written. Then a new one, so that a hop can be joined anew. */
  stream(): Duplex {
    const before = this.#stream;
    if (before?.whole === true || (before !== null && this.#over && !before.destroyed)) return before;
    // A stream that was only written to would drop packets, and count them, for ever.
    if (before !== null && !before.destroyed && !before.isRead) {
      this.#readers.delete(before);
      before.endReading();
    }
    this.#stream = this.#add(new PacketStream(this.#port));
    return this.#stream;
  }

  iterate(): AsyncIterableIterator<Uint8Array> {
    return this.#add(new PacketIterator(this.#port, (reader) => this.#readers.delete(reader)));
  }

  /**
   * Gives each reader the packet, in bytes of its own.
   *
   * @param isShared Somebody else has these bytes already, or will have them.
   */
  deliver(packet: Uint8Array, isShared: boolean): void {
    let isTaken = isShared;
    for (const reader of this.#readers) {
      reader.deliver(isTaken ? packet.slice() : packet);
      isTaken = true;
    }
  }

  /** The queue has room. */
  ready(): void {
    this.opening = false;
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const callback of waiting) callback();
  }

  /** The tunnel is over. Returns true if somebody was told of the error. */
  finish(error: I405Error | null): boolean {
    if (this.#over) return false;
    this.#over = true;
    let told = false;
    for (const reader of [...this.#readers]) told = reader.finish(error) || told;
    this.#readers.clear();
    this.ready();
    return told;
  }

  #refused(error: I405Error): void {
    if (error.code === "ERR_I405_OPTION") this.counts.malformed += 1n;
    if (this.#warned) return;
    this.#warned = true;
    this.#tunnel.warn(packetRefused(error));
  }

  #add<Reader extends PacketReader>(reader: Reader): Reader {
    if (this.#over) reader.finish(null);
    else this.#readers.add(reader);
    return reader;
  }
}
