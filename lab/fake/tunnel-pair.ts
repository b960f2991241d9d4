/** A client and a server over the fake addon, as most tests of the public class need them. */
import type { ConnectOptions, ListenOptions, TunnelEvents, TunnelOptions } from "../../index.js";
import { generatePrivateKey, publicKey } from "../../lib/handshake/keys.js";
import { Tunnel } from "../../lib/tunnel/tunnel.js";
import { Simulation } from "./addon.js";

export const SERVER = "127.0.0.1:1405";
const clientKey = generatePrivateKey();
const serverKey = generatePrivateKey();
export const CLIENT_KEYS = { privateKey: clientKey, peerPublicKey: publicKey(serverKey) };
export const SERVER_KEYS = { privateKey: serverKey, peerPublicKey: publicKey(clientKey) };

/** 10 ms slots of 500 bytes: a handshake takes three of them. */
export const WIRE = { length: 500, interval: "10ms" };
/** The client's defaults. */
export const CONNECT: ConnectOptions = { peer: SERVER, key: CLIENT_KEYS, up: WIRE, down: WIRE };
export const LISTEN: ListenOptions = { address: SERVER, key: SERVER_KEYS };

const direction = { length: 1500, intervalNs: 1_000_000, jitterNs: 0, jitterShape: "cos4" } as const;
/** What a rehearsal may be given. */
export const REHEARSED = {
  aeads: 1,
  clientTimeoutMs: 10_000,
  serverTimeoutMs: 10_000,
  wire: { up: direction, down: direction },
};

const NAMES = [
  "connected",
  "silent",
  "heard",
  "rekeyed",
  "roamed",
  "refused",
  "disconnected",
  "warning",
  "error",
  "close",
] as const;

/** The fields of whatever an event carried. */
export interface Seen {
  code?: string;
  message?: string;
  remedy?: string;
  reason?: string;
  forMs?: number;
  endpoint?: string;
}

/** Everything that a tunnel emits, but for packets and reports, in order. */
export function record(tunnel: Tunnel): [keyof TunnelEvents, Seen][] {
  const seen: [keyof TunnelEvents, Seen][] = [];
  for (const name of NAMES) tunnel.on(name, (value?: Seen) => seen.push([name, value ?? {}]));
  return seen;
}

/** An inner IPv4 packet of this many bytes. */
export function innerPacket(length: number, mark = 0): Uint8Array {
  const packet = new Uint8Array(length);
  packet[0] = 0x45;
  packet[2] = length >> 8;
  packet[3] = length & 255;
  packet[length - 1] = mark;
  return packet;
}

export class Pair {
  readonly simulation = new Simulation();
  readonly client: Tunnel;
  readonly server: Tunnel;

  constructor(options: TunnelOptions = {}) {
    this.client = new Tunnel(options, this.simulation.parts());
    this.server = new Tunnel(options, this.simulation.parts());
  }

  /** The promises of both, under way. */
  begin(connect: Partial<ConnectOptions> = {}, listen: Partial<ListenOptions> = {}) {
    const listening = this.server.listen({ ...LISTEN, ...listen });
    const connecting = this.client.connect({ ...CONNECT, ...connect });
    return { listening, connecting };
  }

  /** Both up. */
  async up(connect: Partial<ConnectOptions> = {}, listen: Partial<ListenOptions> = {}): Promise<void> {
    const { listening, connecting } = this.begin(connect, listen);
    const ready = () => this.client.state === "connected" && this.server.state === "connected";
    if (!(await this.simulation.time.until(ready, 20_000))) throw new Error("the pair did not come up");
    await Promise.all([listening, connecting]);
  }

  async down(): Promise<void> {
    const closing = [this.client.close(), this.server.close()];
    await this.simulation.time.pass(2000);
    await Promise.allSettled(closing);
  }
}
