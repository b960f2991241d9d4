/** Two clients with one secret at one server are told of; one client that moves, restarts or has a bad path is not. */
import t, { type Test } from "tap";
import { Tunnel } from "../../lib/tunnel/tunnel.js";
import type { Datagram } from "../../lab/fake/addon.js";
import { randomSource } from "../../lab/random.js";
import { CONNECT, Pair, record, type Seen } from "../../lab/fake/tunnel-pair.js";

const CODE = "I405_SHARED_SECRET";
const told = (seen: [string, Seen][]): Seen[] =>
  seen.filter(([name, { code }]) => name === "warning" && code === CODE).map(([, warning]) => warning);

t.test("two clients: both ends say so, and not too often", async (t) => {
  const pair = new Pair();
  const { client, server, simulation } = pair;
  const atServer = record(server);
  await pair.up();
  const second = new Tunnel({}, simulation.parts());
  const [atFirst, atSecond] = [record(client), record(second)];
  const connecting = second.connect(CONNECT);
  await simulation.time.pass(1000);
  await connecting;
  const endpoints = [client.localAddress, second.localAddress].map((address) => address?.split(":")[1]);
  await simulation.time.pass(5000);
  const [first] = told(atServer);
  t.ok(first, "within seconds of the first time");
  for (const port of endpoints) t.match(first?.message, new RegExp(`127\\.0\\.0\\.1:${port}`));
  t.match(first?.remedy, /secret of its own/);
  await simulation.time.pass(174_000);
  const replaced = atServer.filter(([name, { reason }]) => name === "disconnected" && reason === "replaced").length;
  t.ok(replaced >= 10, `they throw each other out: ${replaced} times`);
  const times = told(atServer).length;
  t.ok(times >= 2 && times <= 3, `${times} in three minutes`);
  for (const seen of [atFirst, atSecond]) {
    const here = told(seen);
    t.ok(here.length >= 1 && here.length <= 3, `${here.length} at a client`);
    t.match(here[0]?.message, /fell silent 3 times in a row/);
  }
  const closing = second.close();
  await simulation.time.pass(2000);
  await closing;
  await pair.down();
});

/** Nothing is told of what one client alone does. */
async function alone(t: Test, what: (pair: Pair) => Promise<void>): Promise<void> {
  const pair = new Pair();
  const [atClient, atServer] = [record(pair.client), record(pair.server)];
  await pair.up({ serverTimeout: "30s" });
  await what(pair);
  t.same([told(atClient), told(atServer)], [[], []]);
  await pair.down();
}

t.test("a client that is killed and started anew, again and again", async (t) => {
  await alone(t, async ({ client, simulation, server }) => {
    let dead: string | null = client.localAddress;
    const gone = new Set<string | null>([dead]);
    const lives: Tunnel[] = [];
    simulation.network.lose = ({ from }: Datagram) => gone.has(from);
    for (let life = 0; life < 6; life += 1) {
      const next = new Tunnel({}, simulation.parts());
      lives.push(next);
      const connecting = next.connect(CONNECT);
      await simulation.time.pass(3000);
      await connecting;
      t.equal(server.connection?.endpoint, next.localAddress?.replace("0.0.0.0", "127.0.0.1"));
      await simulation.time.pass(9000);
      dead = next.localAddress;
      gone.add(dead);
    }
    const closing = lives.map((each) => each.close());
    await simulation.time.pass(2000);
    await Promise.allSettled(closing);
  });
});

t.test("a client whose NAT has another port for it every few seconds", async (t) => {
  for (const everyMs of [700, 5000]) {
    await alone(t, async ({ client, simulation, server }) => {
      const inside = client.localAddress;
      let mapped = 60_000;
      simulation.network.seenFrom = ({ from }) => (from === inside ? `127.0.0.1:${mapped}` : from);
      simulation.network.leadsTo = ({ to }) =>
        to === `127.0.0.1:${mapped}` ? (inside ?? "") : to === inside ? "" : to;
      for (let change = 0; change < 12; change += 1) {
        mapped += 1;
        await simulation.time.pass(everyMs);
      }
      t.equal(server.connection?.endpoint, `127.0.0.1:${mapped}`);
    });
  }
});

t.test("a path that fails and comes back at random, with another port each time", async (t) => {
  await alone(t, async ({ client, simulation }) => {
    const random = randomSource(1405);
    const inside = client.localAddress;
    let mapped = 50_000;
    simulation.network.seenFrom = ({ from }) => (from === inside ? `127.0.0.1:${mapped}` : from);
    simulation.network.leadsTo = ({ to }) => (to === `127.0.0.1:${mapped}` ? (inside ?? "") : to === inside ? "" : to);
    for (let outage = 0; outage < 8; outage += 1) {
      simulation.network.lose = () => true;
      await simulation.time.pass(1000 + 30_000 * random());
      mapped += 1;
      simulation.network.lose = () => false;
      await simulation.time.pass(1000 + 20_000 * random());
    }
    t.equal(client.state, "connected");
  });
});

t.test("datagrams that were on their way when a restarted client's session replaced theirs", async (t) => {
  await alone(t, async ({ client, simulation }) => {
    const dead = client.localAddress;
    const held: Datagram[] = [];
    simulation.network.lose = (datagram) => {
      if (datagram.from === dead) held.push(datagram);
      return datagram.from === dead;
    };
    await simulation.time.pass(500);
    t.ok(held.length >= 40);
    simulation.network.lose = ({ from }) => from === dead;
    const next = new Tunnel({}, simulation.parts());
    const connecting = next.connect(CONNECT);
    await simulation.time.pass(700);
    await connecting;
    for (const datagram of held) simulation.network.deliver(datagram);
    await simulation.time.pass(12_000);
    const closing = next.close();
    await simulation.time.pass(2000);
    await closing;
  });
});
