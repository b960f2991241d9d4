/** AGGFRAG payloads (RFC 9347) with the blocks of docs/protocol.md: a 16-bit BlockOffset, then blocks back to back. */

export const REKEY_INITIATION = 1;
export const REKEY_RESPONSE = 2;
export const NEWEST_STAMP = 3;
export const CLOSE = 4;

/** 0xF and its type in one byte, length of the body (2), body. */
export function controlBlock(type: number, body: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.from([0xf0 | type, body.length >> 8, body.length & 255]);
  return Buffer.concat([head, body]);
}

/** The whole length of the block that begins so; null while its length field isn't all there. */
function lengthOf(block: Buffer): number | null {
  switch (block[0]! >> 4) {
    case 4:
      return block.length < 4 ? null : block.readUInt16BE(2);
    case 6:
      return block.length < 6 ? null : 40 + block.readUInt16BE(4);
    default:
      return block.length < 3 ? null : 3 + block.readUInt16BE(1);
  }
}

/** Fills payloads of one size with whole and broken blocks. */
export class PayloadWriter {
  /** What is missing of the block under way. */
  #rest: Buffer = Buffer.alloc(0);
  #waiting: Buffer[] = [];

  push(block: Uint8Array): void {
    this.#waiting.push(Buffer.from(block));
  }

  get empty(): boolean {
    return this.#rest.length === 0 && this.#waiting.length === 0;
  }

  /** The next payload; `front` goes before what waits. */
  next(size: number, front: readonly Buffer[] = []): Buffer {
    const payload = Buffer.alloc(size);
    payload.writeUInt16BE(this.#rest.length, 0);
    const queue = [...front, ...this.#waiting];
    let at = 2;
    while (at < size) {
      if (this.#rest.length === 0) {
        const block = queue.shift();
        // The zeros that are there already are pad to the end.
        if (block === undefined) break;
        this.#rest = block;
      }
      const taken = this.#rest.copy(payload, at);
      this.#rest = this.#rest.subarray(taken);
      at += taken;
    }
    // What is in front belongs to this payload only, if it did not even begin.
    this.#waiting = queue.filter((block) => !front.includes(block));
    return payload;
  }
}

export interface ControlBlock {
  type: number;
  body: Buffer;
}

/** Puts the blocks of payloads that come in order together again. */
export class PayloadReader {
  readonly packets: Buffer[] = [];
  readonly controls: ControlBlock[] = [];
  /** Blocks given up, and payloads whose rest could not be understood. */
  faults = 0;
  #underWay: Buffer | null = null;

  /** A payload is missing. */
  gap(): void {
    this.#underWay = null;
  }

  read(payload: Buffer): void {
    const offset = payload.readUInt16BE(0);
    const data = payload.subarray(2);
    this.#carryOn(offset, data);
    let at = offset;
    while (at < data.length && data[at]! >> 4 !== 0) {
      const start = data.subarray(at);
      const nibble = start[0]! >> 4;
      if (nibble !== 4 && nibble !== 6 && nibble !== 15) {
        this.faults++;
        return;
      }
      const length = lengthOf(start);
      if (length !== null && nibble === 4 && length < 20) {
        this.faults++;
        return;
      }
      if (length === null || length > start.length) {
        this.#underWay = Buffer.from(start);
        return;
      }
      this.#whole(start.subarray(0, length));
      at += length;
    }
  }

  /** The block under way takes the first `offset` bytes, of this payload and of those to come. */
  #carryOn(offset: number, data: Buffer): void {
    const before = this.#underWay;
    this.#underWay = null;
    if (before === null) return;
    const known = lengthOf(before);
    if (offset === 0 || (known !== null && known !== before.length + offset)) {
      this.faults++;
      return;
    }
    const block = Buffer.concat([before, data.subarray(0, offset)]);
    if (block.length < before.length + offset) this.#underWay = block;
    else if (lengthOf(block) === block.length) this.#whole(block);
    else this.faults++;
  }

  #whole(block: Buffer): void {
    if (block[0]! >> 4 === 15) this.controls.push({ type: block[0]! & 15, body: Buffer.from(block.subarray(3)) });
    else this.packets.push(Buffer.from(block));
  }
}
