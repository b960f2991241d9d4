/** The demo's traffic: IPv4 packets of many lengths, as fast as the tunnel takes them. */
import type { I405Tunnel } from "../../index.js";

/** Shortest and longest inner packet, bytes: an empty TCP segment, and a full one in an MTU of 1420. */
export const SHORTEST = 40;
export const LONGEST = 1420;

/** RFC 791's header, and TEST-NET-1's addresses (RFC 5737). */
const HEADER_BYTES = 20;
const PROTOCOL_UDP = 17;
const SOURCE = [192, 0, 2, 1];
const DESTINATION = [192, 0, 2, 2];

/** A valid IPv4 packet of this length, zeros behind its header. */
export function ipv4Packet(length: number): Uint8Array {
  const packet = Buffer.alloc(length);
  packet[0] = 0x45;
  packet.writeUInt16BE(length, 2);
  packet[8] = 64;
  packet[9] = PROTOCOL_UDP;
  packet.set(SOURCE, 12);
  packet.set(DESTINATION, 16);
  packet.writeUInt16BE(headerChecksum(packet), 10);
  return packet;
}

function headerChecksum(packet: Buffer): number {
  let sum = 0;
  for (let place = 0; place < HEADER_BYTES; place += 2) sum += packet.readUInt16BE(place);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** Sends while it is on; `onSent` hears of every packet that the tunnel took. */
export class Sender {
  #on = false;
  #refused: Uint8Array | undefined;

  constructor(
    readonly tunnel: Pick<I405Tunnel, "write"> & { on(event: "drain", listener: () => void): unknown },
    readonly onSent: (bytes: number) => void,
    readonly random: () => number = Math.random,
  ) {
    tunnel.on("drain", () => {
      this.#fill();
    });
  }

  set(on: boolean): void {
    this.#on = on;
    this.#fill();
  }

  #fill(): void {
    while (this.#on) {
      const packet = this.#refused ?? ipv4Packet(SHORTEST + Math.floor(this.random() * (LONGEST - SHORTEST + 1)));
      this.#refused = this.tunnel.write(packet) ? undefined : packet;
      if (this.#refused !== undefined) return;
      this.onSent(packet.length);
    }
  }
}
