/** Both machines together over the fake addon: loss, partitions, restarts, expiry, versions. */
import { randomSource } from "../../lab/random.js";
import t from "tap";
import { Tunnel } from "../../lib/tunnel/tunnel.js";
import type { Datagram } from "../../lab/fake/network.js";
import { CLIENT_KEYS, CONNECT, innerPacket, LISTEN, Pair, record, SERVER } from "../../lab/fake/tunnel-pair.js";

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
  const random = randomSource(405);
  pair.simulation.network.lose = () => random() < 0.8;
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

t.test("an answer that the server has given up: its data under the old key keeps nobody from noticing", async (t) => {
  const pair = new Pair();
  const { client, server, simulation } = pair;
  const { network, time } = simulation;
  await pair.up({ serverTimeout: "60s" });
  const answer: Datagram[] = [];
  network.lose = (datagram) => {
    const { from, content } = datagram;
    if (from === SERVER && content.type === "handshake") answer.push(datagram);
    return from === SERVER;
  };
  await time.until(() => answer.length > 0, 20_000);
  await time.pass(2000);
  network.lose = () => true;
  await time.pass(4000);
  const [atClient, atServer] = [record(client), record(server)];
  for (const datagram of answer) network.deliver(datagram);
  await time.pass(100);
  t.same(names(atClient), ["disconnected", "connected"], "the client took the answer that was held back");
  network.lose = () => false;
  await time.pass(9500);
  t.equal(client.state, "connected");
  t.equal(server.state, "connected", "in a session that the client has replaced");
  await time.until(() => names(atServer).includes("connected"), 2000);
  t.same(names(atClient), ["disconnected", "connected", "silent", "disconnected", "connected"]);
  t.same(names(atServer), ["disconnected", "connected"]);
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

t.test("expiry: where rekeys don't get through, a fresh handshake on the same schedules", async (t) => {
  const pair = new Pair();
  await pair.up();
  const { network } = pair.simulation;
  const deliver = network.deliver.bind(network);
  network.deliver = (datagram) => {
    const { content } = datagram;
    deliver({ ...datagram, content: content.type === "data" ? { ...content, control: null } : content });
  };
  const [atClient, atServer] = [record(pair.client), record(pair.server)];
  const starts = () => pair.simulation.tunnels.map(({ state }) => state.inForce.schedules);
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

t.test("rekeys go on and on: nothing is lost, nothing is told but them, and each schedule is one", async (t) => {
  const pair = new Pair();
  const { client, server, simulation } = pair;
  await pair.up({ rekeyInterval: "2s" });
  const [atClient, atServer] = [record(client), record(server)];
  const received: number[][] = [[], []];
  for (const [end, tunnel] of [client, server].entries()) {
    tunnel.on("packet", (packet) => received[end]!.push(packet.at(-1)! + 256 * packet.at(-2)!));
  }
  const COUNT = 600;
  for (let index = 0; index < COUNT; index += 1) {
    for (const tunnel of [client, server]) {
      const packet = innerPacket(200, index % 256);
      packet[packet.length - 2] = index >> 8;
      if (!tunnel.write(packet)) throw new Error("the queue is full");
    }
    await simulation.time.pass(100);
  }
  await simulation.time.pass(500);
  const sequence = Array.from({ length: COUNT }, (_, index) => index);
  t.same(received, [sequence, sequence], "each packet once, in order");
  for (const seen of [atClient, atServer]) {
    t.same(new Set(names(seen)), new Set(["rekeyed"]));
    t.ok(seen.length >= 28 && seen.length <= 31, `${seen.length} rekeys in 60 s`);
  }
  const schedules = simulation.tunnels.map(({ state }) => state.inForce.schedules);
  t.same(schedules, [1, 1]);
  const messages = simulation.network.sent.flatMap(({ content }) => (content.type === "handshake" ? [content] : []));
  const kinds = new Set(messages.map(({ kind, stamp }) => `${kind} ${stamp - messages[0]!.stamp}`));
  t.same([...kinds], ["1 0", "2 0"], "and no further handshake");
  const lengths = new Set(simulation.network.sent.map(({ length }) => length));
  t.same(lengths, new Set([472]));
  const ended = client.stats();
  t.equal(ended.datagrams.unknown, 0n);
  await pair.down();
});

t.test("a rekey whose messages are lost at first gets through by its repetitions", async (t) => {
  for (const kind of [1, 2]) {
    const pair = new Pair();
    await pair.up({ rekeyInterval: "5s" });
    const [atClient, atServer] = [record(pair.client), record(pair.server)];
    let lost = 0;
    pair.simulation.network.lose = ({ content }) => {
      const loses = content.type === "data" && content.control?.kind === kind && lost < 10;
      if (loses) lost += 1;
      return loses;
    };
    await pair.simulation.time.pass(8500);
    t.equal(lost, 10);
    t.same(names(atClient), ["rekeyed"]);
    t.same(names(atServer), ["rekeyed"]);
    t.ok(await passes(pair));
    await pair.down();
  }
});

t.test("a client behind a NAT that changes its mapping", async (t) => {
  const pair = new Pair();
  const { client, server, simulation } = pair;
  await pair.up();
  const [atClient, atServer] = [record(client), record(server)];
  const mapped = "127.0.0.1:61000";
  const inside = client.localAddress;
  simulation.network.seenFrom = ({ from }) => (from === inside ? mapped : from);
  // What goes to the old mapping is lost.
  simulation.network.leadsTo = ({ to }) => (to === mapped ? (inside ?? "") : to === inside ? "nowhere" : to);
  await simulation.time.pass(300);
  t.equal(server.connection?.endpoint, mapped);
  t.ok(await passes(pair));
  t.same([names(atClient), names(atServer)], [[], ["roamed"]], "no handshake");
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
