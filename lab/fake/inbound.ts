/** What a fake tunnel does with handshake fragments: stamps, floor, reassembly, the rate (docs/protocol.md). */
import { KIND_INITIATION } from "../../lib/native/protocol-ids.js";
import type { NativeEvent } from "../../lib/native/events.js";
import type { NativeOpenOptions } from "../../lib/native/options.js";
import type { Datagram } from "./network.js";

const WRAP_OVERHEAD = 44;
const VERSION = 1;
/** To JavaScript one initiation a second. */
const HANDOVER_NS = 1_000_000_000n;
const WARNING_NS = 60_000_000_000n;

interface Assembly {
  stamp: number;
  length: number;
  have: Set<number>;
}

export class FakeInbound {
  floorMs: number;
  fragments = 0n;
  stale = 0n;
  expected: number[] = [];
  /** Newest source of the fragments of a stamp that was handed over. */
  readonly sources = new Map<number, string>();
  readonly #server: boolean;
  readonly #emit: (event: NativeEvent) => void;
  readonly #buffers = new Map<number, Assembly>();
  #handedOverNs: bigint | null = null;
  #warnedNs: bigint | null = null;
  readonly #done = new Map<number, string>();

  constructor(options: NativeOpenOptions, emit: (event: NativeEvent) => void) {
    this.floorMs = options.floorMs;
    this.#server = options.role === "server";
    this.#emit = emit;
  }

  receive(datagram: Datagram, nowNs: bigint): void {
    const { content, from, length } = datagram;
    if (content.type !== "handshake") return;
    this.fragments += 1n;
    const { kind, stamp, version } = content;
    if (this.#server !== (kind === KIND_INITIATION)) return;
    if (this.#server) {
      if (this.sources.has(stamp)) {
        this.sources.set(stamp, from);
        return;
      }
      if (stamp <= this.floorMs) {
        this.#tellStale(stamp, nowNs);
        return;
      }
      if (version !== VERSION) {
        this.floorMs = stamp;
        this.#emit({ type: "otherVersion", version, stamp, source: from, datagramLength: length, receivedNs: nowNs });
        return;
      }
    } else if (!this.expected.includes(stamp)) {
      return;
    }
    if (this.#complete(datagram)) this.#handOver(datagram, nowNs);
  }

  #tellStale(stamp: number, nowNs: bigint): void {
    this.stale += 1n;
    if (this.#warnedNs !== null && nowNs - this.#warnedNs < WARNING_NS) return;
    this.#warnedNs = nowNs;
    this.#emit({ type: "staleInitiation", stamp, floorMs: this.floorMs });
  }

  #complete({ content, length }: Datagram): boolean {
    if (content.type !== "handshake") return false;
    const { stamp, fragment, message } = content;
    let buffer = this.#buffers.get(stamp);
    if (buffer === undefined) {
      // One buffer per pairing, newest stamp.
      if (this.#server && [...this.#buffers.keys()].some((other) => other > stamp)) return false;
      if (this.#server) this.#buffers.clear();
      buffer = { stamp, length, have: new Set() };
      this.#buffers.set(stamp, buffer);
    }
    if (buffer.length !== length) return false;
    buffer.have.add(fragment);
    return buffer.have.size === Math.ceil(message.length / (length - WRAP_OVERHEAD));
  }

  #handOver({ content, from, length }: Datagram, nowNs: bigint): void {
    if (content.type !== "handshake") return;
    const { kind, version, stamp, message } = content;
    if (this.#server) {
      if (this.#handedOverNs !== null && nowNs - this.#handedOverNs < HANDOVER_NS) return;
      this.#handedOverNs = nowNs;
      this.floorMs = stamp;
      this.sources.set(stamp, from);
      this.#buffers.delete(stamp);
    } else {
      const text = Buffer.from(message).toString("base64");
      if (this.#done.get(stamp) === text) return;
      this.#done.set(stamp, text);
    }
    const copy = Uint8Array.from(message);
    this.#emit({
      type: "handshake",
      kind,
      version,
      stamp,
      message: copy,
      source: from,
      datagramLength: length,
      receivedNs: nowNs,
    });
  }
}
