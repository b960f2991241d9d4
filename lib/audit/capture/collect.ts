/** From a capture to observations: which packets are the tunnel's, which way each went, which stretch it is in. */
import { I405Error } from "../../common/errors.js";
import { Growing } from "../growing.js";
import { OUTSIDE, type Observation, type Stretch } from "../observation.js";
import type { AuditWarning } from "../warnings.js";
import { captureWarnings } from "./capture-warnings.js";
import { agree, orderOf } from "./clock.js";
import { captureError } from "./errors.js";
import type { Capture } from "./file.js";
import { chooseFlow, flowKey, type Flow, type OtherFlow, type Wanted } from "./flows.js";
import { Fragments } from "./fragments.js";
import { addressesOf, emptyHeaders, parseHeaders, type Headers } from "./headers.js";
import { cutHoles } from "./holes.js";
import { knownLink } from "./link.js";
import { readPackets } from "./packets.js";
import type { CaptureFile, RawPacket } from "./raw-packet.js";
import { seenInStretches } from "./seen-in-stretches.js";
import { Sightings } from "./sightings.js";
import { stretchFinder } from "./stretch-finder.js";

/** Observations and what there is to say about where they come from. */
export interface Collected {
  file: CaptureFile;
  flow: Flow;
  /** Flows that fit as well, and are not looked at. */
  otherFlows: OtherFlow[];
  /** Packets that are not the tunnel's, or no IP. */
  others: number;
  /** Sights of datagrams beyond the first. */
  copies: number;
  observations: Observation[];
  warnings: AuditWarning[];
}

class Collector {
  readonly directions = new Map<string, Sightings>();
  others = 0;
  inside = 0;
  firstS = NaN;
  lastS = NaN;
  readonly #headers = emptyHeaders();
  readonly #fragments = new Fragments();
  readonly #stretchAt: (timeNs: number, originS: number) => number;

  constructor(
    readonly path: string,
    readonly stretches: readonly Stretch[],
    readonly flow: Flow,
  ) {
    this.#stretchAt = stretchFinder(stretches);
  }

  take(packet: RawPacket): void {
    const headers = this.#headers;
    const { timeNs, originS, bytes } = packet;
    if (!parseHeaders(packet, headers)) {
      this.others += 1;
      return;
    }
    const later = headers.fragmentOffset !== 0;
    const direction = later ? this.#fragments.directionOf(bytes, headers, timeNs) : this.#directionOf(bytes, headers);
    if (direction === undefined) {
      this.others += 1;
      return;
    }
    const label = this.#labelAt(timeNs, originS);
    const sightings = this.#sightings(direction);
    if (later) {
      sightings.takeFragment(label, timeNs, headers, bytes);
      return;
    }
    const nowS = originS + timeNs / 1e9;
    if (Number.isNaN(this.firstS)) this.firstS = nowS;
    this.lastS = nowS;
    if (label !== OUTSIDE) this.inside += 1;
    if (headers.more) {
      for (const waiting of this.#fragments.begin(bytes, headers, direction)) {
        this.others -= 1;
        sightings.takeFragment(this.#labelAt(waiting.timeNs, originS), waiting.timeNs, waiting.headers);
      }
    }
    sightings.take(label, timeNs, bytes, headers);
  }

  #directionOf(bytes: Buffer, headers: Headers): "up" | "down" | undefined {
    if (headers.protocol !== this.flow.protocol) return undefined;
    const key = flowKey(addressesOf(bytes, headers), headers);
    if (key === this.flow.up) return "up";
    return key === this.flow.down ? "down" : undefined;
  }

  #labelAt(timeNs: number, originS: number): string {
    const stretch = this.#stretchAt(timeNs, originS);
    return stretch < 0 ? OUTSIDE : this.stretches[stretch]!.label;
  }

  #sightings(direction: string): Sightings {
    const known = this.directions.get(direction);
    if (known !== undefined) return known;
    const fresh = new Sightings();
    this.directions.set(direction, fresh);
    return fresh;
  }
}

/**
 * Reads a capture twice: first to find the flow, then for what is in it.
 *
 * @param stretches in the order of time, as `checkStretches` gives them
 * @throws {I405Error} `ERR_I405_CAPTURE`; `ERR_I405_STRETCHES` if no packet lies in any stretch
 */
export function collect(capture: Capture, stretches: readonly Stretch[], wanted: Wanted = {}): Collected {
  const { flow, others: otherFlows } = chooseFlow(capture, stretches, wanted);
  const collector = new Collector(capture.path, stretches, flow);
  const file = readPackets(capture, (packet) => {
    collector.take(packet);
    return true;
  });
  if (collector.inside === 0) throw nothingInside(collector);
  const found = [...collector.directions]
    .map(([direction, sightings]) => ({ direction, ...sightings.finish() }))
    .map((each) => ({
      ...each,
      lists: each.clocks.map(({ timesNs }) => ({ timesNs, order: orderOf(timesNs) })),
    }))
    .sort((one, other) => (one.direction < other.direction ? 1 : -1));
  const setBacks = agree(found.flatMap(({ lists }) => lists));
  const seen = found.map(({ lists }) => seenInStretches(lists, stretches, file.originS, setBacks));
  const cut = cutHoles(seen.map((each) => each.seen));
  const observations = found.map(({ direction, headers, fragments, bytes }, index): Observation => {
    return { direction, seen: cut.directions[index]!, headers, fragments, bytes };
  });
  const sum = (values: readonly number[]) => values.reduce((all, each) => all + each, 0);
  const copies = sum(found.map((each) => each.copies));
  const warnings = captureWarnings({
    ...{ file, flow, otherFlows, found, setBacks, holes: cut.holes, copies, observations },
    behind: sum(found.flatMap(({ lists }) => lists).map(({ order }) => order.behind)),
    ambiguous: sum(seen.map(({ ambiguous }) => ambiguous)),
  });
  return { file, flow, otherFlows, others: collector.others, copies, observations, warnings };
}

function nothingInside({ path, stretches, firstS, lastS }: Collector): I405Error {
  const spans = `${stretches[0]!.from} to ${stretches.at(-1)!.to}`;
  const seen = Number.isNaN(firstS) ? "there is none" : `they lie at ${firstS.toFixed(3)} to ${lastS.toFixed(3)}`;
  const message = `${path}: no packet of the tunnel lies in the stretches, ${spans}; ${seen}`;
  return new I405Error("ERR_I405_STRETCHES", `${message}. Give stretches in Unix seconds of the capture's clock`);
}

/** The times alone, Unix nanoseconds from `originS`, of every IP packet of a capture: what went into a tunnel. */
export function readTimes(capture: Capture, originS: number): Float64Array {
  const times = new Growing();
  const headers = emptyHeaders();
  let strange: number | undefined;
  readPackets(capture, (packet) => {
    if (!knownLink(packet.linkType)) strange = packet.linkType;
    else if (parseHeaders(packet, headers)) times.push(packet.timeNs + (packet.originS - originS) * 1e9);
    return true;
  });
  if (times.values().length === 0 && strange !== undefined) {
    throw captureError(capture.path, `its link type is ${strange}`, "Capture on an Ethernet or TUN interface");
  }
  return times.sorted();
}
