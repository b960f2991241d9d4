/** The newer format: blocks with a type and a length at both ends; sections choose byte order, interfaces resolution. */
import type { ByteSource } from "./byte-source.js";
import { captureError } from "./errors.js";
import { LONGEST_RECORD } from "./pcap.js";
import { readInterface, type Interface } from "./pcapng-interface.js";
import type { CaptureFile, EachPacket, RawPacket } from "./raw-packet.js";

/** The type of a section header block, alike in both byte orders. */
export const PCAPNG_MAGIC = 0x0a0d0d0a;
const BYTE_ORDER = 0x1a2b3c4d;
const INTERFACE = 1;
const OLD_PACKET = 2;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;
/** Type, length, and the length again. */
const AROUND = 12;
/** A section's own: all around it, byte order, version, length of the section. */
const SECTION = AROUND + 16;
/** How much of a block is read at once, bytes: a packet with room for options, an interface. The rest is skipped. */
const READ_OF_BLOCK = 2 * LONGEST_RECORD;
/** Interfaces of a section that are believed: more are a damaged file, or an attack on memory. */
const MOST_INTERFACES = 65_536;
/** Bytes in front of a packet's own: interface, time, lengths. */
const PACKET_HEADER = 20;

class PcapngReader {
  readonly file: CaptureFile = {
    ...{ format: "pcapng", originS: 0, resolutionNs: 0, packets: 0, untimed: 0, cutOff: false },
  };
  #little = true;
  #interfaces: Interface[] = [];
  #originNs = 0n;
  readonly #packet: RawPacket;

  constructor(
    readonly path: string,
    readonly source: ByteSource,
    readonly each: EachPacket,
  ) {
    this.#packet = { timeNs: 0, originS: 0, linkType: 0, interfaceId: 0, bytes: source.bytes, start: 0, end: 0 };
  }

  /** Reads one block; false at the end. No more of a long block is in memory than is looked at. */
  next(): boolean {
    const { source } = this;
    const header = source.want(AROUND);
    if (header < AROUND) {
      this.file.cutOff = header > 0;
      return false;
    }
    const begins = source.view.getUint32(source.at) === PCAPNG_MAGIC;
    if (begins) this.#section();
    const type = source.view.getUint32(source.at, this.#little);
    const length = source.view.getUint32(source.at + 4, this.#little);
    // Blocks are padded to 32 bits; some writers have left that out of packets' lengths, and are refused.
    if (length < (begins ? SECTION : AROUND) || length % 4 !== 0) throw this.#damaged(`claims ${length} bytes`);
    const read = Math.min(length, READ_OF_BLOCK);
    if (source.want(read) < read) return this.#cutOff();
    // A short block is delivered when it is whole, a long one when what is looked at is there.
    if (read === length) this.#checkEnd(source.at + length - 4, length);
    const go = this.#body(type, source.at + 8, source.at + Math.min(read, length - 4));
    if (!go) return false;
    if (read === length) {
      source.at += length;
      return true;
    }
    const at = source.position;
    source.skip(length - 4);
    if (source.want(4) < 4) throw this.#damaged(`claims ${length} bytes, more than the file has`, at);
    this.#checkEnd(source.at, length, at);
    source.at += 4;
    return true;
  }

  #cutOff(): false {
    this.file.cutOff = true;
    return false;
  }

  #checkEnd(at: number, length: number, position?: number): void {
    const again = this.source.view.getUint32(at, this.#little);
    if (again !== length) throw this.#damaged(`gives its length as ${length} and as ${again}`, position);
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

  /** @param end of what is in memory of the block, without its length at the end */
  #body(type: number, start: number, end: number): boolean {
    switch (type) {
      case INTERFACE: {
        if (this.#interfaces.length === MOST_INTERFACES) throw this.#damaged(`is interface ${MOST_INTERFACES + 1}`);
        const found = readInterface(this.source.view, start, end, this.#little);
        if (typeof found === "string") throw this.#damaged(found);
        this.#interfaces.push(found);
        return true;
      }
      case ENHANCED_PACKET:
      case OLD_PACKET:
        return this.#enhanced(type, start, end);
      case SIMPLE_PACKET:
        this.file.untimed += 1;
        return true;
      default:
        // Names, statistics, secrets, comments of others: nothing of the wire.
        return true;
    }
  }

  #enhanced(type: number, start: number, end: number): boolean {
    const { view } = this.source;
    if (end - start < PACKET_HEADER) throw this.#damaged("is too short for a packet");
    const id = type === OLD_PACKET ? view.getUint16(start, this.#little) : view.getUint32(start, this.#little);
    const on = this.#interfaces[id];
    if (on === undefined) throw this.#damaged(`names interface ${id}, of ${this.#interfaces.length}`);
    const kept = view.getUint32(start + 12, this.#little);
    const room = end - start - PACKET_HEADER;
    if (kept > room || kept > LONGEST_RECORD) throw this.#damaged(`holds ${room} bytes and claims ${kept}`);
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
    packet.interfaceId = id;
    packet.bytes = this.source.bytes;
    packet.start = start + PACKET_HEADER;
    packet.end = packet.start + kept;
    return this.each(packet);
  }

  #damaged(what: string, position = this.source.position) {
    const remedy = "The file is damaged from there on; cut it there, or capture again";
    return captureError(this.path, `the block at byte ${position} ${what}`, remedy);
  }
}

/** @throws {I405Error} `ERR_I405_CAPTURE` */
export function readPcapng(path: string, source: ByteSource, each: EachPacket): CaptureFile {
  const reader = new PcapngReader(path, source, each);
  while (reader.next());
  return reader.file;
}
