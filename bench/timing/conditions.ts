/** What can go on beside the slots that are measured. Everything runs inside the namespaces and ends with them. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Netns, NetnsPair } from "../../lab/host/netns.js";
import { flags, Program } from "../../lab/host/program.js";
import { testkit } from "../../lab/host/testkit.js";
import { udpSink } from "../../lab/host/traffic.js";
import { CLIENT, offeredPps, SERVER, Tunnel } from "../lib/tunnel.js";
import { CORES } from "./plan.js";
import type { Condition } from "./selection.js";

/** What a condition has to know of the sender it goes on beside. */
export interface Scene {
  pair: NetnsPair;
  /** Null: a plain sender, and what a tunnel would carry goes to {@link NOWHERE}. */
  tunnel: Tunnel | null;
  wire: { intervalMs: number; length: number };
  cpu: number | null;
  /** The condition ends by then if nobody ends it, seconds. */
  seconds: number;
}

/** Ends a condition. */
export type Stop = () => Promise<unknown>;

/** A network behind a cable whose other end is down: the kernel takes packets for it and drops them. */
const NOWHERE = "10.140.9.0/24";
const NOWHERE_SINK = "10.140.9.1:9";

/** Length of inner packets, bytes: what fits into the TUN interface's default MTU. */
const INNER_LENGTH = 1400;
/** Offered, as a multiple of what a direction carries: always something waiting, and not much more. */
const OFFER = 1.1;
/** `interrupts`: datagrams a second and their length. A core can still receive them, and does little else. */
const FLOOD = { pps: 50_000, length: 100 };
/** `memory`: bytes that each worker writes over and over, more than the caches hold. */
const MEMORY_BYTES = "256m";
/** `disk`: bytes that are written, then again. */
const DISK_BYTES = "128m";
/** Port of the second tunnel, and of what receives the flood. */
const SECOND_PORT = 1407;
const FLOOD_PORT = 9;

const NEEDS_STRESS: readonly Condition[] = ["busy", "memory", "disk"];

/** Those of the conditions that this machine lacks a program for. */
export function missingStress(conditions: readonly Condition[]): Condition[] {
  const wanted = conditions.filter((condition) => NEEDS_STRESS.includes(condition));
  if (wanted.length === 0 || spawnSync("stress-ng", ["--version"]).status === 0) return [];
  return wanted;
}

/** Prepares namespace a for plain senders that "carry" something. */
export function prepare(pair: NetnsPair): void {
  pair.a.ip([
    "link add nowhere0 type veth peer name nowhere1",
    "link set nowhere0 arp off up",
    `route add ${NOWHERE} dev nowhere0`,
  ]);
}

function sending(from: Netns, options: { to: string; length: number; pps: number; seconds: number }): Program {
  return new Program(from, [testkit("traffic"), "udp-send", ...flags(options)]);
}

/** Packets from one place to another that listens there. */
async function stream(from: Netns, at: Netns, to: string, load: { length: number; pps: number; seconds: number }) {
  const sink = await udpSink(at, { listen: to });
  const sender = sending(from, { ...load, to });
  return async () => {
    await sender.stop();
    await sink.stop();
  };
}

async function carrying({ pair: { a, b }, tunnel, wire, seconds }: Scene): Promise<Stop> {
  const load = { length: INNER_LENGTH, pps: offeredPps(wire, INNER_LENGTH, OFFER), seconds };
  if (tunnel === null) {
    const sender = sending(a, { ...load, to: NOWHERE_SINK });
    return () => sender.stop();
  }
  const ends = [await stream(a, b, `${SERVER}:9000`, load), await stream(b, a, `${CLIENT}:9000`, load)];
  return () => Promise.all(ends.map((end) => end()));
}

function stress({ pair, seconds }: Scene, options: Record<string, string | number>): Stop {
  const program = new Program(pair.b, ["stress-ng", ...flags({ ...options, timeout: `${Math.ceil(seconds)}s` })]);
  return async () => {
    if (!program.running) throw new Error(`stress-ng ended too early: ${program.stderr.trim()}`);
    await program.stop();
  };
}

function disk(scene: Scene): Stop {
  const folder = mkdtempSync(join(tmpdir(), "i405-bench-disk-"));
  const stop = stress(scene, { hdd: 1, hddBytes: DISK_BYTES, tempPath: folder });
  return async () => {
    try {
      await stop();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };
}

async function second({ pair, wire }: Scene): Promise<Stop> {
  const direction = { interval: `${wire.intervalMs}ms`, length: wire.length };
  const tunnel = await Tunnel.start(pair, { wire: direction, port: SECOND_PORT, packets: true });
  return () => tunnel.stop();
}

/** Begins a condition; resolves once it is under way. */
export async function begin(condition: Condition, scene: Scene): Promise<Stop> {
  const { pair, seconds } = scene;
  switch (condition) {
    case "idle":
      return () => Promise.resolve();
    case "carrying":
      return await carrying(scene);
    case "busy":
      return stress(scene, { cpu: CORES });
    case "memory":
      return stress(scene, { vm: CORES, vmBytes: MEMORY_BYTES });
    case "disk":
      return disk(scene);
    case "interrupts":
      return await stream(pair.b, pair.a, `${pair.a.ipv4}:${FLOOD_PORT}`, { ...FLOOD, seconds });
    case "second":
      return await second(scene);
  }
}
