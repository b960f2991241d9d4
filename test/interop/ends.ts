/** What the interop tests share: secrets of both ends, settings, packets, waiting. */
import { once } from "node:events";
import type { ListenOptions, StaticKeys, TunnelEvents, TunnelOptions } from "../../index.js";
import { generatePassword, generatePresharedKey, generatePrivateKey, I405Tunnel, publicKey } from "../../lib/index.js";
import type { PlainClient } from "../../lab/plain/client.js";
import type { PlainSettings } from "../../lab/plain/handshake.js";
import { secretsOfKeys, secretsOfPassword, type PlainSecrets } from "../../lab/plain/secrets.js";

/** Only something broken takes longer than this. */
const PATIENCE_MS = 60_000;

/** Without real-time scheduling, so that an ordinary user gets no warnings. */
export const LOCAL: TunnelOptions = { schedFifo: false };

/** One pairing, for the plain ends and as users give it. */
export interface Pairing {
  name: string;
  plain: { client: PlainSecrets; server: PlainSecrets };
  client: { key?: StaticKeys; password?: string };
  server: { key?: StaticKeys; password?: string };
}

export function passwordPairing(): Pairing {
  const password = generatePassword();
  const secrets = secretsOfPassword(password);
  return {
    name: "NNpsk0",
    plain: { client: secrets, server: secrets },
    client: { password },
    server: { password },
  };
}

export function keyPairing(withPresharedKey: boolean): Pairing {
  const [client, server] = [generatePrivateKey(), generatePrivateKey()];
  const presharedKey = withPresharedKey ? generatePresharedKey() : null;
  const extra = presharedKey === null ? {} : { presharedKey };
  const all = { client, server, presharedKey };
  return {
    name: withPresharedKey ? "IKpsk2" : "IKpsk2 without a preshared key",
    plain: { client: secretsOfKeys("client", all), server: secretsOfKeys("server", all) },
    client: { key: { privateKey: client, peerPublicKey: publicKey(server), ...extra } },
    server: { key: { privateKey: server, peerPublicKey: publicKey(client), ...extra } },
  };
}

/** 4 ms slots both ways. */
export function settings(upLength: number, downLength = upLength, aeads = 3): PlainSettings {
  const way = (length: number) => ({ length, intervalNs: 4_000_000, jitterNs: 1_000_000, shape: 0 });
  return { aeads, up: way(upLength), down: way(downLength), clientTimeoutMs: 20_000, serverTimeoutMs: 20_000 };
}

export async function until(condition: () => boolean, what: string): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const NAMES = ["connected", "silent", "heard", "rekeyed", "disconnected", "warning", "error", "close"] as const;

/** Until the server has believed where the client is: it asks no more. */
export async function settled(client: PlainClient): Promise<void> {
  await until(() => client.echoes > 0, "a challenge");
  for (let asked = -1; client.challenges.length > asked;) {
    asked = client.challenges.length;
    const slots = client.received.length;
    await until(() => client.received.length > slots + 25, "slots");
  }
}

/** A real tunnel with a book of what it emitted. */
export class Real {
  readonly tunnel: I405Tunnel;
  readonly events: [keyof TunnelEvents, any][] = [];
  readonly packets: Buffer[] = [];

  constructor(options: TunnelOptions = {}) {
    this.tunnel = new I405Tunnel({ ...LOCAL, ...options });
    for (const name of NAMES) this.tunnel.on(name, (value?: unknown) => this.events.push([name, value]));
    this.tunnel.on("packet", (packet) => this.packets.push(Buffer.from(packet)));
  }

  has(name: keyof TunnelEvents): boolean {
    return this.events.some(([each]) => each === name);
  }

  /** Waits for the queue where it has to. */
  async write(packet: Uint8Array): Promise<void> {
    while (!this.tunnel.write(packet)) await once(this.tunnel, "drain");
  }
}

/** A real server on a port of its own. */
export async function realServer(
  pairing: Pairing,
  options: Partial<ListenOptions> = {},
  local: TunnelOptions = {},
): Promise<{ server: Real; port: number }> {
  const server = new Real(local);
  await server.tunnel.listen({ address: "127.0.0.1:0", ...pairing.server, ...options });
  return { server, port: Number(server.tunnel.localAddress!.split(":")[1]) };
}

/** An inner packet of this many bytes, no two with the same contents. */
export function packet(length: number, version: 4 | 6 = 4): Buffer {
  const out = Buffer.alloc(length);
  for (let i = 0; i < length; i++) out[i] = (i * 31 + length) & 255;
  out.writeUInt32BE(++packets, version === 4 ? 12 : 8);
  out[0] = version === 4 ? 0x45 : 0x60;
  if (version === 4) out.writeUInt16BE(length, 2);
  else out.writeUInt16BE(length - 40, 4);
  return out;
}

let packets = 0;

/** How many of these are copies of others. */
export function repeats(datagrams: readonly Buffer[]): number {
  return datagrams.length - new Set(datagrams.map((each) => each.toString("latin1"))).size;
}

export function lengths(datagrams: readonly Buffer[]): number[] {
  return [...new Set(datagrams.map((each) => each.length))];
}
