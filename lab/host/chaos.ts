/**
 * A tunnel that carries numbered packets both ways while one trouble after another comes over it: a bad path, a cut one,
 * strangers, and ends that are stopped or killed. After each the path heals, and traffic has to be back without help.
 *
 *     a: i405 client  ──wire──>  b: relay ──> i405 server
 */
import type { NetnsPair } from "./netns.js";
import type { Program } from "./program.js";
import { randomSource } from "../random.js";
import { Relay, type Faults } from "./relay.js";
import { icmpPing, udpSend, udpSink, type UdpReceived } from "./traffic.js";

/** The relay's port, which the client takes for the server's. */
export const RELAY_PORT = 1406;
const SINK_PORT = 9000;
/** Everything off. */
const HEALED = { drop: 0, duplicate: 0, reorder: 0, corrupt: 0, delayMs: 0, delayJitterMs: 0 } satisfies Faults;
/** Of a try whether traffic is back, ms. */
const TRY_MS = 250;

export interface ChaosSettings {
  pair: NetnsPair;
  /** The server's outer address and port. */
  server: string;
  inner: { client: string; server: string };
  /** Both ends' timeout, seconds: troubles last up to twice as long. */
  timeoutS: number;
  /** IP bytes of the wire's datagrams, for garbage that looks like them. */
  length: number;
  /** Inner packets a second each way, and how long they last at most, seconds. */
  pps: number;
  seconds: number;
  seed: number;
  startServer(): Promise<Program>;
  startClient(): Program;
  /** How long traffic may take to come back, seconds; more is a failure. */
  patienceS: number;
}

export interface Trouble {
  name: string;
  seconds: number;
  /** From the end of the trouble to the first answer through the tunnel. */
  backMs: number;
}

export interface ChaosResult {
  troubles: Trouble[];
  up: UdpReceived;
  down: UdpReceived;
}

type Scene = { relay: Relay; server: Program; client: Program };

const wait = async (seconds: number) => await new Promise((resolve) => setTimeout(resolve, seconds * 1000));

type Act = (scene: Scene, seconds: number, settings: ChaosSettings) => Promise<void>;

async function stopFor(program: Program, seconds: number): Promise<void> {
  program.kill("SIGSTOP");
  await wait(seconds);
  program.kill("SIGCONT");
}

async function replace(scene: Scene, end: "client" | "server", settings: ChaosSettings): Promise<void> {
  scene[end].kill("SIGKILL");
  await scene[end].exit;
  if (end === "server") scene.server = await settings.startServer();
  else scene.client = settings.startClient();
}

const path =
  (faults: Faults): Act =>
  async ({ relay }, seconds) => {
    await relay.set("both", faults);
    await wait(seconds);
    await relay.set("both", HEALED);
  };

/** All of them; each is named as it is reported. */
export const TROUBLES: Record<string, Act> = {
  "40 % lost": path({ drop: 0.4 }),
  "30 % doubled": path({ duplicate: 0.3 }),
  "half reordered by 30 ms": path({ reorder: 0.5, reorderByMs: 30 }),
  "20 % damaged": path({ corrupt: 0.2 }),
  "200 ms late, give or take 50": path({ delayMs: 200, delayJitterMs: 50 }),
  "nothing passes": path({ drop: 1 }),
  "nothing passes upwards": async ({ relay }, seconds) => {
    await relay.set("up", { drop: 1 });
    await wait(seconds);
    await relay.set("up", { drop: 0 });
  },
  "the client's address changes": async ({ relay }) => {
    await relay.rebind();
  },
  "garbage from the peer's address": async ({ relay }, _seconds, { length }) => {
    await relay.garbage("up", 5000, length);
    await relay.garbage("down", 5000, length);
  },
  "everything once more": async ({ relay }) => {
    await relay.replay("up", 0, 10_000);
    await relay.replay("down", 0, 10_000);
  },
  "the client is stopped": async ({ client }, seconds) => {
    await stopFor(client, seconds);
  },
  "the server is stopped": async ({ server }, seconds) => {
    await stopFor(server, seconds);
  },
  "the client is killed": async (scene, _seconds, settings) => {
    await replace(scene, "client", settings);
  },
  "the server is killed": async (scene, _seconds, settings) => {
    await replace(scene, "server", settings);
  },
};

/** Until an answer comes through the tunnel; how long that took, ms. */
async function untilBack({ pair, inner, patienceS }: ChaosSettings, trouble: string): Promise<number> {
  const start = performance.now();
  for (;;) {
    const { received } = await icmpPing(pair.a, { to: inner.server, count: 1, timeoutMs: TRY_MS }).catch(() => ({
      received: 0,
    }));
    const passedMs = performance.now() - start;
    if (received > 0) return passedMs;
    if (passedMs > patienceS * 1000) throw new Error(`no traffic ${patienceS} s after "${trouble}"`);
  }
}

/** Troubles in random order, until `order` has no more. `heard` is told of each. */
export async function chaos(
  settings: ChaosSettings,
  count: number,
  heard: (trouble: Trouble) => void = () => undefined,
): Promise<ChaosResult> {
  const { pair, inner, seed, timeoutS, pps, seconds } = settings;
  const random = randomSource(seed);
  const relay = await Relay.start(pair.b, {
    listen: `${pair.b.ipv4}:${RELAY_PORT}`,
    to: settings.server,
    bind: `${pair.b.ipv4}:0`,
    seed,
  });
  const scene: Scene = { relay, server: await settings.startServer(), client: settings.startClient() };
  try {
    await Promise.all([scene.client.event("connected"), scene.server.event("connected")]);
    const sinks = await Promise.all([
      udpSink(pair.b, { listen: `0.0.0.0:${SINK_PORT}` }),
      udpSink(pair.a, { listen: `0.0.0.0:${SINK_PORT}` }),
    ]);
    const length = [60, 576, 1300];
    const sends = [
      udpSend(pair.a, { to: `${inner.server}:${SINK_PORT}`, length, pps, seconds }),
      udpSend(pair.b, { to: `${inner.client}:${SINK_PORT}`, length, pps, seconds }),
    ];
    // Whoever loses its interface for long may end early: what arrived is what counts.
    for (const send of sends) send.catch(() => undefined);
    const troubles: Trouble[] = [];
    const names = Object.keys(TROUBLES);
    let bag: string[] = [];
    for (let at = 0; at < count; at += 1) {
      // Each once before any comes again.
      if (bag.length === 0) bag = [...names];
      const [name] = bag.splice(Math.floor(random() * bag.length), 1);
      const lasts = timeoutS * (0.2 + 1.8 * random());
      const start = performance.now();
      await TROUBLES[name!]!(scene, lasts, settings);
      const lasted = (performance.now() - start) / 1000;
      const trouble = { name: name!, seconds: lasted, backMs: await untilBack(settings, name!) };
      troubles.push(trouble);
      heard(trouble);
    }
    const [up, down] = await Promise.all(sinks.map((sink) => sink.stop()));
    return { troubles, up: up!, down: down! };
  } finally {
    await Promise.all([scene.client.stop(), scene.server.stop()]);
    await relay.stop();
  }
}
