/** Forged datagrams at line rate against a tunnel: slots missed, wire lateness, goodput, memory, beside stretches without. */
import { CaptureRun, type WirePacket } from "../lab/host/capture.js";
import { errorsBySlot, fitGrid } from "../lab/figures/grid.js";
import type { Netns, NetnsPair } from "../lab/host/netns.js";
import { forge, type Forged } from "../lab/host/relay.js";
import { residentBytes } from "../lab/figures/stats.js";
import { udpSink } from "../lab/host/traffic.js";
import { withPair, sleep } from "./lib/bench.js";
import { runLoads, type Load } from "./lib/load.js";
import { readOptions, Report, rounded, type Row } from "./lib/report.js";
import { CLIENT, PORT, SERVER, Tunnel } from "./lib/tunnel.js";
import { median, wireLateness } from "./timing/figures.js";
import { parseSender } from "./timing/selection.js";

const options = readOptions({
  seconds: 30,
  rounds: 3,
  intervalMs: 1,
  length: 1500,
  pps: 100_000,
  modes: "dozy+burner,spinny,sleepy",
  sides: "server,client",
  inner: 1400,
  offer: 0.8,
  targetCpu: 1,
  otherCpu: 0,
});
const report = new Report(options.json);

/** Handshake and first slots are not part of a stretch; nor is the change from one to the next. Seconds. */
const SETTLE_S = 2;
const CHANGE_S = 1;
/** Strangers' addresses, all of which lead to where the flood comes from: an answer to any of them would be seen there. */
const STRANGERS = "10.202.0.0/16";

type Side = "client" | "server";
/** `elsewhere`: the same datagrams to another program, which is what the kernel and the machine do with them by themselves. */
type Flood = "none" | "peer" | "random" | "elsewhere";
const FLOODS = ["none", "peer", "none", "random", "none", "elsewhere"] as const;
/** Port of the other program. */
const ELSEWHERE = 1407;

interface Stretch {
  flood: Flood;
  fromMs: number;
  toMs: number;
  sent: number;
  delivered: number[];
  residentBytes: number;
  socketDrops: number;
}

/** Where strangers' datagrams come from, where they go, and what the capture sees of the target's slots. */
interface Scene {
  pair: NetnsPair;
  tunnel: Tunnel;
  side: Side;
  attacker: Netns;
  target: Netns;
  /** The target's socket, and that of its genuine peer. */
  to: string;
  peer: string;
}

/** Datagrams that the kernel dropped at the sockets of a namespace: full buffers, and what a filter refuses. */
function socketDrops(place: Netns): number {
  const lines = place.exec(["cat", "/proc/net/udp", "/proc/net/udp6"]).split("\n");
  return lines.reduce((sum, line) => sum + (Number(line.trim().split(/\s+/).at(12)) || 0), 0);
}

function loads({ pair: { a, b } }: Scene, seconds: number): Load[] {
  const load = { wire: options, innerLength: options.inner, factor: options.offer, seconds };
  return [
    { ...load, from: a, at: b, to: `${SERVER}:9000` },
    { ...load, from: b, at: a, to: `${CLIENT}:9000` },
  ];
}

async function stretch(scene: Scene, flood: Flood): Promise<Stretch> {
  const total = options.seconds + CHANGE_S;
  const elsewhere = `${scene.target.ipv4}:${ELSEWHERE}`;
  const other = flood === "elsewhere" ? await udpSink(scene.target, { listen: elsewhere }) : null;
  const forged =
    flood === "none"
      ? null
      : forge(
          scene.attacker,
          {
            to: flood === "elsewhere" ? elsewhere : scene.to,
            from: flood === "random" ? STRANGERS : scene.peer,
            length: options.length,
            count: Math.round(options.pps * total),
            pps: options.pps,
          },
          options.otherCpu,
        );
  const dropsBefore = socketDrops(scene.target);
  await sleep(CHANGE_S * 1000);
  const fromMs = Date.now();
  const delivered = await runLoads(loads(scene, options.seconds));
  const toMs = Date.now();
  const sent = forged === null ? 0 : (await forged.event<Forged>("done")).sent;
  await forged?.stop();
  await other?.stop();
  const { pid } = scene.tunnel[scene.side];
  return {
    flood,
    fromMs,
    toMs,
    sent,
    delivered,
    residentBytes: residentBytes(pid),
    socketDrops: socketDrops(scene.target) - dropsBefore,
  };
}

/** Slots of the target, by the receiving capture: a schedule without jitter is one grid. */
function slotsOf(packets: readonly WirePacket[], startNs: bigint, stretches: readonly Stretch[]) {
  const intervalNs = options.intervalMs * 1e6;
  const fit = fitGrid(
    packets.map(({ timeNs }) => timeNs),
    intervalNs,
  );
  const errorsNs = errorsBySlot(fit);
  const originNs = (packets[0]?.timeNs ?? 0) - (fit.latenessNs[0] ?? 0);
  const slotAt = (ms: number) => Math.max(Math.ceil((ms * 1e6 - Number(startNs) - originNs) / intervalNs), 0);
  return stretches.map(({ fromMs, toMs }) => wireLateness(errorsNs.slice(slotAt(fromMs), slotAt(toMs))));
}

async function session(pair: NetnsPair, mode: string, side: Side): Promise<void> {
  const [attacker, target] = side === "server" ? [pair.a, pair.b] : [pair.b, pair.a];
  const pinned = side === "server" ? { serverCpu: options.targetCpu } : { clientCpu: options.targetCpu };
  const { pollMode, flags: asked } = parseSender(mode);
  const flags = [...asked, ...(pollMode === "spinny" ? ["--lift-rt-throttle"] : [])];
  const capture = await CaptureRun.start(attacker, { udpPort: PORT, snap: 0, incoming: true });
  const tunnel = await Tunnel.start(pair, {
    wire: { interval: `${options.intervalMs}ms`, length: options.length, jitter: "0" },
    clientMode: side === "client" ? pollMode : "sleepy",
    serverMode: side === "server" ? pollMode : "sleepy",
    ...pinned,
    [`${side}Flags`]: flags,
  });
  const { endpoint } = tunnel.server.events.find(({ event }) => event === "connected") as unknown as {
    endpoint: string;
  };
  const server = `${pair.b.ipv4}:${PORT}`;
  const [to, peer] = side === "server" ? [server, endpoint] : [endpoint, server];
  const scene: Scene = { pair, tunnel, side, attacker, target, to, peer };
  const stretches: Stretch[] = [];
  await sleep(SETTLE_S * 1000);
  for (let round = 0; round < options.rounds; round += 1) {
    for (const flood of FLOODS) {
      report.progress(`${mode} ${side}, round ${round + 1} of ${options.rounds}, flood: ${flood}`);
      stretches.push(await stretch(scene, flood));
    }
  }
  const { [side]: stats } = await tunnel.stop();
  const { packets, startNs } = await capture.stop();
  const [peerHost, peerPort] = [peer.slice(0, peer.lastIndexOf(":")), Number(peer.slice(peer.lastIndexOf(":") + 1))];
  const genuine = packets.filter(
    ({ destination, destinationPort }) => destination === peerHost && destinationPort === peerPort,
  );
  const lateness = slotsOf(genuine, startNs, stretches);
  const rows = stretches.map((each, index) => ({ ...each, lateness: lateness[index] ?? null }));
  const answers = packets.length - genuine.length;
  const quiet = rows.filter(({ flood }) => flood === "none");
  const [quietSd, quietGoodput] = [
    median(quiet.map((row) => row.lateness?.sd ?? NaN)),
    [0, 1].map((way) => median(quiet.map(({ delivered }) => delivered[way]!))),
  ];
  for (const flood of new Set(FLOODS)) {
    const own = rows.filter((row) => row.flood === flood);
    const middle = (pick: (row: (typeof own)[number]) => number) => median(own.map(pick));
    const sd = middle((row) => row.lateness?.sd ?? NaN);
    const goodput = [0, 1].map((way) => middle(({ delivered }) => delivered[way]!) / quietGoodput[way]!);
    report.add({
      mode,
      side,
      flood,
      pps: rounded(middle(({ sent }) => sent) / (options.seconds + CHANGE_S), 0),
      missed: rounded(
        middle((row) => row.lateness?.missed ?? NaN),
        1,
      ),
      sd: rounded(sd),
      sdRatio: rounded(sd / quietSd),
      p99: rounded(middle((row) => row.lateness?.p99 ?? NaN)),
      goodputUp: rounded(goodput[0]!, 3),
      goodputDown: rounded(goodput[1]!, 3),
      drops: rounded(
        middle((row) => row.socketDrops),
        0,
      ),
      rssMiB: rounded(middle((row) => row.residentBytes) / 2 ** 20, 1),
      answers,
      received: stats.datagrams.received,
    } satisfies Row);
  }
}

for (const mode of options.modes.split(",")) {
  for (const side of options.sides.split(",") as Side[]) {
    await withPair(async (pair) => {
      const [attacker, target] = side === "server" ? [pair.a, pair.b] : [pair.b, pair.a];
      attacker.ip([`route add local ${STRANGERS} dev lo`]);
      target.ip([`route add ${STRANGERS} via ${attacker.ipv4}`]);
      await session(pair, mode, side);
    });
  }
}
report.table(`Floods of ${options.pps} forged datagrams a second: medians of stretches, lateness in us`);
