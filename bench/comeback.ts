/** Coming back: kill -9 and restart of both ends in turn under a TCP connection, and what networks do. How long it took. */
import { cutCable, moveClient, narrowCable, newCable } from "../lab/host/cable.js";
import type { NetnsPair } from "../lab/host/netns.js";
import type { Program } from "../lab/host/program.js";
import { flags, type ProgramEvent } from "../lab/host/program.js";
import { Relay } from "../lab/host/relay.js";
import { percentile } from "../lab/figures/stats.js";
import { icmpPing, tcpSink, tcpSource } from "../lab/host/traffic.js";
import { sleep, withPair } from "./lib/bench.js";
import { readOptions, Report, rounded } from "./lib/report.js";
import { CLIENT, PORT, SERVER, TunnelEnds, type TunnelSettings } from "./lib/tunnel.js";

const options = readOptions({
  /** Restarts, of client and server in turn. */
  restarts: 20,
  intervalMs: 5,
  /** Both timeouts; at least 100 intervals. */
  timeoutMs: 500,
  mode: "sleepy",
  /** Which part: `restarts`, `network` or `all`. */
  part: "all",
});
const report = new Report(options.json);
const RELAY_PORT = 1406;

const wire = { interval: `${options.intervalMs}ms`, length: 1500 };
const timeouts = flags({ clientTimeout: `${options.timeoutMs}ms`, serverTimeout: `${options.timeoutMs}ms` });
/** What it takes to make a deleted interface again. */
const KEEPS = ["--keep-capabilities", "net-admin"];
const settings: TunnelSettings = {
  wire,
  clientMode: options.mode,
  serverMode: options.mode,
  // In half a second of waiting nothing of TCP's is dropped that its timers would then wait for.
  clientFlags: [...timeouts, "--queue", "1s", ...KEEPS],
  serverFlags: ["--queue", "1s", ...KEEPS],
};

/** The protocol's, ms: from the arrival of a whole initiation to the first slot of its answer, and one interval. */
const SERVER_DELAY_MS = 500 + 1.5 * options.intervalMs;
/** One initiation of the carousel; and what an attempt lasts, 5 s + 4 rounds of both carousels. */
const ROUND_MS = 1.5 * options.intervalMs;
const ATTEMPT_MS = 5000 + 4 * 2 * options.intervalMs;

/** A ping leaves this often, ms: what the figures can resolve. */
const EVERY_MS = 25;

/** Pings until one is answered; ms from `startMs` until then. */
async function firstPing(from: NetnsPair["a"], to: string, startMs: number): Promise<number> {
  for (;;) {
    const round = Array.from({ length: 4 }, async (_, index) => {
      await sleep(index * EVERY_MS);
      try {
        const { received } = await icmpPing(from, { to, count: 1, meanMs: 1, timeoutMs: 300 });
        return received > 0 ? performance.now() - startMs : null;
      } catch {
        // No interface yet.
        return null;
      }
    });
    const times = (await Promise.all(round)).filter((ms) => ms !== null);
    if (times.length > 0) return Math.min(...times);
  }
}

class Ends {
  readonly #ends: TunnelEnds;

  private constructor(
    ends: TunnelEnds,
    public server: Program,
    public client: Program,
  ) {
    this.#ends = ends;
  }

  /** With a session between them; the client takes `peer` for the server. */
  static async up(pair: NetnsPair, peer?: string): Promise<Ends> {
    const ends = new TunnelEnds(pair, peer === undefined ? settings : { ...settings, peer });
    const [server, client] = [await ends.startServer(), ends.startClient()];
    await Promise.all([client.event("connected"), server.event("connected")]);
    return new Ends(ends, server, client);
  }

  /** Resolves once it listens or connects. */
  async startAgain(side: "client" | "server"): Promise<void> {
    if (side === "server") this.server = await this.#ends.startServer();
    else await (this.client = this.#ends.startClient()).event("connecting");
  }

  async stop(): Promise<void> {
    await Promise.all([this.client.stop(), this.server.stop()]);
    this.#ends.remove();
  }
}

async function kill(program: Program): Promise<void> {
  // `ip netns exec` becomes the command, so this is the command itself.
  program.kill("SIGKILL");
  await program.exit;
}

/** Either end killed and started again, under a TCP connection. */
async function restarts(pair: NetnsPair): Promise<void> {
  const ends = await Ends.up(pair);
  const sink = await tcpSink(pair.b, { listen: `0.0.0.0:5001`, reportMs: 200 });
  const source = tcpSource(pair.a, { to: `${SERVER}:5001`, seconds: 3600, abort: false });
  const bytes = () => (sink.program.events.at(-1)?.bytes as number | undefined) ?? 0;
  const times: number[] = [];
  const bound = options.timeoutMs + ROUND_MS + SERVER_DELAY_MS;
  for (let restart = 1; restart <= options.restarts; restart += 1) {
    const side = restart % 2 === 1 ? "server" : "client";
    await sleep(500);
    const before = bytes();
    await kill(ends[side]);
    // Random, so that a restart meets every state of the other end.
    await sleep(Math.random() * 2 * options.timeoutMs);
    const spawnedMs = performance.now();
    await ends.startAgain(side);
    const startMs = performance.now();
    // From the end that was not restarted.
    const ms = await firstPing(side === "server" ? pair.a : pair.b, side === "server" ? SERVER : CLIENT, startMs);
    times.push(ms);
    const pingMs = performance.now();
    while (bytes() === before && performance.now() - pingMs < 60_000) await sleep(50);
    report.add({
      restart,
      side,
      loadingMs: rounded(startMs - spawnedMs, 0),
      pingMs: rounded(ms, 0),
      tcpMs: bytes() > before ? rounded(performance.now() - startMs, 0) : null,
      tcpRunning: source.running && sink.program.running,
    });
  }
  report.table("Restarts: ms from `listening` or `connecting` to the first ping from the other end");
  await source.stop();
  const { intact, bytes: carried } = await sink.stop();
  await ends.stop();
  const rtt = await roundTrip(pair);
  report.add({
    timeoutMs: options.timeoutMs,
    resendMs: ROUND_MS,
    attemptMs: ATTEMPT_MS,
    serverDelayMs: SERVER_DELAY_MS,
    roundTripMs: rounded(rtt, 1),
    boundMs: rounded(bound + 2 * rtt, 0),
    p50: rounded(percentile(times, 0.5), 0),
    p95: rounded(percentile(times, 0.95), 0),
    max: rounded(percentile(times, 1), 0),
    tcpIntact: intact,
    tcpBytes: carried,
  });
  report.table(
    `bound = timeout + one resend interval + the server's fixed delay + 2 round trips; ${EVERY_MS} ms resolution`,
  );
}

/** Through an idle tunnel, ms. */
async function roundTrip(pair: NetnsPair): Promise<number> {
  const ends = await Ends.up(pair);
  const { rttUs } = await icmpPing(pair.a, { to: SERVER, count: 50, meanMs: 20 });
  await ends.stop();
  return rttUs.p50 / 1000;
}

interface Case {
  what: string;
  /** What happens, until the network is as it will stay. */
  happen: (pair: NetnsPair, ends: Ends, relay: Relay | null) => Promise<void> | void;
  relayed?: boolean;
  /** Puts back what the next case needs. */
  undo?: (pair: NetnsPair) => void;
}

const CASES: Case[] = [
  {
    what: "client stopped for 3 timeouts",
    async happen(_, { client }) {
      client.kill("SIGSTOP");
      await sleep(3 * options.timeoutMs);
      client.kill("SIGCONT");
    },
  },
  {
    what: "server stopped for 3 timeouts",
    async happen(_, { server }) {
      server.kill("SIGSTOP");
      await sleep(3 * options.timeoutMs);
      server.kill("SIGCONT");
    },
  },
  {
    what: "interface deleted, made again 3 timeouts later",
    async happen(pair) {
      cutCable(pair);
      await sleep(3 * options.timeoutMs);
      newCable(pair);
    },
  },
  { what: "interface deleted and made again at once", happen: (pair) => (cutCable(pair), newCable(pair)) },
  {
    what: "TUN interface deleted",
    happen: (pair) => pair.a.ip(["link delete i405c"]),
  },
  {
    what: "client's address changed",
    happen: (pair) => moveClient(pair, "10.201.0.77"),
    undo: ({ a }) => {
      a.ip([`address delete 10.201.0.77/24 dev ${a.device}`, `address add ${a.ipv4}/24 dev ${a.device}`]);
    },
  },
  {
    what: "interfaces cut to 1280 bytes",
    happen: (pair) => narrowCable(pair, 1280),
    undo: (pair) => narrowCable(pair, 1500),
  },
  {
    what: "path cut to 1280 bytes, silently",
    relayed: true,
    happen: async (_, __, relay) => await relay!.set("both", { longest: 1280 }),
  },
];

/** What networks and machines do. */
async function network(pair: NetnsPair): Promise<void> {
  for (const { what, happen, relayed, undo } of CASES) {
    const local = `${pair.a.ipv4}:${RELAY_PORT}`;
    const relay = relayed ? await Relay.start(pair.a, { listen: local, to: `${pair.b.ipv4}:${PORT}` }) : null;
    const ends = await Ends.up(pair, relay === null ? undefined : local);
    await firstPing(pair.a, SERVER, performance.now());
    await happen(pair, ends, relay);
    const startMs = performance.now();
    // A ping that was answered before it took effect is none.
    await sleep(50);
    const ms = await firstPing(pair.a, SERVER, startMs);
    const last = ends.client.events.filter(({ event }) => event === "connected").at(-1) as
      (ProgramEvent & { wire: { up: { length: number } } }) | undefined;
    report.add({ what, backMs: rounded(ms, 0), length: last?.wire.up.length ?? null });
    await ends.stop();
    await relay?.stop();
    undo?.(pair);
  }
  report.table(
    `What networks do: ms until the first ping; timeouts ${options.timeoutMs} ms, attempts ${ATTEMPT_MS} ms`,
  );
}

await withPair(async (pair) => {
  if (options.part !== "network") await restarts(pair);
  if (options.part !== "restarts") await network(pair);
});
