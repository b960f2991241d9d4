/** What was seen of one direction, at all places of the capturing machine; in the end one of them counts. */
import { median } from "../../statistics/quantile.js";
import { Growing } from "../growing.js";
import type { ByteCounts, HeaderCount } from "../observation.js";
import { Copies, MOST_PLACES } from "./copies.js";
import type { Headers } from "./headers.js";
import type { Place } from "./link.js";
import { addBytes, ByteTally, HeaderTally } from "./tally.js";

/** Share of a place's datagrams that another place has seen, too, above which it shows copies. */
const COPIES = 0.5;
/** A copy at the same place comes within this share of the usual gap. */
const AT_ONCE = 0.5;

/** A place, with the TTL: a router shows the same datagram twice on one interface. */
interface Spot {
  place: Place;
  ttl: number;
  datagrams: number;
  /** Datagrams that each other spot has seen before. */
  shared: number[];
  /** Whose contents say nothing. */
  repeated: number;
  headers: HeaderTally;
  fragments: HeaderTally;
  bytes: ByteTally;
}

/** One direction, each datagram once. */
export interface Sighted {
  /** By interface, in the order of the file. */
  clocks: { interface: number; timesNs: Float64Array }[];
  /** Where datagrams were taken from, and in how many other places copies were left out. */
  at: Place;
  /** Datagrams left out because they were counted already. */
  copies: number;
  /** Datagrams that are left out because nobody can say whether they are copies: their contents are alike. */
  unclear: number;
  headers: HeaderCount[];
  /** Later fragments. */
  fragments: HeaderCount[];
  bytes: ByteCounts[];
}

export class Sightings {
  readonly #copies = new Copies();
  readonly #spots: Spot[] = [];
  readonly #numbers = new Map<number, number>();
  /** In the order of the file: when, and the spot's number. */
  readonly #times = new Growing();
  readonly #spotOf = new Growing();
  /** Datagrams that the same spot had seen before: which, and how long ago. */
  readonly #again = new Growing();
  readonly #sinceNs = new Growing();

  take(label: string, timeNs: number, bytes: Buffer, headers: Headers): void {
    const number = this.#numberOf(headers);
    const spot = this.#spots[number]!;
    const { elsewhere, sinceNs, repeated } = this.#copies.look(bytes, headers, number, timeNs);
    const again = !repeated && !Number.isNaN(sinceNs);
    if (again) {
      this.#again.push(this.#times.values().length);
      this.#sinceNs.push(Math.abs(sinceNs));
    }
    this.#times.push(timeNs);
    this.#spotOf.push(number);
    spot.datagrams += 1;
    if (repeated) spot.repeated += 1;
    else if (elsewhere !== 0) {
      for (let other = 0; other < this.#spots.length; other += 1) {
        if ((elsewhere & (1 << other)) !== 0) spot.shared[other] = (spot.shared[other] ?? 0) + 1;
      }
    }
    spot.headers.add(label, timeNs, headers);
    // Counted twice, bytes would look less random than they are.
    if (!again) spot.bytes.add(label, bytes, headers.payloadStart, headers.payloadEnd);
  }

  /** A later fragment of a datagram of this direction; of one that had to wait, the payload is gone. */
  takeFragment(label: string, timeNs: number, headers: Headers, bytes?: Buffer): void {
    const spot = this.#spots[this.#numberOf(headers)]!;
    spot.fragments.add(label, timeNs, headers);
    if (bytes !== undefined) spot.bytes.addRest(label, bytes, headers.payloadStart, headers.payloadEnd);
  }

  #numberOf(headers: Headers): number {
    const { ttl } = headers;
    const key = (((headers.interface % 65_536) * 2 ** 24 + headers.vlan) * 16 + (headers.kind & 15)) * 256 + ttl;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    // If there are more places than can be told apart, the rest counts as one.
    const number = Math.min(this.#spots.length, MOST_PLACES - 1);
    this.#numbers.set(key, number);
    this.#spots[number] ??= {
      place: { interface: headers.interface, vlan: headers.vlan, kind: headers.kind },
      ...{ ttl, datagrams: 0, shared: [], repeated: 0 },
      ...{ headers: new HeaderTally(), fragments: new HeaderTally(), bytes: new ByteTally() },
    };
    return number;
  }

  /** The spot that has seen most, and others that have seen what it has not. */
  finish(): Sighted {
    const order = this.#spots.map((_, number) => number);
    order.sort((one, other) => this.#spots[other]!.datagrams - this.#spots[one]!.datagrams || one - other);
    const [kept, unclear]: [number[], number[]] = [[], []];
    let copies = 0;
    for (const number of order) {
      const spot = this.#spots[number]!;
      const shared = kept.reduce((sum, other) => sum + this.#sharedBy(number, other), 0);
      if (shared > COPIES * spot.datagrams) copies += spot.datagrams;
      else if (kept.length > 0 && spot.repeated > COPIES * spot.datagrams && this.#mayBeCopies(spot, kept)) {
        unclear.push(number);
      } else kept.push(number);
    }
    const dropped = this.#copiesAtOnePlace(new Set(kept));
    const spots = kept.map((number) => this.#spots[number]!);
    return {
      clocks: this.#clocks(kept, dropped),
      at: spots[0]!.place,
      copies: copies + dropped.size,
      unclear: unclear.reduce((sum, number) => sum + this.#spots[number]!.datagrams, 0),
      headers: spots.flatMap(({ headers }) => headers.all()),
      fragments: spots.flatMap(({ fragments }) => fragments.all()),
      bytes: addBytes(spots.map(({ bytes }) => bytes.all())),
    };
  }

  /** Whichever of the two saw it first. */
  #sharedBy(one: number, other: number): number {
    return (this.#spots[one]!.shared[other] ?? 0) + (this.#spots[other]!.shared[one] ?? 0);
  }

  /** Alike in number: a place that has only few shows a change, of the TTL for example. */
  #mayBeCopies({ datagrams }: Spot, kept: readonly number[]): boolean {
    return kept.some((number) => datagrams > COPIES * this.#spots[number]!.datagrams);
  }

  /** Places in the list of times of what the same spot had seen a moment before. */
  #copiesAtOnePlace(kept: ReadonlySet<number>): Set<number> {
    const candidates = new Set(this.#again.values());
    if (candidates.size === 0) return new Set();
    const spotOf = this.#spotOf.values();
    const gaps: number[] = [];
    let before = NaN;
    this.#times.values().forEach((time, index) => {
      if (candidates.has(index) || !kept.has(spotOf[index]!)) return;
      if (!Number.isNaN(before)) gaps.push(time - before);
      before = time;
    });
    const usual = gaps.length === 0 ? 0 : median(Float64Array.from(gaps));
    const since = this.#sinceNs.values();
    const again = this.#again.values();
    const close = Array.from(again).filter((index, at) => since[at]! < AT_ONCE * usual && kept.has(spotOf[index]!));
    return new Set(close);
  }

  #clocks(kept: readonly number[], dropped: ReadonlySet<number>): Sighted["clocks"] {
    const byInterface = new Map<number, Growing>();
    const lists = new Map(
      kept.map((number) => {
        const on = this.#spots[number]!.place.interface;
        const list = byInterface.get(on) ?? new Growing();
        byInterface.set(on, list);
        return [number, list];
      }),
    );
    const spotOf = this.#spotOf.values();
    this.#times.values().forEach((time, index) => {
      if (!dropped.has(index)) lists.get(spotOf[index]!)?.push(time);
    });
    return [...byInterface].map(([on, list]) => ({ interface: on, timesNs: list.values() }));
  }
}
