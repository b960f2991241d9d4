/** What the plain client and the plain server have in common: a UDP socket, slots, and a book of all that came. */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";

/** IPv4 and UDP headers. */
const HEADERS = 28;

/** The length of the datagrams that are IP packets of this length. */
export function datagramLength(ipLength: number): number {
  return ipLength - HEADERS;
}

const HERE = "127.0.0.1";

/** Where a datagram came from. (A plain end has one address of its own.) */
export interface Source {
  address: string;
  port: number;
}

export abstract class PlainEnd {
  /** Everything that came, as it was on the wire. */
  readonly received: Buffer[] = [];
  /** Everything that was sent. */
  readonly sent: Buffer[] = [];
  /** What no key opened. */
  readonly unknown: Buffer[] = [];
  /** What was thrown while reading; a test wants it empty. */
  readonly problems: unknown[] = [];
  #socket: Socket | null = null;
  #timer: NodeJS.Timeout | null = null;

  protected abstract take(datagram: Buffer, from: RemoteInfo): void;

  /** Any port of this address; what is open already is closed. */
  async open(address = HERE): Promise<number> {
    this.#socket?.close();
    const socket = (this.#socket = createSocket("udp4"));
    socket.on("message", (datagram, from) => {
      this.received.push(datagram);
      try {
        this.take(datagram, from);
      } catch (error) {
        this.problems.push(error);
      }
    });
    socket.bind(0, address);
    await once(socket, "listening");
    // As much as the kernel grants: nothing is lost while this process is kept from reading.
    socket.setRecvBufferSize(1 << 20);
    return socket.address().port;
  }

  get port(): number {
    return this.#socket!.address().port;
  }

  get source(): Source {
    const { address, port } = this.#socket!.address();
    return { address, port };
  }

  send(datagram: Buffer, port: number, address = HERE): void {
    this.sent.push(datagram);
    this.#socket?.send(datagram, port, address);
  }

  /** Calls `slot` about this often. */
  protected run(intervalNs: number, slot: () => void): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = setInterval(slot, intervalNs / 1e6);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  close(): void {
    this.stop();
    this.#socket?.close();
    this.#socket = null;
  }
}

/** Somebody without keys: sends what a test hands it and takes note of what comes. */
export class Stranger extends PlainEnd {
  protected override take(): void {
    // The book is all it keeps.
  }
}
