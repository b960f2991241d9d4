/** What a fake tunnel knows of the path: counters of each key and the peer's reports, as a naive count has them. */
import type { NativePath, NativeStats } from "../../lib/native/stats.js";
import { NO_PATH } from "../../lib/tunnel/path-stats.js";

/** A report as it is in a slot. */
export interface FakeReport {
  newest: number;
  opened: number;
  heldNs: bigint;
}

interface Heard {
  opened: Set<number>;
  newest: number;
  receivedNs: bigint;
}

const REPORT_NS = 1_000_000_000n;

export class FakePath {
  /** Send times by generation; the place is the counter. */
  readonly #sent = new Map<number, bigint[]>();
  readonly #heard = new Map<number, Heard>();
  readonly #reports = new Map<number, FakeReport>();
  #replaced = 0n;
  #newest = 0;
  #saidNs: bigint | null = null;
  #reportedNs = 0n;
  #trips: number[] = [];

  /** A slot under this key: its counter. */
  sent(generation: number, nowNs: bigint): number {
    const times = this.#sent.get(generation) ?? [];
    this.#sent.set(generation, times);
    return times.push(nowNs) - 1;
  }

  opened(generation: number, counter: number, nowNs: bigint): void {
    if (generation < this.#newest) this.#replaced += 1n;
    this.#newest = Math.max(this.#newest, generation);
    const heard = this.#heard.get(generation) ?? { opened: new Set(), newest: -1, receivedNs: 0n };
    this.#heard.set(generation, heard);
    heard.opened.add(counter);
    if (counter > heard.newest) Object.assign(heard, { newest: counter, receivedNs: nowNs });
  }

  /** The report that is due under this key. */
  due(generation: number, nowNs: bigint): FakeReport | null {
    const heard = this.#heard.get(generation);
    if (heard === undefined || (this.#saidNs !== null && nowNs - this.#saidNs < REPORT_NS)) return null;
    this.#saidNs = nowNs;
    return { newest: heard.newest, opened: heard.opened.size, heldNs: nowNs - heard.receivedNs };
  }

  take(generation: number, report: FakeReport, nowNs: bigint): void {
    this.#reports.set(generation, report);
    this.#reportedNs = nowNs;
    this.#trips.push(Number(nowNs - this.#sent.get(generation)![report.newest]! - report.heldNs));
  }

  figures(): Pick<NativeStats, "openedReplaced" | "path"> {
    const trips = this.#trips;
    const newestNs = trips.at(-1);
    const path: NativePath = {
      ...NO_PATH,
      inbound: totals([...this.#heard.values()].map(({ newest, opened }) => [newest + 1, opened.size])),
      outbound: totals([...this.#reports.values()].map(({ newest, opened }) => [newest + 1, opened])),
      roundTrip: newestNs === undefined ? null : { newestNs, smoothedNs: newestNs, leastNs: Math.min(...trips) },
      reportedNs: this.#reportedNs,
    };
    return { openedReplaced: this.#replaced, path };
  }
}

/** Recent is all: a fake has no window. */
function totals(keys: (readonly [expected: number, opened: number])[]): NativePath["inbound"] {
  const expected = keys.reduce((sum, [each]) => sum + each, 0);
  const lost = expected - keys.reduce((sum, [, opened]) => sum + opened, 0);
  return { expected: BigInt(expected), lost: BigInt(lost), recentExpected: expected, recentLost: lost };
}
