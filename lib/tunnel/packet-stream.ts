/**
 * The packet device as a stream of Node's. Writing is pushed back while the waiting queue is full. Reading is bounded
 * in time: a packet that waits for longer is dropped and counted, as in an IP network.
 *
 * The program's listeners and callbacks never run within the tunnel's own steps, so what they throw doesn't disturb it.
 */
import { Duplex } from "node:stream";
import { I405Error } from "../common/errors.js";
import { emitIsolated, isolated } from "./emitter.js";
import { PacketQueue, type PacketBound } from "./packet-queue.js";

/** Ours: how many packets wait for the queue in the stream, just enough that the next follows a taken one at once. */
const WRITER_BOUND = 2;

/** What is wrong with one packet, and not with the stream. */
const REFUSALS: ReadonlySet<string> = new Set(["ERR_I405_OPTION", "ERR_I405_ARGUMENT"]);

/** What a stream needs of its tunnel. */
export interface PacketPort extends PacketBound {
  /** True: it was taken. False: wait for `ready`. Throws if it can never be taken. */
  write(packet: unknown): boolean;
  /**
   * Calls back once, when the tunnel is open and its queue has room, or when it is over.
   *
   * @returns A function that takes the callback back.
   */
  ready(callback: () => void): () => void;
  /** What was written is no packet; the stream goes on. */
  refused(error: I405Error): void;
  /** The stream was destroyed. */
  left(reader: PacketReader): void;
}

/** Takes what the tunnel receives. */
export interface PacketReader {
  deliver(packet: Uint8Array): void;
  /** The tunnel is over. True: this reader passes the error on. */
  finish(error: I405Error | null): boolean;
}

type Done = (error?: Error | null) => void;

/** A packet on its way into the queue. */
class Outgoing {
  refusal: I405Error | null = null;
  taken = false;

  constructor(public packet: unknown) {}

  /** Its writer may use the packet's memory for something else from now on. */
  own(): void {
    if (!this.taken && this.packet instanceof Uint8Array) this.packet = new Uint8Array(this.packet);
  }
}

export class PacketStream extends Duplex implements PacketReader {
  readonly #port: PacketPort;
  readonly #waiting: PacketQueue;
  /** Somebody reads, and nothing is left in the stream itself. */
  #wanted = false;
  #feeding = false;
  #over = false;
  /** The packet that the queue had no room for. */
  #outgoing: { packet: Outgoing; done: Done; takeBack: () => void } | null = null;

  constructor(port: PacketPort) {
    super({
      // Bytes only: a string is no packet, and has to be refused here rather than be sent as text.
      readableObjectMode: true,
      writableObjectMode: true,
      // What waits for a reader waits here, where it is dropped in time, and not in the stream's own buffer.
      readableHighWaterMark: 0,
      writableHighWaterMark: WRITER_BOUND,
    });
    this.#port = port;
    this.#waiting = new PacketQueue(port);
  }

  /** Whether it can still be read and written, like a new one. */
  get whole(): boolean {
    return !this.destroyed && !this.writableEnded;
  }

  /** Whether anybody has begun to read from it. */
  get isRead(): boolean {
    return this.readableFlowing !== null || this.listenerCount("readable") > 0 || this.readableDidRead;
  }

  deliver(packet: Uint8Array): void {
    this.#waiting.push(packet);
    this.#feedSoon();
  }

  finish(error: I405Error | null): boolean {
    if (this.destroyed) return false;
    // An `error` event without a listener would end the program.
    const told = error !== null && this.listenerCount("error") > 0;
    if (told) this.destroy(error);
    else if (error !== null) this.destroy();
    else {
      this.endReading();
      if (!this.writableEnded) this.end();
    }
    return told;
  }

  /** Nothing is delivered from now on. What waits may still be read. */
  endReading(): void {
    this.#over = true;
    this.#wanted = true;
    this.#feedSoon();
  }

  override emit(event: string | symbol, ...values: unknown[]): boolean {
    // A program that destroys a stream with an error and doesn't listen for it is told as with any stream.
    if (event === "error" && this.listenerCount("error") === 0) return super.emit(event, ...values);
    return emitIsolated(this, event, values);
  }

  override write(packet: unknown, encoding?: BufferEncoding | Done, callback?: Done): boolean {
    const told = typeof encoding === "function" ? encoding : callback;
    // null would end the stream, and is refused as in any stream.
    if (packet === null) return super.write(packet, told);
    const outgoing = new Outgoing(packet);
    const tell = told && isolated(told);
    const more = super.write(outgoing, (error) => {
      tell?.(error ?? outgoing.refusal);
    });
    outgoing.own();
    return more;
  }

  override end(packet?: unknown, encoding?: BufferEncoding | Done, callback?: Done): this {
    const told = [packet, encoding, callback].find((each) => typeof each === "function") as Done | undefined;
    if (packet !== undefined && packet !== null && typeof packet !== "function") this.write(packet);
    return super.end(told && isolated(told));
  }

  override _read(): void {
    this.#wanted = true;
    this.#feed();
  }

  override _write(packet: Outgoing, _encoding: BufferEncoding, done: Done): void {
    try {
      if (!this.#port.write(packet.packet)) {
        // Called from an empty stack, because the program's callbacks come right behind what `done` does.
        const again = (): void => {
          process.nextTick(() => {
            this.#writeAgain();
          });
        };
        this.#outgoing = { packet, done, takeBack: this.#port.ready(again) };
        return;
      }
    } catch (thrown) {
      const { code } = thrown as { code?: string };
      if (thrown instanceof I405Error && REFUSALS.has(thrown.code)) {
        packet.refusal = thrown;
        this.#port.refused(thrown);
      } else if (code !== "ERR_I405_CLOSED") {
        done(thrown as Error);
        return;
      }
      // What was still to be written when the tunnel closed is lost, as on a network.
    }
    packet.taken = true;
    done();
  }

  override _destroy(error: Error | null, callback: Done): void {
    this.#waiting.clear();
    this.#port.left(this);
    const outgoing = this.#outgoing;
    this.#outgoing = null;
    outgoing?.takeBack();
    callback(error);
    if (outgoing === null) return;
    const reason = error ?? new I405Error("ERR_I405_CLOSED", "the stream was destroyed before the packet was taken");
    // Node calls back for the packets behind it by itself.
    process.nextTick(outgoing.done, reason);
  }

  #writeAgain(): void {
    const outgoing = this.#outgoing;
    if (outgoing === null) return;
    this.#outgoing = null;
    this._write(outgoing.packet, "binary", outgoing.done);
  }

  /** Not at once: listeners of `data` are the program's, and have to run from an empty stack. */
  #feedSoon(): void {
    if (!this.#wanted || this.#feeding) return;
    this.#feeding = true;
    process.nextTick(() => {
      this.#feeding = false;
      this.#feed();
    });
  }

  #feed(): void {
    while (this.#wanted && !this.destroyed) {
      const packet = this.#waiting.shift();
      if (packet === undefined) {
        if (this.#over && !this.readableEnded) this.push(null);
        if (this.#over) this.#wanted = false;
        return;
      }
      this.#wanted = this.push(packet);
    }
  }
}
