/** From a capture to observations: which packets are the tunnel's, which way each went, which stretch it is in. */
import { I405Error } from "../../errors.js";
import { OUTSIDE, type Observation, type Stretch } from "../observation.js";
import { captureError } from "./errors.js";
import { belongs, directionOf, guessFlow, type Flow } from "./flow.js";
import { Growing } from "../growing.js";
import { emptyHeaders, knownLink, parseHeaders } from "./headers.js";
import { readPackets, type CaptureFile, type RawPacket } from "./packets.js";
import { ByteTally, HeaderTally } from "./tally.js";

/** Observations and what there is to say about where they come from. */
export interface Collected {
  file: CaptureFile;
  flow: Flow;
  /** Packets that are not the tunnel's, or no IP. */
  others: number;
  observations: Observation[];
}

interface Direction {
  stretches: Growing[];
  headers: HeaderTally;
  bytes: ByteTally;
}

class Collector {
  readonly directions = new Map<string, Direction>();
  others = 0;
  inside = 0;
  firstS = NaN;
  lastS = NaN;
  readonly #headers = emptyHeaders();
  #at = 0;

  constructor(
    readonly path: string,
    readonly stretches: readonly Stretch[],
    readonly flow: Flow,
  ) {}

  take(packet: RawPacket): void {
    const headers = this.#headers;
    const { timeNs, originS, bytes } = packet;
    const ours = parseHeaders(packet.linkType, bytes, packet.start, packet.end, headers) && belongs(headers, this.flow);
    if (!ours) {
      this.others += 1;
      return;
    }
    const nowS = originS + timeNs / 1e9;
    if (Number.isNaN(this.firstS)) this.firstS = nowS;
    this.lastS = nowS;
    const direction = this.#direction(directionOf(headers, this.flow));
    const stretch = this.#stretchAt(timeNs, originS);
    const label = stretch === undefined ? OUTSIDE : this.stretches[stretch]!.label;
    // Later fragments belong to a datagram that was counted already.
    if (stretch !== undefined && headers.fragmentOffset === 0) {
      this.inside += 1;
      direction.stretches[stretch]!.push(timeNs);
    }
    direction.headers.add(label, timeNs, headers);
    direction.bytes.add(label, bytes, headers.payloadStart, headers.payloadEnd);
  }

  /** Almost always the stretch of the packet before. */
  #stretchAt(timeNs: number, originS: number): number | undefined {
    const within = ({ from, to }: Stretch) => (from - originS) * 1e9 <= timeNs && timeNs < (to - originS) * 1e9;
    if (within(this.stretches[this.#at]!)) return this.#at;
    const found = this.stretches.findIndex(within);
    if (found < 0) return undefined;
    this.#at = found;
    return found;
  }

  #direction(name: string): Direction {
    const known = this.directions.get(name);
    if (known !== undefined) return known;
    const stretches = this.stretches.map(() => new Growing());
    const fresh = { stretches, headers: new HeaderTally(), bytes: new ByteTally() };
    this.directions.set(name, fresh);
    return fresh;
  }
}

/**
 * Reads a capture.
 *
 * @param stretches in the order of time, as `checkStretches` gives them
 * @param port the server's UDP port; undefined: the one that most packets have
 * @throws {I405Error} `ERR_I405_CAPTURE`; `ERR_I405_STRETCHES` if no packet lies in any stretch
 */
export function collect(path: string, stretches: readonly Stretch[], port?: number): Collected {
  const flow = guessFlow(path, port);
  const collector = new Collector(path, stretches, flow);
  const file = readPackets(path, (packet) => {
    collector.take(packet);
    return true;
  });
  if (collector.inside === 0) throw nothingInside(collector);
  const observations = [...collector.directions].map(([direction, { stretches: lists, headers, bytes }]) => ({
    direction,
    seen: stretches.map(({ from, to, label }, index) => ({
      label,
      fromNs: (from - file.originS) * 1e9,
      toNs: (to - file.originS) * 1e9,
      timesNs: lists[index]!.sorted(),
    })),
    headers: headers.all(),
    bytes: bytes.all(),
  }));
  observations.sort((one, other) => (one.direction < other.direction ? 1 : -1));
  return { file, flow, others: collector.others, observations };
}

function nothingInside({ path, stretches, firstS, lastS }: Collector): I405Error {
  const spans = `${stretches[0]!.from} to ${stretches.at(-1)!.to}`;
  const seen = Number.isNaN(firstS) ? "there is none" : `they lie at ${firstS.toFixed(3)} to ${lastS.toFixed(3)}`;
  const message = `${path}: no packet of the tunnel lies in the stretches, ${spans}; ${seen}`;
  return new I405Error("ERR_I405_STRETCHES", `${message}. Give stretches in Unix seconds of the capture's clock`);
}

/** The times alone, Unix nanoseconds from `originS`, of every IP packet of a capture: what went into a tunnel. */
export function readTimes(path: string, originS: number): Float64Array {
  const times = new Growing();
  const headers = emptyHeaders();
  readPackets(path, (packet) => {
    if (!knownLink(packet.linkType)) {
      throw captureError(path, `its link type is ${packet.linkType}`, "Capture on an Ethernet or TUN interface");
    }
    if (parseHeaders(packet.linkType, packet.bytes, packet.start, packet.end, headers)) {
      times.push(packet.timeNs + (packet.originS - originS) * 1e9);
    }
    return true;
  });
  return times.sorted();
}
