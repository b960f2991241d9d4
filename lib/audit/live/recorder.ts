/**
 * Records what the tunnel of this process tells of its slots and of the datagrams that it receives, during one stretch.
 */
import type { I405Tunnel, TunnelEvents } from "../../index.js";
import { Growing } from "../growing.js";
import type { Records } from "./series.js";

export type RecordedTunnel = Pick<I405Tunnel, "on" | "removeListener">;

class Columns {
  readonly generation = new Growing();
  readonly counter = new Growing();
  readonly timeNs = new Growing();
  readonly missed = new Growing();

  records(): Records {
    const { generation, counter, timeNs, missed } = this;
    const copy = (column: Growing) => column.values().slice();
    return { generation: copy(generation), counter: copy(counter), timeNs: copy(timeNs), missed: copy(missed) };
  }
}

/** One stretch. Times are nanoseconds from the experiment's origin. */
export class Recorder {
  #slots = new Columns();
  #called = new Growing();
  #arrivals = new Columns();
  /** When slots left, by their deadline. */
  #left = new Map<number, number>();
  #inner = new Growing();
  /** Slots and datagrams that the tunnel could not tell of. */
  dropped = 0;
  readonly #tunnel: RecordedTunnel;
  readonly #nowNs: () => number;
  readonly #listeners: Partial<TunnelEvents>;

  /**
   * @param originNs of the experiment, CLOCK_MONOTONIC
   * @param nowNs nanoseconds since that origin
   */
  constructor(tunnel: RecordedTunnel, originNs: bigint, nowNs: () => number) {
    this.#tunnel = tunnel;
    this.#nowNs = nowNs;
    const from = (atNs: bigint) => Number(atNs - originNs);
    this.#listeners = {
      slots: ({ deadlineNs, calledNs, generation, counter, missed, dropped }) => {
        this.dropped += dropped;
        for (let at = 0; at < counter.length; at += 1) {
          this.#slots.generation.push(generation[at]!);
          this.#slots.counter.push(counter[at]!);
          this.#slots.timeNs.push(from(deadlineNs[at]!));
          this.#slots.missed.push(missed[at]!);
          this.#called.push(from(calledNs[at]!));
        }
      },
      departures: ({ deadlineNs, leftNs }) => {
        deadlineNs.forEach((deadline, at) => this.#left.set(from(deadline), from(leftNs[at]!)));
      },
      arrivals: ({ receivedNs, generation, counter, dropped }) => {
        this.dropped += dropped;
        for (let at = 0; at < counter.length; at += 1) {
          this.#arrivals.generation.push(generation[at]!);
          this.#arrivals.counter.push(counter[at]!);
          this.#arrivals.timeNs.push(from(receivedNs[at]!));
          this.#arrivals.missed.push(0);
        }
      },
    };
    for (const [name, listener] of Object.entries(this.#listeners)) tunnel.on(name as keyof TunnelEvents, listener);
  }

  close(): void {
    for (const [name, listener] of Object.entries(this.#listeners)) {
      this.#tunnel.removeListener(name as keyof TunnelEvents, listener);
    }
  }

  /** Forgets what was. */
  begin(): void {
    [this.#slots, this.#arrivals] = [new Columns(), new Columns()];
    [this.#called, this.#inner] = [new Growing(), new Growing()];
    this.#left = new Map();
  }

  /** An inner packet goes in now. */
  innerPacket(): void {
    this.#inner.push(this.#nowNs());
  }

  /** The newest slot that is known was due then. */
  get newestNs(): number {
    return this.#slots.timeNs.values().at(-1) ?? -Infinity;
  }

  slots(): Records {
    return this.#slots.records();
  }

  called(): Float64Array {
    return this.#called.values().slice();
  }

  /** When each of the slots left by its timestamp; NaN where none came. */
  left(): Float64Array {
    return this.#slots.timeNs.values().map((deadline) => this.#left.get(deadline) ?? NaN);
  }

  arrivals(): Records {
    return this.#arrivals.records();
  }

  innerNs(): Float64Array {
    return this.#inner.sorted();
  }
}
