/** AGGFRAG payloads (RFC 9347) with the blocks of docs/protocol.md: a 16-bit BlockOffset, then blocks back to back. */

export const REKEY_INITIATION = 1;
export const REKEY_RESPONSE = 2;
export const NEWEST_STAMP = 3;
export const CLOSE = 4;
export const CHALLENGE = 5;
export const ECHO = 6;

/** A challenge's body, and an echo's. */
export const CHALLENGE_BYTES = 8;

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
  /** The block under way, whole, and how much of it is in payloads already. */
  #underWay: Buffer | null = null;
  #taken = 0;
  #waiting: Buffer[] = [];

  push(block: Uint8Array): void {
    this.#waiting.push(Buffer.from(block));
  }

  get empty(): boolean {
    return this.#underWay === null && this.#waiting.length === 0;
  }

  /**
   * The next payload. `every` are the control blocks that every datagram has at this time; while there are any, no block
   * begins that would run over. `rekey` stands behind them, and goes before what waits.
   */
  next(size: number, every: readonly Buffer[] = [], rekey: Buffer | null = null): Buffer {
    const room = size - 2 - bytesOf(every);
    if (every.length > 0 && this.#rest > room) this.#startAgain();
    const payload = Buffer.alloc(size);
    payload.writeUInt16BE(this.#rest, 0);
    let at = this.#continue(payload, 2);
    for (const block of every) at += block.copy(payload, at);
    const queue = rekey === null ? this.#waiting : [rekey, ...this.#waiting];
    while (at < size && queue.length > 0) {
      if (every.length > 0 && queue[0]! !== rekey && queue[0]!.length > size - at) break;
      this.#underWay = queue.shift()!;
      at = this.#continue(payload, at);
    }
    // A rekey's block belongs to this payload only, if it did not even begin. What is left is pad to the end: zeros.
    this.#waiting = queue.filter((block) => block !== rekey);
    return payload;
  }

  /** A payload of these control blocks and nothing else; the block under way starts again in a later one. */
  alone(size: number, every: readonly Buffer[]): Buffer {
    this.#startAgain();
    const payload = Buffer.alloc(size);
    Buffer.concat(every).copy(payload, 2);
    return payload;
  }

  get #rest(): number {
    return this.#underWay === null ? 0 : this.#underWay.length - this.#taken;
  }

  #startAgain(): void {
    if (this.#underWay !== null) this.#waiting.unshift(this.#underWay);
    this.#underWay = null;
    this.#taken = 0;
  }

  /** More of the block under way, as much as there is room for. Where the next one may begin. */
  #continue(payload: Buffer, at: number): number {
    if (this.#underWay === null) return at;
    const copied = this.#underWay.copy(payload, at, this.#taken);
    this.#taken += copied;
    if (this.#rest === 0) {
      this.#underWay = null;
      this.#taken = 0;
    }
    return at + copied;
  }
}

function bytesOf(blocks: readonly Buffer[]): number {
  return blocks.reduce((sum, { length }) => sum + length, 0);
}

export interface ControlBlock {
  type: number;
  body: Buffer;
}

/** Puts the blocks of payloads that come in order together again. */
export class PayloadReader {
  readonly packets: Buffer[] = [];
  readonly controls: ControlBlock[] = [];
  /** Blocks that no payload goes on with as it has to, and payloads whose rest could not be understood. */
  faults = 0;
  /** Blocks that came to no end because something that doesn't wait was said in their place. A packet starts again. */
  restarts = 0;
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
    if (offset === 0) {
      this.restarts++;
      return;
    }
    if (known !== null && known !== before.length + offset) {
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
