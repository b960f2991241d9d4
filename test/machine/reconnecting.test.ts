/** A client that comes back, over the fake addon: other addresses, narrower paths, suspension, clocks, late networks. */
import t from "tap";
import { Tunnel } from "../../lib/tunnel/tunnel.js";
import type { ConnectOptions } from "../../index.js";
import type { Datagram } from "../../lab/fake/addon.js";
import { CONNECT, LISTEN, Pair, record, SERVER } from "../../lab/fake/tunnel-pair.js";

const names = (seen: [string, unknown][]) => seen.map(([name]) => name);
/** Slots that far apart both ways. */
function every(interval: string): Partial<ConnectOptions> {
  const wire = { length: 1500, interval, jitter: 0 as const };
  return { up: wire, down: wire };
}
/** Few slots, so that minutes pass quickly. */
const SLOW = every("50ms");
const longer = (length: number) => (datagram: Datagram) => datagram.length + 28 > length;
const connectedAgain = ({ client, simulation }: Pair, ms: number) =>
  simulation.time.until(() => client.state === "connected", ms);

/** IP lengths of the client's datagrams in the order in which they came up, and whether its slots are all this far apart. */
function clientSlots({ client, simulation }: Pair, intervalMs = 50): { lengths: number[]; steady: boolean } {
  const own = simulation.network.sent.filter(({ from }) => from === client.localAddress);
  const lengths = own.map(({ length }) => length + 28);
  const gaps = own.slice(1).map(({ sentNs }, index) => sentNs - own[index]!.sentNs);
  return {
    lengths: lengths.filter((length, index) => length !== lengths[index - 1]),
    steady: gaps.every((gap) => gap === BigInt(intervalMs * 1e6)),
  };
}

t.test("a path that becomes narrower: down the ladder on the same deadlines, and up again", async (t) => {
  const pair = new Pair();
  const { client, server, simulation } = pair;
  await pair.up(every("250ms"));
  const seen = record(client);
  simulation.network.lose = longer(1280);
  await simulation.time.pass(26_000);
  t.equal(client.state, "silent");
  t.ok(await connectedAgain(pair, 60_000));
  t.match(client.connection?.wire, {
    up: { length: 1280, intervalNs: 250e6 },
    down: { length: 1280, intervalNs: 250e6 },
  });
  await simulation.time.until(() => server.state === "connected", 5000);
  t.match(server.connection?.wire, { up: { length: 1280 } });
  t.same(clientSlots(pair, 250), { lengths: [1500, 1492, 1420, 1400, 1280], steady: true });

  // The first try to climb is in vain: the session goes on where it was.
  await simulation.time.pass(11 * 60_000);
  t.same(clientSlots(pair, 250), { lengths: [1500, 1492, 1420, 1400, 1280, 1500, 1280], steady: true });
  t.equal(client.state, "connected");
  seen.length = 0;
  simulation.network.lose = () => false;
  await simulation.time.pass(21 * 60_000);
  t.match(client.connection?.wire, { up: { length: 1500 }, down: { length: 1500 } });
  t.match(server.connection?.wire, { up: { length: 1500 }, down: { length: 1500 } });
  t.notOk(names(seen).includes("silent"));
  t.ok(clientSlots(pair, 250).steady);
  await pair.down();
});

t.test("an interface that takes less now: the next length that it takes, without trying the others", async (t) => {
  const pair = new Pair();
  const { client, simulation } = pair;
  await pair.up(SLOW);
  simulation.network.routeMtu = 1410;
  simulation.network.lose = longer(1410);
  await simulation.time.pass(11_000);
  t.ok(await connectedAgain(pair, 5_000));
  t.equal(client.connection?.wire.up.length, 1400);
  t.same(clientSlots(pair), { lengths: [1500, 1400], steady: true });
  await pair.down();
});

t.test("a server that grants less than before: the ladder, and no error", async (t) => {
  const pair = new Pair();
  const { client, simulation } = pair;
  await pair.up(SLOW);
  const seen = record(client);
  simulation.tunnels[0]?.close();
  const second = new Tunnel({}, simulation.parts());
  await second.listen({ ...LISTEN, limits: { maxLength: 1410 } });
  await simulation.time.until(() => second.state === "connected", 30_000);
  t.equal(client.connection?.wire.up.length, 1400);
  t.notOk(names(seen).includes("error"));
  const closing = second.close();
  await simulation.time.pass(1000);
  await closing;
  await pair.down();
});

t.test("several addresses: the next one where none answers, and names looked up again", async (t) => {
  const pair = new Pair();
  const { client, simulation } = pair;
  simulation.names.set("tunnel.example", "192.0.2.7,2001:db8::7");
  const listening = pair.server.listen({ ...LISTEN });
  const connecting = client.connect({ ...CONNECT, ...SLOW, peer: ["tunnel.example:1405", SERVER] });
  await simulation.time.until(() => client.state === "connected", 60_000);
  await Promise.all([listening, connecting]);
  const to = [...new Set(simulation.network.sent.filter(({ from }) => from !== SERVER).map(({ to }) => to))];
  t.same(to, ["192.0.2.7:1405", "[2001:db8::7]:1405", SERVER], "in order");
  t.equal(client.connection?.endpoint, SERVER);
  const lengths = simulation.network.sent.filter(({ to }) => to.startsWith("[")).map(({ length }) => length);
  t.same([...new Set(lengths)], [1500 - 48], "the same IP length over IPv6");
  await pair.down();
});

t.test("a server that moved is found by its name, and a session by name is never looked up", async (t) => {
  const pair = new Pair();
  const { client, server, simulation } = pair;
  let lookups = 0;
  const { names: table } = simulation;
  const get = table.get.bind(table);
  table.get = (name) => {
    lookups += 1;
    return get(name);
  };
  table.set("tunnel.example", "127.0.0.1");
  await pair.up({ ...SLOW, peer: "tunnel.example:1405" });
  await simulation.time.pass(60_000);
  t.equal(lookups, 1);
  const seen = record(client);
  // It has another address from now on: what goes to the old one is lost.
  const moved = "198.51.100.7:1405";
  simulation.network.lose = ({ to }) => to === SERVER;
  simulation.network.leadsTo = ({ to }) => (to === moved ? SERVER : to);
  simulation.network.seenFrom = ({ from }) => (from === SERVER ? moved : from);
  table.set("tunnel.example", "198.51.100.7");
  await simulation.time.until(() => client.connection?.endpoint === moved, 60_000);
  t.ok(await simulation.time.until(() => server.state === "connected", 5_000));
  t.same(
    names(seen).filter((name) => name !== "warning"),
    ["silent", "disconnected", "connected"],
  );
  const after = lookups;
  await simulation.time.pass(60_000);
  t.equal(lookups, after);
  await pair.down();
});

t.test("suspended: longer than the timeout, a handshake at once; shorter, nothing", async (t) => {
  const pair = new Pair();
  const { client, simulation } = pair;
  await pair.up(SLOW);
  const seen = record(client);
  simulation.time.suspend(5_000);
  await simulation.time.pass(3_000);
  t.same(names(seen), []);
  simulation.time.suspend(60_000);
  await simulation.time.pass(1_100);
  t.match(seen[0], ["silent", { forMs: 60_000 }], "although the server's datagrams still come");
  await simulation.time.pass(3_000);
  t.same(names(seen), ["silent", "disconnected", "connected"]);
  seen.length = 0;
  simulation.time.suspend(3_600_000);
  await simulation.time.pass(1_100);
  t.match(seen[0], ["disconnected", { reason: "expired" }]);
  t.ok(await connectedAgain(pair, 5_000));
  t.ok(clientSlots(pair).steady);
  await pair.down();
});

t.test("wall clocks that jump by years, at either end, cost nothing", async (t) => {
  const pair = new Pair();
  const { client, simulation } = pair;
  await pair.up(SLOW);
  const YEARS = 5 * 365 * 86_400_000;
  for (const step of [YEARS, -2 * YEARS, YEARS]) {
    simulation.time.wallBaseMs += step;
    const seen = record(client);
    await simulation.time.pass(5_000);
    t.same(names(seen), []);
    simulation.network.lose = () => true;
    await simulation.time.pass(25_000);
    simulation.network.lose = () => false;
    t.ok(await connectedAgain(pair, 30_000), `a handshake after a step of ${step}`);
  }
  t.ok(clientSlots(pair).steady);
  await pair.down();
});

t.test("persistent: a name that isn't there yet is a warning, and the tunnel opens when it is", async (t) => {
  const pair = new Pair();
  const { client, server, simulation } = pair;
  const seen = record(client);
  const listening = server.listen(LISTEN);
  const connecting = client.connect({ ...CONNECT, ...SLOW, peer: "tunnel.example:1405", persistent: true });
  await simulation.time.pass(30_000);
  t.match(seen, [
    ["warning", { code: "I405_NOT_OPEN_YET", message: /no address for "tunnel.example".*ERR_I405_RESOLVE/ }],
  ]);
  t.equal(client.state, "connecting");
  simulation.names.set("tunnel.example", "127.0.0.1");
  t.ok(await connectedAgain(pair, 10_000));
  await Promise.all([listening, connecting]);
  await pair.down();
});

t.test("persistent: closed while it tries, and bounded by connectTimeout", async (t) => {
  for (const how of ["close", "timeout"] as const) {
    const pair = new Pair();
    const { client, simulation } = pair;
    const connectTimeout = how === "timeout" ? { connectTimeout: "5s" } : {};
    const connecting = client.connect({ ...CONNECT, peer: "nowhere:1", persistent: true, ...connectTimeout });
    const code = how === "timeout" ? "ERR_I405_CONNECT_TIMEOUT" : "ERR_I405_CLOSED";
    const rejected = t.rejects(connecting, { code });
    await simulation.time.pass(3_000);
    if (how === "close") await client.close();
    await simulation.time.pass(10_000);
    await rejected;
    t.equal(client.state, "closed");
    t.equal(simulation.tunnels.length, 0);
  }
});
