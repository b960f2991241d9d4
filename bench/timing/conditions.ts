/** What can go on beside the slots that are measured. Everything ends with the bench. */
import type { Netns, NetnsPair } from "../../lab/host/netns.js";
import { flags, Program } from "../../lab/host/program.js";
import { testkit } from "../../lab/host/testkit.js";
import { icmpPing, tcpSink, tcpSource, udpSink } from "../../lab/host/traffic.js";
import { startLoad, type LoadKind } from "../../lib/audit/live/load.js";
import { sleep } from "../lib/bench.js";
import { CLIENT, offeredPps, SERVER, Tunnel } from "../lib/tunnel.js";
import type { SinkReport, Told } from "./carried.js";
import { TCP_S } from "./plan.js";
import type { Condition } from "./selection.js";

/** What a condition has to know of the sender it goes on beside. */
export interface Scene {
  pair: NetnsPair;
  /** Null: a plain sender, and what a tunnel would carry goes to {@link NOWHERE}. */
  tunnel: Tunnel | null;
  wire: { intervalMs: number; length: number };
  /** From the server to the client, if it isn't the same. */
  downIntervalMs?: number;
  /** IP length of a load's packets; by default what fits into the TUN interface's default MTU. */
  innerLength?: number;
  /** How long it goes on once it is under way, seconds. */
  stretchS: number;
}

/** Ends a condition, which tells what came of it. */
export type Stop = () => Promise<Told>;

/** A network behind a cable whose other end is down: the kernel takes packets for it and drops them. */
const NOWHERE = "10.140.9.0/24";
const NOWHERE_SINK = "10.140.9.1:9";

const INNER_LENGTH = 1400;
/** A condition that nobody ends ends by itself so long after its stretch, seconds. */
const GRACE_S = 30;
/** Offered, as a multiple of what a direction carries: always something waiting, and not much more. */
const OFFER = 1.1;
/** `interrupts`: datagrams a second and their length. A core can still receive them, and does little else. */
const FLOOD = { pps: 50_000, length: 100 };
/** Port of the second tunnel, and of what receives the flood. */
const SECOND_PORT = 1407;
const FLOOD_PORT = 9;
/** How often a sink says what has come. */
const REPORT_MS = 250;
/** `pings`, `tcp`: requests leave at random times, this far apart in the mean. */
const PING_MEAN_MS = 50;
/** `blocked`: for so long a signal blocks the client's event loop, and so often one is sent. */
const [BLOCK_MS, BLOCK_EVERY_MS] = [1800, 2000];

/** Flags of Node for a client that `blocked` can block. */
export const BLOCKABLE: readonly string[] = [
  "--import",
  `data:text/javascript,${encodeURIComponent(
    `process.on("SIGUSR2", () => { for (const end = performance.now() + ${BLOCK_MS}; performance.now() < end; ); });`,
  )}`,
];

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

/** For a condition that has nothing to tell. */
function untold(stop: () => Promise<unknown>): Stop {
  return async () => {
    await stop();
    return {};
  };
}

/** Packets from one place to another that listens there. */
async function stream(from: Netns, at: Netns, to: string, load: { length: number; pps: number; seconds: number }) {
  const sink = await udpSink(at, { listen: to, reportMs: REPORT_MS });
  const sender = sending(from, { ...load, to });
  return async () => {
    await sender.stop();
    const received = await sink.stop();
    const reports = sink.program.events.filter(({ event }) => event === "report");
    return { received: { ...received, reports: reports as unknown as SinkReport[] } };
  };
}

async function carrying(scene: Scene): Promise<Stop> {
  const { pair, tunnel, wire, downIntervalMs = wire.intervalMs, innerLength: length = INNER_LENGTH, stretchS } = scene;
  const load = (intervalMs: number) => ({
    length,
    pps: offeredPps({ ...wire, intervalMs }, length, OFFER),
    seconds: stretchS + GRACE_S,
  });
  const { a, b } = pair;
  if (tunnel === null) {
    const sender = sending(a, { ...load(wire.intervalMs), to: NOWHERE_SINK });
    return untold(() => sender.stop());
  }
  const up = await stream(a, b, `${SERVER}:9000`, load(wire.intervalMs));
  const down = await stream(b, a, `${CLIENT}:9000`, load(downIntervalMs));
  return async () => (await Promise.all([up(), down()]))[0];
}

/** What keeps the machine busy beside the tunnel is the audit's. */
async function wornOut(kind: LoadKind, { stretchS }: Scene): Promise<Stop> {
  const load = await startLoad(kind, { limitMs: (stretchS + GRACE_S) * 1000 });
  return untold(() => load.stop());
}

async function second({ pair, wire }: Scene): Promise<Stop> {
  const direction = { interval: `${wire.intervalMs}ms`, length: wire.length };
  const tunnel = await Tunnel.start(pair, { wire: direction, port: SECOND_PORT, packets: true });
  return untold(() => tunnel.stop());
}

/** Begins pings for the time of the stretch. */
function pings({ pair, stretchS }: Scene): Stop {
  const count = Math.ceil((stretchS * 1000) / PING_MEAN_MS);
  const pinged = icmpPing(pair.a, { to: SERVER, count, meanMs: PING_MEAN_MS, list: true });
  // Whoever ends the condition hears of it.
  pinged.catch(() => undefined);
  return async () => ({ pinged: await pinged });
}

/** A stream that fills the way upwards, and pings beside it. */
async function tcp(scene: Scene): Promise<Stop> {
  const sink = await tcpSink(scene.pair.b, { listen: `${SERVER}:5001` });
  const seconds = scene.stretchS + TCP_S + GRACE_S;
  const source = tcpSource(scene.pair.a, { to: sink.local, seconds, abort: true });
  await sleep(TCP_S * 1000);
  const stop = pings(scene);
  return async () => {
    const told = await stop();
    await source.stop();
    // Its end may be lost among what is queued; the sink has what it has.
    return { ...told, stream: await sink.stop() };
  };
}

/** Keeps the client from running any JavaScript for most of the time. */
function blocked({ client }: Tunnel): Stop {
  const block = () => client.kill("SIGUSR2");
  block();
  const timer = setInterval(block, BLOCK_EVERY_MS);
  return untold(async () => {
    clearInterval(timer);
    await sleep(BLOCK_EVERY_MS);
  });
}

/** Begins a condition; resolves once it is under way. */
export async function begin(condition: Condition, scene: Scene): Promise<Stop> {
  const { pair, tunnel, stretchS } = scene;
  switch (condition) {
    case "idle":
      return () => Promise.resolve({});
    case "carrying":
      return await carrying(scene);
    case "busy":
      return await wornOut("cpu", scene);
    case "memory":
    case "disk":
      return await wornOut(condition, scene);
    case "interrupts": {
      const seconds = stretchS + GRACE_S;
      return untold(await stream(pair.b, pair.a, `${pair.a.ipv4}:${FLOOD_PORT}`, { ...FLOOD, seconds }));
    }
    case "second":
      return await second(scene);
    case "pings":
      return pings(scene);
    case "tcp":
      return await tcp(scene);
    case "blocked":
      if (tunnel === null) throw new Error("blocked: a plain sender has no event loop");
      return blocked(tunnel);
  }
}
