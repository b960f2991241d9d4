/** Captures of the wire: running the `capture` program, reading its files (crates/i405-testkit/src/record.rs), facts. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Netns } from "./netns.js";
import { flags, Program } from "./program.js";
import { testkit } from "./testkit.js";

const MAGIC = "i405cap1";
const HEADER_BYTES = 68;
const CHECKSUM_PENDING = 1;
const DONT_FRAGMENT = 0x4000;
const MORE_OR_OFFSET = 0x3fff;

/** One IP packet as an observer sees it. */
export interface WirePacket {
  /** Nanoseconds since the capture's `startNs`, by the kernel's clock. */
  timeNs: number;
  /** Seen from the interface; in a relay's record `in` is up. */
  direction: "in" | "out";
  version: number;
  protocol: number;
  ipLength: number;
  ttl: number;
  dscp: number;
  ecn: number;
  dontFragment: boolean;
  fragmented: boolean;
  identification: number;
  flowLabel: number;
  source: string;
  sourcePort: number;
  destination: string;
  destinationPort: number;
  udpLength: number;
  udpChecksum: number;
  /** The checksum is left to the interface, as on any virtual cable: its field says nothing yet. */
  checksumPending: boolean;
  payloadLength: number;
  /** What was kept of the payload: all of it unless the capture's `snap` says less. */
  payload: Buffer;
}

export interface Capture {
  /** CLOCK_REALTIME of the first packet. */
  startNs: bigint;
  packets: WirePacket[];
}

function address(version: number, bytes: Buffer): string {
  if (version === 4) return bytes.subarray(0, 4).join(".");
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  // The form that other tools print (RFC 5952): "::" for the longest run of two or more zero groups.
  const run = (groups.join(":").match(/\b0(?::0)+\b/g) ?? []).sort((one, other) => other.length - one.length)[0];
  if (run === undefined) return groups.join(":");
  const [before, ...after] = groups.join(":").split(new RegExp(`(?:^|:)${run}(?:$|:)`));
  return `${before}::${after.join("")}`;
}

export function parseCapture(bytes: Buffer): Capture {
  if (bytes.toString("latin1", 0, MAGIC.length) !== MAGIC) throw new Error("not a capture file");
  const packets: WirePacket[] = [];
  let startNs = 0n;
  // Addresses repeat; making their text once keeps long captures quick to read.
  const addresses = new Map<string, string>();
  const text = (version: number, from: number) => {
    const raw = bytes.subarray(from, from + 16);
    const key = raw.toString("latin1") + String(version);
    const known = addresses.get(key) ?? address(version, raw);
    addresses.set(key, known);
    return known;
  };
  for (let at = MAGIC.length; at < bytes.length;) {
    const time = bytes.readBigUInt64LE(at);
    if (packets.length === 0) startNs = time;
    const kept = bytes.readUInt16LE(at + 8);
    const version = bytes.readUInt8(at + 12);
    const trafficClass = bytes.readUInt8(at + 15);
    const fragment = bytes.readUInt16LE(at + 16);
    const payloadAt = at + HEADER_BYTES;
    if (payloadAt + kept > bytes.length) throw new Error("capture file is cut off");
    packets.push({
      timeNs: Number(time - startNs),
      direction: bytes.readUInt8(at + 13) === 0 ? "in" : "out",
      version,
      protocol: bytes.readUInt8(at + 64),
      ipLength: bytes.readUInt16LE(at + 10),
      ttl: bytes.readUInt8(at + 14),
      dscp: trafficClass >> 2,
      ecn: trafficClass & 3,
      dontFragment: (fragment & DONT_FRAGMENT) !== 0,
      fragmented: (fragment & MORE_OR_OFFSET) !== 0,
      identification: bytes.readUInt16LE(at + 18),
      flowLabel: bytes.readUInt32LE(at + 20),
      source: text(version, at + 24),
      sourcePort: bytes.readUInt16LE(at + 56),
      destination: text(version, at + 40),
      destinationPort: bytes.readUInt16LE(at + 58),
      udpLength: bytes.readUInt16LE(at + 60),
      udpChecksum: bytes.readUInt16LE(at + 62),
      checksumPending: (bytes.readUInt8(at + 65) & CHECKSUM_PENDING) !== 0,
      payloadLength: bytes.readUInt16LE(at + 66),
      payload: bytes.subarray(payloadAt, payloadAt + kept),
    });
    at = payloadAt + kept;
  }
  return { startNs, packets };
}

export function readCapture(file: string): Capture {
  return parseCapture(readFileSync(file));
}

/** When datagrams came in. */
export interface Arrivals {
  /** CLOCK_REALTIME of the first packet of the capture. */
  startNs: bigint;
  /** Nanoseconds since then. */
  timesNs: Float64Array;
}

/** The times alone, of what came in for a port: of long captures, whose packets would not fit into memory as objects. */
export function parseArrivals(bytes: Buffer, port: number): Arrivals {
  if (bytes.toString("latin1", 0, MAGIC.length) !== MAGIC) throw new Error("not a capture file");
  const startNs = bytes.length > MAGIC.length ? bytes.readBigUInt64LE(MAGIC.length) : 0n;
  const times: number[] = [];
  for (let at = MAGIC.length; at < bytes.length; at += HEADER_BYTES + bytes.readUInt16LE(at + 8)) {
    if (at + HEADER_BYTES > bytes.length) throw new Error("capture file is cut off");
    if (bytes.readUInt8(at + 13) !== 0 || bytes.readUInt16LE(at + 58) !== port) continue;
    times.push(Number(bytes.readBigUInt64LE(at) - startNs));
  }
  return { startNs, timesNs: Float64Array.from(times) };
}

export interface CaptureOptions {
  /** Only UDP from or to this port, later fragments included. Default: all IP. */
  udpPort?: number;
  /** Payload bytes kept of each packet. Default: all. */
  snap?: number;
  seconds?: number;
  count?: number;
  /** Only what comes in: for where a flood goes out. */
  incoming?: boolean;
}

/** A capture under way. */
export class CaptureRun {
  readonly #program: Program;
  readonly #folder = mkdtempSync(join(tmpdir(), "i405-capture-"));
  readonly #file = join(this.#folder, "wire.cap");

  private constructor(place: Netns, options: CaptureOptions) {
    const argv = [testkit("capture"), ...flags({ interface: place.device, file: this.#file, ...options })];
    this.#program = new Program(place, argv);
  }

  /** Resolves once packets are seen. */
  static async start(place: Netns, options: CaptureOptions = {}): Promise<CaptureRun> {
    const run = new CaptureRun(place, options);
    await run.#program.event("ready");
    return run;
  }

  async #ended<T>(read: (bytes: Buffer) => T): Promise<T> {
    try {
      const { dropped } = await this.#program.event<{ dropped: number }>("done");
      if (dropped > 0) throw new Error(`the capture lost ${dropped} packets`);
      return read(readFileSync(this.#file));
    } finally {
      await this.#program.stop();
      rmSync(this.#folder, { recursive: true, force: true });
    }
  }

  /** Resolves when `seconds` or `count` has ended it. */
  async finished(): Promise<Capture> {
    return await this.#ended(parseCapture);
  }

  /** Ends it and reads it. */
  async stop(): Promise<Capture> {
    this.#program.kill("SIGTERM");
    return await this.finished();
  }

  /** Ends it and reads only the times of what came in for a port. */
  async arrivals(port: number): Promise<Arrivals> {
    this.#program.kill("SIGTERM");
    return await this.#ended((bytes) => parseArrivals(bytes, port));
  }
}

/** What an observer can say of one flow: from one address and port to another. */
export interface Flow {
  name: string;
  packets: WirePacket[];
  timesNs: number[];
  /** Every value that occurs, ascending. More than one entry is what an observer could tell packets apart by. */
  lengths: number[];
  ttls: number[];
  dscps: number[];
  ecns: number[];
  flowLabels: number[];
  identifications: number[];
  dontFragment: boolean;
  fragmented: boolean;
}

function distinct(packets: WirePacket[], pick: (packet: WirePacket) => number): number[] {
  return [...new Set(packets.map(pick))].sort((one, other) => one - other);
}

/** Name of a packet's flow, `10.201.0.1:5000 > 10.201.0.2:1405`. */
export function flowName({ source, sourcePort, destination, destinationPort }: WirePacket): string {
  return `${source}:${sourcePort} > ${destination}:${destinationPort}`;
}

/** The flows of a capture, in order of appearance. */
export function flows(packets: WirePacket[]): Flow[] {
  const byName = new Map<string, WirePacket[]>();
  for (const packet of packets) {
    const name = flowName(packet);
    const members = byName.get(name);
    if (members) members.push(packet);
    else byName.set(name, [packet]);
  }
  return [...byName].map(([name, members]) => ({
    name,
    packets: members,
    timesNs: members.map(({ timeNs }) => timeNs),
    lengths: distinct(members, ({ ipLength }) => ipLength),
    ttls: distinct(members, ({ ttl }) => ttl),
    dscps: distinct(members, ({ dscp }) => dscp),
    ecns: distinct(members, ({ ecn }) => ecn),
    flowLabels: distinct(members, ({ flowLabel }) => flowLabel),
    identifications: distinct(members, ({ identification }) => identification),
    dontFragment: members.every(({ dontFragment }) => dontFragment),
    fragmented: members.some(({ fragmented }) => fragmented),
  }));
}

/** Differences of successive times. */
export function intervals(timesNs: readonly number[]): number[] {
  return timesNs.slice(1).map((time, index) => time - timesNs[index]!);
}
