/**
 * Packets that wait for a reader of the program's. The queue is bounded in time, as the waiting queue towards the slots
 * is. If the reader is slower than packets come, it gets the newest ones and loses the oldest. So a hop that is joined
 * to a slower one builds up no delay.
 */

/** Ours: bytes that wait for one reader at most, whatever the bound: 1 Gbit/s for 130 ms. */
export const MOST_WAITING_BYTES = 16 << 20;

/** Why a packet may not wait for ever, and who counts those that don't. */
export interface PacketBound {
  /** A clock that only goes forward, ms. */
  nowMs(): number;
  /** Longest wait, ms. */
  readonly boundMs: number;
  /** A packet was dropped because its reader was too slow. */
  dropped(): void;
}

interface Waiting {
  packet: Uint8Array;
  sinceMs: number;
}

export class PacketQueue {
  readonly #bound: PacketBound;
  #waiting: Waiting[] = [];
  /** Place of the oldest packet, so that taking it doesn't move the others. */
  #head = 0;
  #bytes = 0;

  constructor(bound: PacketBound) {
    this.#bound = bound;
  }

  push(packet: Uint8Array): void {
    const sinceMs = this.#bound.nowMs();
    this.#expire(sinceMs);
    this.#waiting.push({ packet, sinceMs });
    this.#bytes += packet.length;
    while (this.#bytes > MOST_WAITING_BYTES) this.#drop();
  }

  /** The oldest packet that hasn't waited for too long. */
  shift(): Uint8Array | undefined {
    if (this.#oldest() !== undefined) this.#expire(this.#bound.nowMs());
    return this.#take();
  }

  /** Nobody reads from now on, so what waits is not counted as dropped. */
  clear(): void {
    this.#waiting = [];
    this.#head = 0;
    this.#bytes = 0;
  }

  #oldest(): Waiting | undefined {
    return this.#waiting[this.#head];
  }

  #expire(nowMs: number): void {
    for (let oldest = this.#oldest(); oldest !== undefined; oldest = this.#oldest()) {
      if (nowMs - oldest.sinceMs <= this.#bound.boundMs) return;
      this.#drop();
    }
  }

  #drop(): void {
    this.#take();
    this.#bound.dropped();
  }

  #take(): Uint8Array | undefined {
    const oldest = this.#oldest();
    if (oldest === undefined) return undefined;
    this.#head += 1;
    this.#bytes -= oldest.packet.length;
    // Taken places are given back once they are most of the list: each is moved once on average.
    if (this.#head * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
    return oldest.packet;
  }
}
