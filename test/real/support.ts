/**
 * The commands as users run them, in two network namespaces joined by a virtual cable:
 *
 *     a: i405 client                                     b: i405 server
 *        tun0   10.140.5.2/24, fd00:140::2/64               tun0   10.140.5.1/24, fd00:140::1/64
 *        wire0  10.201.0.1/24, fd00:1405::1/64  <------->   wire0  10.201.0.2/24, fd00:1405::2/64
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Test } from "tap";
import { canUseNetns, NetnsPair, type Netns, type PairOptions } from "../../lab/host/netns.js";
import { Program, type Place, type ProgramEvent, type ProgramExit } from "../../lab/host/program.js";

/** Why these tests don't run here, or false. In CI the import of this file fails instead. */
export const skip: string | false = canUseNetns() ?? false;

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** The wire's port in all of these tests. */
export const PORT = 1405;
export const INNER = { client4: "10.140.5.2", server4: "10.140.5.1", client6: "fd00:140::2", server6: "fd00:140::1" };

/** 1 ms slots of 1500 bytes both ways. */
export const FAST = ["--up-packet-interval", "1ms", "--down-packet-interval", "1ms"];

/** Without real-time scheduling: other tests share the cores, and what is shown here doesn't depend on it. */
const EASY = ["--no-sched-fifo"];

/** tap hands its loader on to children through the environment; the commands are to run as users run them. */
const PLAIN_ENVIRONMENT = { NODE_OPTIONS: undefined };
/** It puts the loader back into an environment without it, and what becomes another user can't write where that writes. */
const WITHOUT_LOADER = ["env", "-u", "NODE_OPTIONS"];

/** `node` with these arguments, as a program of its own; `before` is what starts it. */
export function node(place: Place, args: readonly string[], before: readonly string[] = []): Program {
  return new Program(place, [...before, ...WITHOUT_LOADER, process.execPath, ...args], PLAIN_ENVIRONMENT);
}

/** What `node` runs for `i405 ...`. */
export function commandOf(args: readonly string[]): string[] {
  return [MAIN, ...args];
}

/** `i405 ...`, exactly so. */
export function i405(place: Place, args: readonly string[]): Program {
  return node(place, commandOf(args));
}

/** Output of an `i405` command that ends by itself. */
export function i405Output(args: readonly string[]): string {
  return execFileSync(process.execPath, [MAIN, ...args], {
    encoding: "utf8",
    env: { ...process.env, ...PLAIN_ENVIRONMENT },
  }).trim();
}

/** A file with a generated password. */
export function passwordFile(folder: string, name = "password"): string {
  const file = join(folder, name);
  if (!existsSync(file)) i405Output(["genkey", "--password", "--out", file]);
  return file;
}

/** Flags of a TUN interface with an address of each family. */
export function tunFlags(side: "client" | "server", mtu = 1420, name = "tun0"): string[] {
  const of = (family: 4 | 6) => INNER[`${side}${family}`];
  return ["--tun-name", name, "--tun-mtu", String(mtu), "--tun-ipv4", `${of(4)}/24`, "--tun-ipv6", `${of(6)}/64`];
}

export interface TunnelSetup {
  /** Outer family. Default 4. */
  family?: 4 | 6;
  /** MTU of the cable. */
  cable?: PairOptions;
  tunMtu?: number;
  /** Where the client sends, if not to the server itself. */
  peer?: string;
  /** Wire and timing flags of the client. Default: {@link FAST}. */
  client?: readonly string[];
  server?: readonly string[];
  /** Credentials of both, if not a password of their own. */
  secrets?: { client: readonly string[]; server: readonly string[] };
}

/** A server and a client in a pair of namespaces that `t` removes. */
export class Stage {
  readonly pair: NetnsPair;
  readonly setup: TunnelSetup;
  /** Server's address on the wire. */
  readonly endpoint: string;
  /** Of the test's own, for files. */
  readonly folder: string;
  readonly #secrets: { client: readonly string[]; server: readonly string[] };

  constructor(t: Test, setup: TunnelSetup = {}) {
    this.setup = setup;
    this.folder = t.testdir();
    this.pair = new NetnsPair(setup.cable);
    t.teardown(() => this.pair.close());
    const { ipv4, ipv6 } = this.b;
    this.endpoint = setup.family === 6 ? `[${ipv6}]:${PORT}` : `${ipv4}:${PORT}`;
    if (setup.secrets) {
      this.#secrets = setup.secrets;
    } else {
      const file = ["--password-file", passwordFile(this.folder)];
      this.#secrets = { client: file, server: file };
    }
  }

  get a(): Netns {
    return this.pair.a;
  }

  get b(): Netns {
    return this.pair.b;
  }

  async server(extra: readonly string[] = []): Promise<Program> {
    return await this.serverAt(this.endpoint, extra);
  }

  /** One that listens somewhere else than at {@link endpoint}. */
  async serverAt(listen: string, extra: readonly string[] = []): Promise<Program> {
    const own = ["--listen-addr", listen, ...EASY, ...tunFlags("server", this.setup.tunMtu)];
    const program = i405(this.b, [
      "server",
      "--json",
      ...own,
      ...this.#secrets.server,
      ...(this.setup.server ?? []),
      ...extra,
    ]);
    await program.event("listening");
    return program;
  }

  client(extra: readonly string[] = []): Program {
    return this.clientOf(this.setup.peer ?? this.endpoint, extra);
  }

  clientOf(peer: string, extra: readonly string[] = []): Program {
    const own = ["--peer", peer, ...EASY, ...tunFlags("client", this.setup.tunMtu)];
    const wire = this.setup.client ?? FAST;
    return i405(this.a, ["client", "--json", ...own, ...this.#secrets.client, ...wire, ...extra]);
  }

  /** Both, and a session between them. */
  async connect(): Promise<{ server: Program; client: Program }> {
    const server = await this.server();
    const client = this.client();
    await Promise.all([server.event("connected"), client.event("connected")]);
    return { server, client };
  }
}

/** The counters of `i405 --json` at its end. */
export interface ClosedStats {
  slots: { sent: number; missed: number; carrying: number; cover: number; handshake: number; sendErrors: number };
  inner: Record<string, number>;
  datagrams: {
    received: number;
    opened: number;
    unknown: number;
    unopened: number;
    replayed: number;
    overBudget: number;
  };
  handshake: { fragments: number; stale: number };
  reassembly: { payloadsLost: number; blocksDropped: number };
}

/** Ends a command with SIGTERM: how it ended, how long it took, its counters. */
export async function end(
  program: Program,
  signal: NodeJS.Signals = "SIGTERM",
): Promise<ProgramExit & { ms: number; stats: ClosedStats }> {
  const startMs = performance.now();
  const exit = await program.stop(signal);
  const ms = performance.now() - startMs;
  const closed = program.events.find(({ event }) => event === "closed") as
    (ProgramEvent & { stats: ClosedStats }) | undefined;
  if (closed === undefined)
    throw new Error(`ended without its counters: ${program.lines.join("\n")}\n${program.stderr}`);
  return { ...exit, ms, stats: closed.stats };
}

export async function seconds(count: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, count * 1000));
}
