/** Whom a server believes: what victims and copiers get of forged and copied datagrams, and how long a genuine move takes. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type * as I405 from "../index.js";
import { CaptureRun } from "../lab/host/capture.js";
import type { NetnsPair } from "../lab/host/netns.js";
import { Relay } from "../lab/host/relay.js";
import { percentile } from "../lab/figures/stats.js";
import { icmpPing } from "../lab/host/traffic.js";
import { Stranger } from "../lab/plain/end.js";
import { secretsOfPassword } from "../lab/plain/secrets.js";
import { WatchedClient } from "../lab/plain/watched.js";
import { sleep, withPair } from "./lib/bench.js";
import { readOptions, Report, rounded } from "./lib/report.js";
import { PORT, ROOT, SERVER, TunnelEnds } from "./lib/tunnel.js";

const options = readOptions({
  /** Which part: `reflector`, `copier`, `moves`, `nat` or `all`. */
  part: "all",
  /** Slots of the reflector part, ms. */
  intervals: "1,2,10,1000",
  /** Slots of the other parts, ms. */
  intervalMs: 10,
  /** How far ahead the copies are, ms. */
  leads: "1,3,10,40,200",
  /** How many copiers at once; each lead with the first of them. */
  copiers: "1,2,4,8",
  moves: 20,
  /** Datagrams upwards after which the port changes, in a handshake each. */
  moments: "1,5,20,50,52,54,60,80",
  /** How long a settled session is copied, s. */
  seconds: 12,
});
const report = new Report(options.json);
const numbers = (text: string) => text.split(",").map(Number);
const wanted = (part: string) => options.part === "all" || options.part === part;

/** attempt (docs/protocol.md) with one fragment each way, ms. */
const attemptMs = (intervalMs: number) => 5000 + 4 * 2 * intervalMs;

/** When datagrams came to a victim. */
class Victim extends Stranger {
  readonly timesMs: number[] = [];

  protected override take(): void {
    this.timesMs.push(performance.now());
  }

  /** Waits until nothing has come for so long. */
  async quiet(ms: number): Promise<void> {
    for (let last = performance.now(); performance.now() - Math.max(last, this.timesMs.at(-1) ?? 0) < ms;)
      await sleep(50);
  }

  get seconds(): number {
    return rounded((this.timesMs.at(-1)! - this.timesMs[0]!) / 1000 || 0, 2);
  }
}

/** A plain client, whose every datagram is known for what it is, and a real server, on the loopback interface. */
async function reflect(intervalMs: number, later: boolean, count: number, alive: boolean): Promise<void> {
  const { I405Tunnel } = (await import(pathToFileURL(join(ROOT, "dist", "index.js")).href)) as typeof I405;
  const password = randomBytes(16).toString("hex");
  const server = new I405Tunnel({ schedFifo: false });
  server.on("warning", () => undefined);
  await server.listen({ address: "127.0.0.1:0", password });
  const intervalNs = intervalMs * 1e6;
  const way = { length: 1500, intervalNs, jitterNs: intervalNs / 2, shape: 0 };
  const timeout = Math.max(60_000, 200 * intervalMs);
  const wire = { aeads: 3, up: way, down: way, clientTimeoutMs: timeout, serverTimeoutMs: timeout };
  const port = Number(server.localAddress!.split(":")[1]);
  const client = new WatchedClient(secretsOfPassword(password), wire, port);
  const victim = new Victim();
  await victim.open();
  try {
    client.holdBack = true;
    await client.start();
    while (client.channel === null) await sleep(10);
    client.stop();
    client.holdBack = false;
    if (later) {
      client.resume();
      while (client.echoes === 0) await sleep(10);
      await sleep(4 * intervalMs + 200);
      if (!alive) client.stop();
    }
    // The client itself is silent, or goes on beside it.
    client.mute = !alive;
    for (let sent = 0; sent < count; sent += 1) victim.send(client.channel.seal(client.n), port);
    if (alive && !later) client.resume();
    await victim.quiet(Math.max(3000, 20 * intervalMs));
    report.add({
      intervalMs,
      when: later ? "settled" : "confirmation",
      client: alive ? "alive" : "gone",
      forged: count,
      datagrams: victim.timesMs.length,
      seconds: victim.seconds,
      bound: later ? Math.min(16, count) : Math.ceil(attemptMs(intervalMs) / (intervalMs / 2)),
      endpoint:
        server.connection === null
          ? ""
          : server.connection.endpoint === `127.0.0.1:${client.port}`
            ? "client"
            : "other",
    });
  } finally {
    client.close();
    victim.close();
    await server.close();
  }
}

async function reflector(): Promise<void> {
  for (const intervalMs of numbers(options.intervals)) {
    for (const later of [false, true]) {
      for (const count of [1, 1000]) for (const alive of [false, true]) await reflect(intervalMs, later, count, alive);
    }
  }
  report.table("Reflector: what a victim gets of datagrams that an authenticated client made, sent under his address");
}

const settings = (peer: string) => ({ wire: { interval: `${options.intervalMs}ms`, length: 1500 }, peer });
const RELAY_PORT = 1500;

/** Copies of everything that a client sends, ahead of it, from the first datagram on. */
async function copied(pair: NetnsPair, leadMs: number, count: number): Promise<void> {
  const { a, b } = pair;
  const local = `${a.ipv4}:${RELAY_PORT}`;
  const sources = Array.from({ length: count }, (_, index) => `10.201.0.${100 + index}:${6000 + index}`);
  const relay = await Relay.start(a, { listen: local, to: `${b.ipv4}:${PORT}`, copies: sources });
  await relay.set("up", { delayMs: leadMs });
  const capture = await CaptureRun.start(a, { udpPort: PORT, snap: 0, incoming: true });
  const ends = new TunnelEnds(pair, settings(local));
  const server = await ends.startServer();
  const startMs = performance.now();
  const client = ends.startClient();
  await Promise.all([client.event("connected"), server.event("connected")]);
  const connectMs = performance.now() - startMs;
  await sleep(1000);
  const settledMs = Date.now();
  const pings = await icmpPing(a, {
    to: SERVER,
    length: 100,
    count: Math.floor(options.seconds * 10),
    meanMs: 100,
    timeoutMs: 3000,
  });
  const own = (await relay.figures()).local;
  await Promise.all([client.stop(), server.stop()]);
  ends.remove();
  await relay.stop();
  const { packets, startNs } = await capture.stop();
  const got = (settled: boolean, who: readonly string[]) =>
    packets
      .filter(({ timeNs }) => (Number(startNs) + timeNs) / 1e6 > settledMs === settled)
      .filter(({ destination, destinationPort }) => who.includes(`${destination}:${destinationPort}`)).length;
  report.add({
    leadMs,
    copiers: count,
    connectMs: rounded(connectMs, 0),
    startClient: got(false, [own]),
    startCopiers: got(false, sources),
    settledClient: got(true, [own]),
    settledCopiers: got(true, sources),
    pingsLost: pings.sent - pings.received,
  });
}

async function copier(pair: NetnsPair): Promise<void> {
  for (let index = 0; index < 16; index += 1)
    pair.a.ip([`address add 10.201.0.${100 + index}/24 dev ${pair.a.device}`]);
  const [first = 1, ...more] = numbers(options.copiers);
  for (const leadMs of numbers(options.leads)) await copied(pair, leadMs, first);
  for (const count of more) await copied(pair, 10, count);
  report.table(
    `Copiers ahead of the client at ${options.intervalMs} ms slots: datagrams of the server's to each, ` +
      `in the handshake and 1 s more, and in ${options.seconds} s after it`,
  );
}

/** A NAT in front of the client that gives it another port. */
/** Ms until the server's datagrams come slot by slot, and not only its challenges, which are eight slots apart. */
async function untilStream(relay: Relay): Promise<number> {
  const startMs = performance.now();
  let { downReceived: count } = await relay.figures();
  for (let lastMs = -Infinity; ;) {
    await sleep(1);
    const { downReceived } = await relay.figures();
    const nowMs = performance.now();
    if (downReceived === count) continue;
    if (downReceived > count + 1 || nowMs - lastMs < 4 * options.intervalMs) return nowMs - startMs;
    [count, lastMs] = [downReceived, nowMs];
  }
}

async function moves(pair: NetnsPair): Promise<void> {
  const local = `${pair.a.ipv4}:${RELAY_PORT}`;
  const relay = await Relay.start(pair.a, { listen: local, to: `${pair.b.ipv4}:${PORT}` });
  const ends = new TunnelEnds(pair, settings(local));
  const server = await ends.startServer();
  const client = ends.startClient();
  await Promise.all([client.event("connected"), server.event("connected")]);
  await sleep(1000);
  const times: number[] = [];
  for (let move = 0; move < options.moves; move += 1) {
    await relay.rebind();
    times.push(await untilStream(relay));
    await sleep(500 + Math.random() * 500);
  }
  const handshakes = server.events.filter(({ event }) => event === "connected").length;
  await Promise.all([client.stop(), server.stop()]);
  ends.remove();
  await relay.stop();
  report.add({
    intervalMs: options.intervalMs,
    moves: times.length,
    p50: rounded(percentile(times, 0.5), 0),
    p95: rounded(percentile(times, 0.95), 0),
    max: rounded(percentile(times, 1), 0),
    handshakes,
  });
  report.table("Genuine moves: ms from another port to the server's datagrams, slot by slot");
}

/** A port that changes while the handshake is under way. */
async function nat(pair: NetnsPair): Promise<void> {
  const local = `${pair.a.ipv4}:${RELAY_PORT}`;
  for (const moment of numbers(options.moments)) {
    const relay = await Relay.start(pair.a, { listen: local, to: `${pair.b.ipv4}:${PORT}`, rebindAfter: [moment] });
    const ends = new TunnelEnds(pair, settings(local));
    const server = await ends.startServer();
    const client = ends.startClient();
    const startMs = performance.now();
    await client.event("connected");
    const connectMs = performance.now() - startMs;
    const ping = await icmpPing(pair.a, { to: SERVER, length: 100, count: 10, meanMs: 20, timeoutMs: 3000 });
    report.add({ moment, connectMs: rounded(connectMs, 0), pingsLost: ping.sent - ping.received });
    await Promise.all([client.stop(), server.stop()]);
    ends.remove();
    await relay.stop();
  }
  report.table("A NAT that gives the client another port after so many of its datagrams");
}

if (wanted("reflector")) await reflector();
if (["copier", "moves", "nat"].some(wanted)) {
  await withPair(async (pair) => {
    if (wanted("copier")) await copier(pair);
    if (wanted("moves")) await moves(pair);
    if (wanted("nat")) await nat(pair);
  });
}
