/** What a tunnel that records tells: through the public class, and what two real ends say of the same datagrams. */
import t from "tap";
import type { ArrivalRecords, DepartureRecords, SlotRecords } from "../../index.js";
import { I405Tunnel } from "../../lib/index.js";
import type { Tunnel } from "../../lib/tunnel/tunnel.js";
import { passwordPairing, until } from "../interop/ends.js";
import { Pair } from "../../lab/fake/tunnel-pair.js";

const NO_SESSION = 0xffffffff;

/** Everything that a tunnel recorded, event by event. */
function listen(tunnel: Tunnel): { slots: SlotRecords[]; departures: DepartureRecords[]; arrivals: ArrivalRecords[] } {
  const told = { slots: [] as SlotRecords[], departures: [] as DepartureRecords[], arrivals: [] as ArrivalRecords[] };
  tunnel.on("slots", (slots) => told.slots.push(slots));
  tunnel.on("departures", (departures) => told.departures.push(departures));
  tunnel.on("arrivals", (arrivals) => told.arrivals.push(arrivals));
  return told;
}

t.test("both ends tell what their addons do, until they are closed", async (t) => {
  const pair = new Pair({ record: true });
  const told = [listen(pair.server), listen(pair.client)];
  await pair.up();
  t.same(
    pair.simulation.tunnels.map(({ options }) => options.record),
    [true, true],
  );
  const slots: SlotRecords = {
    dropped: 2,
    deadlineNs: BigUint64Array.of(1_000n, 2_000n),
    calledNs: BigUint64Array.of(1_010n, 2_020n),
    generation: Uint32Array.of(NO_SESSION, 1),
    counter: Uint32Array.of(5, 0),
    missed: Uint32Array.of(0, 3),
  };
  const departures: DepartureRecords = {
    dropped: 0,
    deadlineNs: BigUint64Array.of(1_000n),
    leftNs: BigUint64Array.of(1_030n),
  };
  const arrivals: ArrivalRecords = {
    dropped: 1,
    receivedNs: BigUint64Array.of(3_000n),
    generation: Uint32Array.of(1),
    counter: Uint32Array.of(7),
  };
  for (const addon of pair.simulation.tunnels) {
    addon.emit({ type: "slots", ...slots });
    addon.emit({ type: "departures", ...departures });
    addon.emit({ type: "arrivals", ...arrivals });
  }
  await pair.simulation.time.pass(10);
  for (const each of told) t.strictSame(each, { slots: [slots], departures: [departures], arrivals: [arrivals] });

  const closing = pair.client.close();
  pair.simulation.tunnels[1]!.emit({ type: "slots", ...slots });
  await pair.simulation.time.pass(1000);
  await closing;
  t.equal(told[1]!.slots.length, 2, "a tunnel that ends tells the rest");
  await pair.down();
});

t.test("without asking the addon isn't asked either", async (t) => {
  const pair = new Pair();
  await pair.up();
  t.same(
    pair.simulation.tunnels.map(({ options }) => options.record),
    [false, false],
  );
  await pair.down();
});

/** Two real tunnels over loopback for a while, closed. */
async function run(record: boolean) {
  const { client: theirs, server: ours } = passwordPairing();
  const [client, server] = [0, 1].map(() => new I405Tunnel({ schedFifo: false, record })) as [I405Tunnel, I405Tunnel];
  const told = { client: listen(client), server: listen(server) };
  await server.listen({ address: "127.0.0.1:0", ...ours });
  const wire = { interval: "2ms", length: 500 };
  await client.connect({ peer: server.localAddress!, ...theirs, up: wire, down: wire });
  await until(() => server.stats().datagrams.opened > 100n, "datagrams");
  await client.close();
  const { slots } = client.stats();
  await until(() => server.stats().datagrams.received === slots.sent, "the last datagrams");
  await server.close();
  return { ...told, slots, opened: server.stats().datagrams.opened };
}

const sum = (values: Iterable<number>) => [...values].reduce((sum, value) => sum + value, 0);

t.test("what arrives at a real server is what its client sent, by its counters", async (t) => {
  const { client, server, slots, opened } = await run(true);
  const { departures } = client;
  t.same(departures, [], "nobody asked for timestamps");
  t.equal(sum([...client.slots, ...server.arrivals].map(({ dropped }) => dropped)), 0);
  t.ok(client.slots.length < Number(slots.sent), "many in one event");
  for (const { deadlineNs, calledNs, generation, counter, missed } of client.slots) {
    t.type(deadlineNs, BigUint64Array);
    t.same(new Set([calledNs, generation, counter, missed].map(({ length }) => length)), new Set([deadlineNs.length]));
  }
  const deadlines = client.slots.flatMap(({ deadlineNs }) => [...deadlineNs]);
  t.equal(BigInt(deadlines.length), slots.sent);
  t.ok(
    deadlines.every((deadline, index) => index === 0 || deadline > deadlines[index - 1]!),
    "ascending",
  );
  t.equal(BigInt(sum(client.slots.flatMap(({ missed }) => [...missed]))), slots.missed);

  const inSession = client.slots.flatMap(({ generation, counter }) =>
    [...counter].filter((_, index) => generation[index] !== NO_SESSION),
  );
  t.same(
    inSession,
    inSession.map((_, index) => index),
    "from 0, and none twice",
  );
  t.ok(inSession.length < deadlines.length, "the handshake's slots are in no session");
  const arrived = server.arrivals.flatMap(({ counter }) => [...counter]);
  t.equal(BigInt(arrived.length), opened);
  t.ok(arrived.length > 100);
  t.same(
    arrived.sort((a, b) => a - b),
    inSession.slice(0, arrived.length),
    "all but those behind the close, with which the session ends",
  );
  t.equal(new Set(server.arrivals.flatMap(({ generation }) => [...generation])).size, 1);
  t.ok(server.slots.length > 0 && client.arrivals.length > 0, "and the other way");
});

t.test("real ends that were not asked tell nothing", async (t) => {
  const { client, server } = await run(false);
  const nothing = { slots: [], departures: [], arrivals: [] };
  t.same(client, nothing);
  t.same(server, nothing);
});
