/** The waiting queue of a {@link FakeTunnel}: whole packets, within what fits into the slots of its time. */
import { I405Error } from "../../lib/common/errors.js";

/** Whether the length agrees with the IP header's. */
function isWhole(packet: Uint8Array): boolean {
  if (packet.length < 20) return false;
  const field = (at: number) => (packet[at]! << 8) | packet[at + 1]!;
  return packet[0]! >> 4 === 4 ? field(2) === packet.length : packet[0]! >> 4 === 6 && field(4) + 40 === packet.length;
}

export class FakeQueue {
  malformed = 0n;
  #packets: Uint8Array[] = [];
  #refused = false;
  readonly #drained: () => void;

  /** @param drained There is room again after a packet was refused. */
  constructor(drained: () => void) {
    this.#drained = drained;
  }

  get bytes(): number {
    return this.#packets.reduce((sum, each) => sum + each.length, 0);
  }

  /** False: it is not taken, because there is no room for it, or nobody to send it (`room` 0). */
  write(packet: Uint8Array, room: number): boolean {
    if (!isWhole(packet)) {
      this.malformed += 1n;
      throw new I405Error("ERR_I405_ARGUMENT", `expected one whole IPv4 or IPv6 packet, got ${packet.length} bytes`);
    }
    if (this.bytes + packet.length > room) {
      this.#refused = true;
      return false;
    }
    this.#packets.push(Uint8Array.from(packet));
    return true;
  }

  /** Whole packets only; one that is larger than a slot goes alone. The fake doesn't cut. */
  take(room: number): Uint8Array[] {
    const taken: Uint8Array[] = [];
    let left = room;
    while (this.#packets.length > 0 && (this.#packets[0]!.length <= left || taken.length === 0)) {
      const packet = this.#packets.shift()!;
      left -= packet.length;
      taken.push(packet);
    }
    if (taken.length > 0) this.retry();
    return taken;
  }

  /** What was refused may find room now. */
  retry(): void {
    if (!this.#refused) return;
    this.#refused = false;
    this.#drained();
  }
}
