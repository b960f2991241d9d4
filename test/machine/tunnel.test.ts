/** The public class over the fake addon: life, events, what it carries. */
import { once } from "node:events";
import t from "tap";
import type { Deviation } from "../../index.js";
import { I405Error } from "../../lib/common/errors.js";
import { generatePassword } from "../../lib/handshake/passwords.js";
import { Tunnel } from "../../lib/tunnel/tunnel.js";
import { Simulation, turn } from "../../lab/fake/addon.js";
import { CONNECT, innerPacket, Pair, record, SERVER } from "../../lab/fake/tunnel-pair.js";

const coded = (code: string) => ({ name: "I405Error", code });

t.test("constructing opens nothing and needs no addon", async (t) => {
  const fails = () => Promise.reject(new I405Error("ERR_I405_ADDON", "no addon"));
  const parts = { ...new Simulation().parts(), loadAddon: fails };
  const tunnel = new Tunnel({ pollMode: "spinny", schedFifo: true }, parts);
  t.equal(tunnel.state, "new");
  t.equal(tunnel.localAddress, null);
  t.equal(tunnel.stats().slots.sent, 0n);
  await t.rejects(tunnel.connect(CONNECT), coded("ERR_I405_ADDON"));
  t.equal(tunnel.state, "closed");
});

t.test("two ends come up, carry packets both ways and close", async (t) => {
  const pair = new Pair();
  const { client, server, simulation } = pair;
  const [atClient, atServer] = [record(client), record(server)];
  await pair.up();
  t.equal(client.state, "connected");
  t.equal(server.state, "connected");
  t.equal(server.localAddress, SERVER);
  t.equal(client.deviceName, null);
  t.same(client.connection?.wire, server.connection?.wire);
  t.equal(client.connection?.endpoint, SERVER);
  t.equal(server.connection?.endpoint, client.localAddress);
  t.equal(client.connection?.cipher, "aes-256-gcm");
  t.same(client.connection?.wire.up, { length: 500, intervalNs: 10e6, jitterNs: 5e6, jitterShape: "cos4" });

  const received: [string, Uint8Array][] = [];
  client.on("packet", (packet) => received.push(["client", packet]));
  server.on("packet", (packet) => received.push(["server", packet]));
  t.equal(client.write(innerPacket(60, 1)), true);
  t.equal(server.write(innerPacket(70, 2)), true);
  await simulation.time.pass(200);
  t.same(received.sort(), [
    ["client", innerPacket(70, 2)],
    ["server", innerPacket(60, 1)],
  ]);
  t.equal(client.stats().inner.packetsSent, 1n);
  t.equal(client.stats().inner.bytesReceived, 70n);

  const closing = client.close();
  t.equal(client.state, "closing");
  t.equal(client.close(), client.close(), "idempotent");
  await simulation.time.pass(1000);
  await closing;
  t.equal(client.state, "closed");
  t.equal(server.state, "listening", "the server listens again");
  t.same(
    atServer.map(([name]) => name),
    ["connected", "disconnected"],
  );
  t.equal(atServer[1]?.[1].reason, "peerClosed");
  t.same(
    atClient.map(([name]) => name),
    ["connected", "close"],
  );
  t.equal(
    simulation.tunnels.some((each) => each.running),
    false,
    "no schedule runs on",
  );
  t.throws(() => client.write(innerPacket(60)), coded("ERR_I405_CLOSED"));
  t.ok(client.stats().slots.sent > 0n, "the last figures stay");
  await pair.down();
});

t.test("every datagram of a direction has one length", async (t) => {
  const pair = new Pair();
  await pair.up({ down: { length: 700, interval: "20ms" } });
  await pair.down();
  const { sent } = pair.simulation.network;
  const lengths = (from: (datagram: { from: string }) => boolean) =>
    new Set(sent.filter(from).map((each) => each.length));
  t.same(
    lengths(({ from }) => from === SERVER),
    new Set([700 - 28]),
  );
  t.same(
    lengths(({ from }) => from !== SERVER),
    new Set([500 - 28]),
  );
});

t.test("a password does as well, and a made-up one is warned about", async (t) => {
  const pair = new Pair();
  const warnings = record(pair.client);
  const password = generatePassword();
  const own = { key: undefined, password };
  const { listening, connecting } = pair.begin({ ...own, password: "correct horse" }, own);
  await listening;
  await turn();
  t.same(
    warnings.map(([name, value]) => [name, value.code]),
    [["warning", "I405_WEAK_PASSWORD"]],
  );
  const stopped = pair.client.close();
  await pair.simulation.time.pass(100);
  await Promise.all([stopped, t.rejects(connecting, coded("ERR_I405_CLOSED"))]);
  const second = new Tunnel({}, pair.simulation.parts());
  const seen = record(second);
  const again = second.connect({ ...CONNECT, ...own });
  // scrypt runs in real time, on its own thread.
  const opened = pair.simulation.tunnels.length;
  while (pair.simulation.tunnels.length === opened) await new Promise((resolve) => setTimeout(resolve, 20));
  await pair.simulation.time.until(() => second.state === "connected", 5000);
  t.equal((await again).endpoint, SERVER);
  t.same(
    seen.map(([name]) => name),
    ["connected"],
    "no warning about a generated one",
  );
  const closing = second.close();
  await pair.simulation.time.pass(1000);
  await closing;
  await pair.down();
});

t.test("names are looked up, once", async (t) => {
  const pair = new Pair();
  pair.simulation.names.set("host.example", "127.0.0.1");
  await pair.up({ peer: "host.example:1405" });
  t.equal(pair.client.connection?.endpoint, SERVER);
  await pair.down();
  const lost = new Tunnel({}, pair.simulation.parts());
  await t.rejects(lost.connect({ ...CONNECT, peer: "other.example:1405" }), {
    code: "ERR_I405_RESOLVE",
    option: "peer",
    message: /other\.example/,
  });
});

t.test("linger: cover goes on after close", async (t) => {
  const pair = new Pair();
  await pair.up({ linger: "3s" });
  const closing = pair.client.close();
  const from = pair.client.localAddress;
  await pair.simulation.time.pass(2500);
  const { network, time } = pair.simulation;
  const late = network.sent.filter((each) => each.from === from && time.nowNs - each.sentNs < 1_000_000_000n);
  t.ok(late.length > 90, "slots as before");
  t.equal(pair.client.state, "closing");
  await pair.simulation.time.pass(1500);
  await closing;
  await pair.down();
});

t.test("close() within a listener", async (t) => {
  const pair = new Pair();
  pair.client.once("connected", () => void pair.client.close());
  const { connecting } = pair.begin();
  await pair.simulation.time.until(() => pair.client.state === "closed", 20_000);
  t.equal((await connecting).endpoint, SERVER);
  t.equal(pair.server.state, "listening", "its client came and went");
  await pair.down();
});

t.test("deviation: microseconds, at the interval asked for", async (t) => {
  const pair = new Pair({ deviationInterval: "1s" });
  const reports: Deviation[] = [];
  await pair.up();
  pair.client.on("deviation", (deviation) => reports.push(deviation));
  await pair.simulation.time.pass(3100);
  t.equal(reports.length, 3);
  t.match(reports[0], { mean: 1.5, stddev: 0.5, p50: 1, p90: 2, p99: 3, p999: 4, max: 5, missed: 0 });
  await pair.down();
});

t.test("unref and ref reach the addon, before and after opening", async (t) => {
  const pair = new Pair();
  t.equal(pair.client.unref(), pair.client);
  await pair.up();
  const native = pair.simulation.tunnels.find((each) => each.options.role === "client");
  t.equal(native?.refs, "unref");
  t.equal(pair.client.ref(), pair.client);
  t.equal(native?.refs, "ref");
  pair.client.unref();
  const closing = pair.client.close();
  t.equal(native?.refs, "ref", "who awaits the end is not left alone");
  await pair.simulation.time.pass(500);
  await closing;
  await pair.down();
});

t.test("events.once and a typed emitter work as Node's", async (t) => {
  const pair = new Pair();
  const up = once(pair.client, "connected");
  await pair.up();
  const [connection] = (await up) as [{ endpoint: string }];
  t.equal(connection.endpoint, SERVER);
  await pair.down();
});
