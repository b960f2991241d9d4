/** Initiations that an attacker on the path kept back: released later, before and after restarts, and clocks set back. */
import t from "tap";
import { Tunnel } from "../../lib/tunnel/tunnel.js";
import type { Datagram } from "../../lab/fake/network.js";
import { CLIENT_KEYS, CONNECT, LISTEN, Pair, record } from "../../lab/fake/tunnel-pair.js";

const ATTACKER = "127.0.0.1:6666";
/** 5 s + 4 x 3 fragments x 10 ms, both directions (docs/protocol.md, "Carousel"); slots are at least 5 ms apart. */
const ATTEMPT_MS = 5240;
const MOST_SLOTS = ATTEMPT_MS / 5 + 1;
const HOUR_MS = 3_600_000;

function isInitiation({ content }: Datagram): boolean {
  return content.type === "handshake" && content.kind === 1;
}

/** A client that was never heard, and the initiations of its attempts, oldest first. */
async function withhold(pair: Pair, ms: number): Promise<Datagram[][]> {
  const { simulation, client } = pair;
  const { network } = simulation;
  network.lose = isInitiation;
  const { listening, connecting } = pair.begin();
  connecting.catch(() => undefined);
  await listening;
  await simulation.time.pass(ms);
  const closing = client.close();
  await simulation.time.pass(2000);
  await closing;
  network.lose = () => false;
  const attempts = new Map<number, Datagram[]>();
  for (const datagram of network.sent.filter(isInitiation)) {
    const { content } = datagram;
    if (content.type !== "handshake") continue;
    attempts.set(content.stamp, [...(attempts.get(content.stamp) ?? []), datagram]);
  }
  return [...attempts.entries()].sort(([one], [other]) => one - other).map(([, datagrams]) => datagrams);
}

/** Sends them from elsewhere; what came back until long after any attempt. */
async function release({ simulation }: Pair, datagrams: readonly Datagram[]): Promise<number> {
  const before = simulation.network.sent.length;
  for (const datagram of datagrams) simulation.network.deliver({ ...datagram, from: ATTACKER });
  await simulation.time.pass(2 * ATTEMPT_MS);
  const answers = simulation.network.sent.slice(before);
  t.ok(answers.every(({ to }) => to === ATTACKER));
  return answers.length;
}

async function closed({ simulation }: Pair, ...tunnels: Tunnel[]): Promise<void> {
  const closing = tunnels.map((tunnel) => tunnel.close());
  await simulation.time.pass(2000);
  await Promise.all(closing);
}

t.test("promise: no-amplification, one-start: each is good for one attempt at most, and only in order", async (t) => {
  const pair = new Pair();
  const seen = record(pair.server);
  const [first, second, third] = await withhold(pair, 17_000);
  t.ok(first && second && third, "three attempts were kept back");
  const bought = await release(pair, second!);
  t.ok(bought > 0 && bought <= MOST_SLOTS, `${bought} slots`);
  t.equal(pair.server.state, "listening");
  t.equal(await release(pair, second!), 0, "not twice");
  t.equal(await release(pair, first!), 0, "nor an older one");
  const again = await release(pair, third!);
  t.ok(again > 0 && again <= MOST_SLOTS, "a newer one once");
  t.equal(await release(pair, [...first!, ...second!, ...third!]), 0);
  t.notOk(seen.some(([name]) => name === "connected"));
  const warnings = seen.filter(([name]) => name === "warning").map(([, { code }]) => code);
  t.same([...new Set(warnings)], ["I405_STALE_INITIATION"]);
  // A minute of releases; the limit is one a minute.
  t.ok(warnings.length <= 2, `${warnings.length} warnings`);
  await closed(pair, pair.server);
});

t.test("promise: no-amplification: a server that was started later takes none of them", async (t) => {
  const pair = new Pair();
  const attempts = await withhold(pair, 6000);
  await closed(pair, pair.server);
  await pair.simulation.time.pass(6000);
  const server = new Tunnel({}, pair.simulation.parts());
  const seen = record(server);
  await server.listen(LISTEN);
  t.equal(await release(pair, attempts.flat()), 0, "without having seen any of them");
  t.match(seen, [["warning", { code: "I405_STALE_INITIATION" }]]);
  await closed(pair, server);
});

t.test("promise: one-start: a restarted client's older initiations are spent with its newer one", async (t) => {
  const pair = new Pair();
  const { simulation } = pair;
  const attempts = await withhold(pair, 6000);
  const client = new Tunnel({}, simulation.parts());
  const connecting = client.connect(CONNECT);
  t.ok(await simulation.time.until(() => pair.server.state === "connected", 10_000));
  await connecting;
  const before = simulation.network.sent.length;
  for (const datagram of attempts.flat()) simulation.network.deliver({ ...datagram, from: ATTACKER });
  await simulation.time.pass(2000);
  t.same(
    simulation.network.sent.slice(before).filter(({ to }) => to === ATTACKER),
    [],
  );
  t.equal(pair.server.state, "connected");
  await closed(pair, client, pair.server);
});

t.test("promise: stale-told: a client whose clock was set back is not answered, and both users hear why", async (t) => {
  const pair = new Pair();
  const { simulation, server } = pair;
  await pair.up();
  await closed(pair, pair.client);
  const atServer = record(server);
  simulation.time.wallBaseMs -= HOUR_MS;
  const client = new Tunnel({}, simulation.parts());
  const atClient = record(client);
  const connecting = client.connect({ ...CONNECT, key: CLIENT_KEYS });
  connecting.catch(() => undefined);
  await simulation.time.pass(3 * ATTEMPT_MS);
  t.equal(client.state, "connecting");
  t.match(atClient, [["warning", { code: "I405_NO_ANSWER", remedy: /this clock is not behind/ }]]);
  t.match(atServer, [
    ["warning", { code: "I405_STALE_INITIATION", message: /3[56]\d\d\.\d s behind the last one taken/ }],
  ]);
  simulation.time.wallBaseMs += HOUR_MS;
  t.ok(await simulation.time.until(() => server.state === "connected", 10_000), "with the clock right again it is");
  await connecting;
  await closed(pair, client, server);
});
