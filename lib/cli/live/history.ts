/** What two snapshots make together: rates, and how they went. No clock of its own. */
import type { Snapshot } from "../status/snapshot.js";

/** Points that are kept: more than any terminal has columns for. */
const POINTS = 240;

export interface Rates {
  /** Of this end. */
  slotsPerSecond: number;
  missed: number;
  bytesSentPerSecond: number;
  bytesReceivedPerSecond: number;
  /** Datagrams that strangers sent, and what was dropped inside. */
  strangersPerSecond: number;
}

export class History {
  readonly slots: number[] = [];
  readonly bytesSent: number[] = [];
  readonly bytesReceived: number[] = [];
  /** Of each report of lateness, microseconds. */
  readonly p99: number[] = [];
  rates: Rates | null = null;
  #last: Snapshot | null = null;

  get last(): Snapshot | null {
    return this.#last;
  }

  add(snapshot: Snapshot): void {
    const before = this.#last;
    this.#last = snapshot;
    const { deviation } = snapshot;
    if (deviation !== null && deviation.count > 0 && deviation.time !== before?.deviation?.time) {
      push(this.p99, deviation.p99);
    }
    // Another process, under the same name: nothing to compare with.
    if (before?.pid !== snapshot.pid || snapshot.clockMs <= before.clockMs) return;
    const seconds = (snapshot.clockMs - before.clockMs) / 1000;
    const since = (of: (stats: Snapshot["stats"]) => number) => of(snapshot.stats) - of(before.stats);
    this.rates = {
      slotsPerSecond: since(({ slots }) => slots.sent) / seconds,
      missed: since(({ slots }) => slots.missed),
      bytesSentPerSecond: since(({ inner }) => inner.bytesSent) / seconds,
      bytesReceivedPerSecond: since(({ inner }) => inner.bytesReceived) / seconds,
      strangersPerSecond:
        since(({ datagrams }) => datagrams.unknown + datagrams.replayed + datagrams.overBudget) / seconds,
    };
    push(this.slots, this.rates.slotsPerSecond);
    push(this.bytesSent, this.rates.bytesSentPerSecond);
    push(this.bytesReceived, this.rates.bytesReceivedPerSecond);
  }
}

function push(values: number[], value: number): void {
  values.push(value);
  if (values.length > POINTS) values.shift();
}
