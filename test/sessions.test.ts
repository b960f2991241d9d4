/** Both machines together over the fake addon: loss, partitions, restarts, expiry, versions. */
import t from "tap";
import { Tunnel } from "../lib/tunnel.js";
import { CLIENT_KEYS, CONNECT, innerPacket, LISTEN, Pair, record, SERVER } from "./tunnel-pair.js";

const names = (seen: [string, unknown][]) => seen.map(([name]) => name);

/** Whether packets pass both ways. */
async function passes({ client, server, simulation }: Pair): Promise<boolean> {
  let received = 0;
  const count = () => (received += 1);
  client.on("packet", count);
  server.on("packet", count);
  client.write(innerPacket(60));
  server.write(innerPacket(60));
  await simulation.time.pass(300);
  client.off("packet", count);
  server.off("packet", count);
  return received === 2;
}

t.test("a handshake gets through heavy loss", async (t) => {
  const pair = new Pair();
  let count = 0;
  pair.simulation.network.lose = () => (count += 1) % 5 !== 0;
  await pair.up();
  pair.simulation.network.lose = () => false;
  t.ok(await passes(pair));
  await pair.down();
});

t.test("partition: silent on both sides, and traffic again when it heals", async (t) => {
  const pair = new Pair();
  const { client, server, simulation } = pair;
  await pair.up();
  const [atClient, atServer] = [record(client), record(server)];
  simulation.network.lose = () => true;
  await simulation.time.pass(12_000);
  t.equal(client.state, "silent");
  t.equal(server.state, "listening", "its schedule has ended");
  t.ok((atClient[0]?.[1].forMs ?? 0) >= 10_000);
  t.same(names(atServer), ["silent", "disconnected"]);
  const slots = () => client.stats().slots.sent;
  const before = slots();
  await simulation.time.pass(1000);
  t.ok(slots() - before >= 95n, "the client keeps its schedule");
  simulation.network.lose = () => false;
  await simulation.time.until(() => server.state === "connected", 10_000);
  t.same(names(atClient), ["silent", "disconnected", "connected"]);
  t.same(names(atServer), ["silent", "disconnected", "connected"]);
  t.ok(await passes(pair));
  await simulation.time.pass(60_000);
  t.equal(client.state, "connected");
  await pair.down();
});

t.test("a partition that heals before the server gives up ends the client's carousel", async (t) => {
  const pair = new Pair();
  await pair.up({ serverTimeout: "60s" });
  const [atClient, atServer] = [record(pair.client), record(pair.server)];
  const { network, time } = pair.simulation;
  network.lose = () => true;
  await time.pass(10_500);
  t.equal(pair.client.state, "silent");
  network.lose = () => false;
  await time.pass(20_000);
  t.equal(pair.client.state, "connected");
  // Which of the two comes first depends on what the first datagrams hold; either is an end.
  t.ok(["heard", "disconnected"].includes(names(atClient)[1] ?? ""));
  t.notOk(names(atServer).includes("silent"));
  t.ok(await passes(pair));
  await pair.down();
});

t.test("server killed and restarted: traffic again without help", async (t) => {
  const pair = new Pair();
  const { client, simulation } = pair;
  await pair.up();
  const seen = record(client);
  // Killed: no close block leaves.
  simulation.tunnels[0]?.close();
  await simulation.time.pass(15_000);
  t.equal(client.state, "silent");
  const second = new Tunnel({}, simulation.parts());
  await second.listen(LISTEN);
  await simulation.time.until(() => second.state === "connected", 20_000);
  t.same(names(seen), ["silent", "warning", "disconnected", "connected"]);
  t.equal(client.state, "connected");
  const received: Uint8Array[] = [];
  client.on("packet", (packet) => received.push(packet));
  second.write(innerPacket(99));
  await simulation.time.pass(300);
  t.same(received, [innerPacket(99)]);
  const closing = second.close();
  await simulation.time.pass(1000);
  await closing;
  await pair.down();
});

t.test("server closed and started again: the client handshakes at once", async (t) => {
  const pair = new Pair();
  await pair.up();
  const seen = record(pair.client);
  const closing = pair.server.close();
  await pair.simulation.time.pass(1000);
  await closing;
  t.same(
    seen.map(([name, value]) => [name, value.reason]),
    [["disconnected", "peerClosed"]],
  );
  t.equal(pair.client.state, "connecting");
  const second = new Tunnel({}, pair.simulation.parts());
  await second.listen(LISTEN);
  await pair.simulation.time.until(() => second.state === "connected", 10_000);
  t.equal(pair.client.state, "connected");
  const end = second.close();
  await pair.simulation.time.pass(1000);
  await end;
  await pair.down();
});

t.test("client killed and restarted from another port", async (t) => {
  const pair = new Pair();
  const { server, simulation } = pair;
  await pair.up();
  const first = pair.client.localAddress;
  const seen = record(server);
  simulation.tunnels.find((each) => each.options.role === "client")?.close();
  const second = new Tunnel({}, simulation.parts());
  const connecting = second.connect(CONNECT);
  await simulation.time.until(() => second.state === "connected", 10_000);
  await connecting;
  await simulation.time.pass(1000);
  t.same(names(seen), ["disconnected", "connected"]);
  t.equal(seen[0]?.[1].reason, "replaced");
  t.not(second.localAddress, first);
  t.equal(server.connection?.endpoint, second.localAddress);
  const end = second.close();
  await simulation.time.pass(1000);
  await end;
  await pair.down();
});

t.test("client restarted with another wire", async (t) => {
  const pair = new Pair();
  const { server, simulation } = pair;
  await pair.up();
  simulation.tunnels.find((each) => each.options.role === "client")?.close();
  const second = new Tunnel({}, simulation.parts());
  const down = { length: 900, interval: "15ms" };
  const connecting = second.connect({ ...CONNECT, down });
  await simulation.time.until(() => second.state === "connected" && server.state === "connected", 20_000);
  t.match((await connecting).wire.down, { length: 900, intervalNs: 15e6 });
  await simulation.time.pass(1000);
  const recent = simulation.network.sent.filter(
    ({ from, sentNs }) => from === SERVER && simulation.time.nowNs - sentNs < 500_000_000n,
  );
  t.same(new Set(recent.map(({ length }) => length)), new Set([872]));
  const end = second.close();
  await simulation.time.pass(1000);
  await end;
  await pair.down();
});

t.test("expiry: a fresh handshake on the same schedules", async (t) => {
  const pair = new Pair();
  await pair.up();
  const [atClient, atServer] = [record(pair.client), record(pair.server)];
  const starts = () =>
    pair.simulation.tunnels.map(({ calls }) => calls.filter((name) => name === "startSchedule").length);
  await pair.simulation.time.pass(181_000);
  t.same(
    atClient.map(([name, value]) => value.reason ?? name),
    ["expired", "connected"],
  );
  t.same(names(atServer), ["disconnected", "connected"]);
  t.same(starts(), [1, 1], "no schedule began anew");
  t.ok(await passes(pair));
  await pair.down();
});

t.test("a client behind a NAT that changes its mapping", async (t) => {
  const pair = new Pair();
  const { server, simulation } = pair;
  await pair.up();
  const mapped = "127.0.0.1:61000";
  const inside = pair.client.localAddress;
  simulation.network.seenFrom = ({ from }) => (from === inside ? mapped : from);
  // The fake has no roaming: what goes to the old mapping is lost until the client handshakes anew.
  simulation.network.leadsTo = ({ to }) => (to === mapped ? (inside ?? "") : to === inside ? "nowhere" : to);
  await simulation.time.until(() => server.connection?.endpoint === mapped, 60_000);
  t.equal(server.connection?.endpoint, mapped);
  t.ok(await passes(pair));
  await pair.down();
});

t.test("a recorded initiation, sent again, starts nothing", async (t) => {
  const pair = new Pair();
  const { server, simulation } = pair;
  await pair.up();
  const recorded = simulation.network.sent.filter(({ content }) => content.type === "handshake" && content.kind === 1);
  const closing = pair.client.close();
  await simulation.time.pass(2000);
  await closing;
  t.equal(server.state, "listening");
  const seen = record(server);
  const sent = simulation.network.sent.length;
  for (const datagram of recorded) simulation.network.deliver({ ...datagram, from: "127.0.0.1:6666" });
  await simulation.time.pass(10_000);
  t.equal(simulation.network.sent.length, sent, "no answer");
  t.equal(server.stats().handshake.stale > 0n || names(seen).length === 0, true);
  const closed = server.close();
  await simulation.time.pass(100);
  await closed;
});

t.test("another version of the protocol is told ours, and the client says both", async (t) => {
  const pair = new Pair();
  const { client, server, simulation } = pair;
  const { listening, connecting } = pair.begin();
  await listening;
  // On the way, the head of every initiation becomes that of a version from the future.
  const original = simulation.network.deliver.bind(simulation.network);
  simulation.network.deliver = (datagram) => {
    const { content } = datagram;
    const altered = content.type === "handshake" && content.kind === 1 ? { ...content, version: 2 } : content;
    original({ ...datagram, content: altered });
  };
  await simulation.time.until(() => client.state === "closed", 10_000);
  await t.rejects(connecting, { code: "ERR_I405_PROTOCOL_VERSION", message: /version 1 .* this client version 1/ });
  await simulation.time.pass(5000);
  const told = simulation.network.sent.filter(({ from }) => from === SERVER);
  t.equal(told.length, 20, "in 20 slots");
  t.equal(server.state, "listening");
  await pair.down();
});

t.test("a client with another key beside the right one changes nothing", async (t) => {
  const pair = new Pair();
  await pair.up();
  const seen = record(pair.server);
  const stranger = new Tunnel({}, pair.simulation.parts());
  const key = { ...CLIENT_KEYS, presharedKey: CLIENT_KEYS.privateKey };
  const connecting = stranger.connect({ ...CONNECT, key });
  await pair.simulation.time.pass(8000);
  t.equal(stranger.state, "connecting");
  t.same(seen, []);
  const end = stranger.close();
  await pair.simulation.time.pass(100);
  await t.rejects(connecting, { code: "ERR_I405_CLOSED" });
  await end;
  await pair.down();
});
