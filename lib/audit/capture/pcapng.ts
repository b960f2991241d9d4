/** The newer format: blocks with a type and a length at both ends; sections choose byte order, interfaces resolution. */
import type { ByteSource } from "./byte-source.js";
import { captureError } from "./errors.js";
import type { CaptureFile, EachPacket, RawPacket } from "./packets.js";
import { LONGEST_RECORD } from "./pcap.js";

/** The type of a section header block, alike in both byte orders. */
export const PCAPNG_MAGIC = 0x0a0d0d0a;
const BYTE_ORDER = 0x1a2b3c4d;
const INTERFACE = 1;
const OLD_PACKET = 2;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;
/** Type, length, and the length again. */
const AROUND = 12;
/** Longest block that is believed: a packet with room for options. 1 MiB. */
const LONGEST_BLOCK = 4 * LONGEST_RECORD;
/** Options of an interface. */
const [OPTION_RESOLUTION, OPTION_OFFSET] = [9, 14];

interface Interface {
  linkType: number;
  unitsPerSecond: bigint;
  offsetS: bigint;
}

class PcapngReader {
  readonly file: CaptureFile = { format: "pcapng", originS: 0, resolutionNs: 0, packets: 0, cutOff: false };
  #little = true;
  #interfaces: Interface[] = [];
  #originNs = 0n;
  readonly #packet: RawPacket;

  constructor(
    readonly path: string,
    readonly source: ByteSource,
    readonly each: EachPacket,
  ) {
    this.#packet = { timeNs: 0, originS: 0, linkType: 0, bytes: source.bytes, start: 0, end: 0 };
  }

  /** One block; false at the end. */
  next(): boolean {
    const { source } = this;
    const header = source.want(AROUND);
    if (header < AROUND) {
      this.file.cutOff = header > 0;
      return false;
    }
    if (source.view.getUint32(source.at) === PCAPNG_MAGIC) this.#section();
    const type = source.view.getUint32(source.at, this.#little);
    const length = source.view.getUint32(source.at + 4, this.#little);
    if (length < AROUND || length % 4 !== 0 || length > LONGEST_BLOCK) throw this.#damaged(`claims ${length} bytes`);
    if (source.want(length) < length) {
      this.file.cutOff = true;
      return false;
    }
    const again = source.view.getUint32(source.at + length - 4, this.#little);
    if (again !== length) throw this.#damaged(`gives its length as ${length} and as ${again}`);
    const go = this.#body(type, source.at + 8, source.at + length - 4);
    source.at += length;
    return go;
  }

  #section(): void {
    const { view, at } = this.source;
    const order = view.getUint32(at + 8);
    if (order !== BYTE_ORDER && view.getUint32(at + 8, true) !== BYTE_ORDER) {
      throw this.#damaged(`has no byte order (0x${order.toString(16)})`);
    }
    this.#little = order !== BYTE_ORDER;
    this.#interfaces = [];
  }

  #body(type: number, start: number, end: number): boolean {
    if (type === INTERFACE) this.#interface(start, end);
    else if (type === ENHANCED_PACKET || type === OLD_PACKET) return this.#enhanced(type, start, end);
    else if (type === SIMPLE_PACKET) throw this.#damaged("is a packet without a time, which an audit can't use");
    return true;
  }

  #interface(start: number, end: number): void {
    const { view } = this.source;
    if (end - start < 8) throw this.#damaged("is too short for an interface");
    const found: Interface = {
      linkType: view.getUint16(start, this.#little),
      unitsPerSecond: 1_000_000n,
      offsetS: 0n,
    };
    for (let at = start + 8; at + 4 <= end;) {
      const code = view.getUint16(at, this.#little);
      const length = view.getUint16(at + 2, this.#little);
      if (code === 0 || at + 4 + length > end) break;
      if (code === OPTION_RESOLUTION && length === 1) found.unitsPerSecond = this.#resolution(view.getUint8(at + 4));
      if (code === OPTION_OFFSET && length === 8) found.offsetS = view.getBigInt64(at + 4, this.#little);
      at += 4 + Math.ceil(length / 4) * 4;
    }
    this.#interfaces.push(found);
  }

  /** A power of ten, or of two where the highest bit is set. */
  #resolution(value: number): bigint {
    const power = BigInt(value & 0x7f);
    if (power > (value & 0x80 ? 63n : 19n)) throw this.#damaged(`gives a resolution of 0x${value.toString(16)}`);
    return (value & 0x80 ? 2n : 10n) ** power;
  }

  #enhanced(type: number, start: number, end: number): boolean {
    const { view } = this.source;
    if (end - start < 20) throw this.#damaged("is too short for a packet");
    const id = type === OLD_PACKET ? view.getUint16(start, this.#little) : view.getUint32(start, this.#little);
    const on = this.#interfaces[id];
    if (on === undefined) throw this.#damaged(`names interface ${id}, of ${this.#interfaces.length}`);
    const kept = view.getUint32(start + 12, this.#little);
    if (kept > end - start - 20) throw this.#damaged(`holds ${end - start - 20} bytes and claims ${kept}`);
    const [high, low] = [view.getUint32(start + 4, this.#little), view.getUint32(start + 8, this.#little)];
    const units = BigInt(high) * 0x1_0000_0000n + BigInt(low);
    const ns = (units * 1_000_000_000n) / on.unitsPerSecond + on.offsetS * 1_000_000_000n;
    const { file } = this;
    if (file.packets === 0) {
      this.#originNs = ns - (ns % 1_000_000_000n);
      file.originS = Number(this.#originNs / 1_000_000_000n);
    }
    file.packets += 1;
    file.resolutionNs = Math.max(file.resolutionNs, 1e9 / Number(on.unitsPerSecond));
    const packet = this.#packet;
    packet.originS = file.originS;
    packet.timeNs = Number(ns - this.#originNs);
    packet.linkType = on.linkType;
    packet.bytes = this.source.bytes;
    packet.start = start + 20;
    packet.end = packet.start + kept;
    return this.each(packet);
  }

  #damaged(what: string) {
    const remedy = "The file is damaged from there on; cut it there, or capture again";
    return captureError(this.path, `the block at byte ${this.source.position} ${what}`, remedy);
  }
}

/** @throws {I405Error} `ERR_I405_CAPTURE` */
export function readPcapng(path: string, source: ByteSource, each: EachPacket): CaptureFile {
  const reader = new PcapngReader(path, source, each);
  while (reader.next());
  return reader.file;
}
