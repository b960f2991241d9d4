/** The wire between fake tunnels: datagrams arrive after a delay, or not. */
import type { HandshakeKind } from "../../lib/native/protocol-ids.js";
import type { FakeReport } from "./path.js";
import type { SimulatedTime } from "./time.js";

/** What a slot holds. Bytes are only counted; what would be sealed is an object. */
export type Content =
  | {
      type: "handshake";
      /** The wrap key that it is sealed under, as text. */
      wrap: string;
      kind: HandshakeKind;
      version: number;
      stamp: number;
      fragment: number;
      message: Uint8Array;
    }
  | {
      type: "data";
      /** The key that it is sealed under, as text; null: a throwaway key. */
      key: string | null;
      packets: Uint8Array[];
      announce: number | null;
      close: boolean;
      control: { kind: number; body: Uint8Array } | null;
      /** Of control blocks of these kinds, the bytes as a number. */
      challenge: number | null;
      echo: number | null;
      /** Its number under the key. */
      counter: number;
      report: FakeReport | null;
    };

export interface Datagram {
  from: string;
  to: string;
  length: number;
  sentNs: bigint;
  content: Content;
}

export interface Port {
  receive(datagram: Datagram): void;
}

export class FakeNetwork {
  /** One way. */
  delayNs = 5e6;
  /** IP bytes. */
  routeMtu = 1500;
  /** Says of a datagram whether it is lost. */
  lose: (datagram: Datagram) => boolean = () => false;
  /** A NAT: where a datagram seems to come from, and where it really goes. */
  seenFrom: (datagram: Datagram) => string = ({ from }) => from;
  leadsTo: (datagram: Datagram) => string = ({ to }) => to;
  /** Everything that was sent, lost or not. */
  readonly sent: Datagram[] = [];
  readonly #time: SimulatedTime;
  readonly #ports = new Map<string, Port>();
  #nextPort = 40_000;

  constructor(time: SimulatedTime) {
    this.#time = time;
  }

  /** The address that the port has now; null if it is taken. */
  bind(address: string, port: Port): string | null {
    const bound = address.endsWith(":0") ? `127.0.0.1:${(this.#nextPort += 1)}` : address;
    if (this.#ports.has(bound)) return null;
    this.#ports.set(bound, port);
    return bound;
  }

  unbind(address: string): void {
    this.#ports.delete(address);
  }

  send(datagram: Datagram): void {
    this.sent.push(datagram);
    if (this.lose(datagram)) return;
    this.deliver(datagram);
  }

  /** Also for what a test recorded and sends again. */
  deliver(datagram: Datagram): void {
    this.#time.after(this.delayNs, () => {
      this.#ports.get(this.leadsTo(datagram))?.receive({ ...datagram, from: this.seenFrom(datagram) });
    });
  }
}
