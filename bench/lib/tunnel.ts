/** `i405 server` and `i405 client` in two namespaces, as a user runs them. */
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { NetnsPair } from "../../lab/host/netns.js";
import { generatePrivateKey, publicKey } from "../../lib/handshake/keys.js";
import type { Summary } from "../../lab/figures/stats.js";
import { flags, Program, type ProgramEvent } from "../../lab/host/program.js";

export const PORT = 1405;
/** Inner addresses. */
export const SERVER = "10.140.5.1";
export const CLIENT = "10.140.5.2";

/** The checkout, from wherever this was compiled to. */
export const ROOT = (function find(folder: string): string {
  return existsSync(join(folder, "Cargo.toml")) ? folder : find(dirname(folder));
})(import.meta.dirname);

const MAIN = join(ROOT, "dist", "cli", "main.js");

export interface WireSettings {
  /** `1ms`. */
  interval?: string;
  /** IP length of each datagram. */
  length?: number;
  /** `0` for none; undefined for the default. */
  jitter?: string;
}

export interface TunnelSettings {
  wire: WireSettings;
  /** Server to client, if it isn't the same. */
  down?: WireSettings;
  clientMode?: string;
  serverMode?: string;
  /** Core of the client's timed thread. */
  clientCpu?: number;
  serverCpu?: number;
  /** Flags of Node for the client. */
  clientNode?: readonly string[];
  /** Further flags of the commands. */
  clientFlags?: readonly string[];
  serverFlags?: readonly string[];
  /** How often each side reports its lateness. */
  deviation?: string;
  /** The server's port. Default {@link PORT}. */
  port?: number;
  /** Whom the client takes for the server, if somebody stands between them. */
  peer?: string;
  /** No interfaces: nothing is carried, and a tunnel with interfaces may run beside it. */
  packets?: boolean;
  /** Key pairs instead of a password. */
  keys?: boolean;
}

/** The figures of `closed`, as far as the benches read them. */
export interface FinalStats {
  slots: Record<
    "sent" | "missed" | "late" | "carrying" | "cover" | "handshake" | "hedged" | "emergency" | "sendErrors",
    number
  >;
  inner: Record<"packetsSent" | "bytesSent" | "packetsReceived" | "bytesReceived" | "queueDrops", number>;
  datagrams: Record<"received" | "opened" | "unknown" | "replayed", number>;
  reassembly: Record<"payloadsLost" | "blocksDropped", number>;
  throttleStalls: number;
}

/** Lateness as the sender itself saw it, microseconds. */
export type DeviationEvent = ProgramEvent & Summary & { missed: number };

function wireFlags({ wire, down = wire }: TunnelSettings): string[] {
  return Object.entries({ up: wire, down }).flatMap(([direction, { interval, length, jitter }]) =>
    flags({
      [`${direction}-packet-interval`]: interval,
      [`${direction}-packet-length`]: length,
      [`${direction}-packet-jitter`]: jitter,
    }),
  );
}

/** What both ends know each other by, in a folder that goes away with the bench. */
class Credentials {
  readonly client: readonly string[];
  readonly server: readonly string[];
  readonly #folder = mkdtempSync(join(tmpdir(), "i405-bench-"));

  constructor({ keys }: TunnelSettings) {
    if (keys) {
      const [ofClient, ofServer] = [generatePrivateKey(), generatePrivateKey()];
      this.client = this.#keyFlags("client.key", ofClient, ofServer);
      this.server = this.#keyFlags("server.key", ofServer, ofClient);
    } else {
      this.client = ["--password-file", this.#write("password", randomBytes(16).toString("hex"))];
      this.server = this.client;
    }
  }

  #keyFlags(name: string, own: string, other: string): string[] {
    return ["--private-key-file", this.#write(name, own), "--peer-public-key", publicKey(other)];
  }

  #write(name: string, secret: string): string {
    const file = join(this.#folder, name);
    writeFileSync(file, `${secret}\n`, { mode: 0o600 });
    return file;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Where inner packets come from: an interface with this name and address, or nowhere. */
function deviceFlags({ packets }: TunnelSettings, tunName: string, address: string): string[] {
  return packets ? flags({ device: "packets" }) : flags({ tunName, tunIpv4: `${address}/24` });
}

function clientArguments(peer: string, credentials: Credentials, settings: TunnelSettings): string[] {
  return [
    ...[process.execPath, ...(settings.clientNode ?? []), MAIN],
    "client",
    ...flags({ peer, json: true }),
    ...credentials.client,
    ...deviceFlags(settings, "i405c", CLIENT),
    ...flags({ pollMode: settings.clientMode, cpu: settings.clientCpu }),
    ...flags({ outgoingSendDeviationStats: settings.deviation }),
    ...wireFlags(settings),
    ...(settings.clientFlags ?? []),
  ];
}

function serverArguments(listenAddr: string, credentials: Credentials, settings: TunnelSettings): string[] {
  return [
    ...[process.execPath, MAIN],
    "server",
    ...flags({ listenAddr, json: true }),
    ...credentials.server,
    ...deviceFlags(settings, "i405s", SERVER),
    ...flags({ pollMode: settings.serverMode, cpu: settings.serverCpu }),
    ...flags({ outgoingSendDeviationStats: settings.deviation }),
    ...(settings.serverFlags ?? []),
  ];
}

/** How to start either end, again and again: the client in namespace a and the server in b. */
export class TunnelEnds {
  readonly #credentials: Credentials;

  constructor(
    readonly pair: NetnsPair,
    readonly settings: TunnelSettings,
  ) {
    this.#credentials = new Credentials(settings);
  }

  get #address(): string {
    return `${this.pair.b.ipv4}:${this.settings.port ?? PORT}`;
  }

  /** Resolves once it listens. */
  async startServer(): Promise<Program> {
    const server = new Program(this.pair.b, serverArguments(this.#address, this.#credentials, this.settings));
    try {
      await server.event("listening");
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  startClient(): Program {
    const peer = this.settings.peer ?? this.#address;
    return new Program(this.pair.a, clientArguments(peer, this.#credentials, this.settings));
  }

  /** The secrets go. */
  remove(): void {
    this.#credentials.remove();
  }
}

/** Both ends, with a session between them. */
export class Tunnel {
  readonly #ends: TunnelEnds;

  private constructor(
    readonly client: Program,
    readonly server: Program,
    ends: TunnelEnds,
  ) {
    this.#ends = ends;
  }

  /** Resolves once data may flow both ways. */
  static async start(pair: NetnsPair, settings: TunnelSettings): Promise<Tunnel> {
    const ends = new TunnelEnds(pair, settings);
    let server: Program | undefined;
    let client: Program | undefined;
    try {
      server = await ends.startServer();
      client = ends.startClient();
      await Promise.all([client.event("connected"), server.event("connected")]);
      return new Tunnel(client, server, ends);
    } catch (error) {
      await Promise.all([client?.stop(), server?.stop()]);
      ends.remove();
      throw error;
    }
  }

  /** Closes the client, then the server; what each counted. */
  async stop(): Promise<{ client: FinalStats; server: FinalStats }> {
    try {
      const figures = async (program: Program) => {
        program.kill("SIGTERM");
        return (await program.event<{ stats: FinalStats }>("closed")).stats;
      };
      const client = await figures(this.client);
      return { client, server: await figures(this.server) };
    } finally {
      await Promise.all([this.client.stop(), this.server.stop()]);
      this.#ends.remove();
    }
  }

  /** Deviation events of one side between two places in its event list. */
  static deviations(program: Program, from: number, to: number): DeviationEvent[] {
    return program.events.slice(from, to).filter((event): event is DeviationEvent => event.event === "deviation");
  }
}

/** How many packets a second of `innerLength` fill a direction of `wire` (interval in ms), times `factor`. */
export function offeredPps(wire: { intervalMs: number; length: number }, innerLength: number, factor: number): number {
  // 50 bytes of each datagram are headers, counter, offset and tag (docs/protocol.md).
  return ((wire.length - 50) / innerLength) * (1000 / wire.intervalMs) * factor;
}
