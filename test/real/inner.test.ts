/** What a peer, or a route, may not do with inner packets: pretend to be others, reach the outer socket, go round. */
import t, { type Test } from "tap";
import type { Program } from "../../lab/host/program.js";
import { injectGarbage } from "../../lab/host/relay.js";
import { icmpPing, pingsAnswered, udpSend, udpSink } from "../../lab/host/traffic.js";
import { end, INNER, seconds, skip, Stage } from "./support.js";

/** An address of the client's that its server does not allow. */
const OTHER = "10.99.0.1";
const COUNT = 200;

function codes(program: Program): unknown[] {
  return program.events.filter(({ event }) => event === "warning").map(({ code }) => code);
}

t.test("promise: allowed-ips: inner packets from other addresses go nowhere", { skip }, async (t) => {
  const stage = new Stage(t, { server: ["--allowed-ips", `${INNER.client4},${INNER.client6}`] });
  const { server, client } = await stage.connect();
  stage.a.ip([`address add ${OTHER}/32 dev tun0`]);
  const sink = await udpSink(stage.b, { listen: `${INNER.server4}:9000` });
  const send = (bind: string) =>
    udpSend(stage.a, { to: `${INNER.server4}:9000`, length: 100, pps: 1000, count: COUNT, bind });
  await send(`${OTHER}:0`);
  await server.until("a warning", () => server.events.find(({ code }) => code === "I405_NOT_ALLOWED"));
  t.match(await pingsAnswered(stage.a, { to: INNER.server4, count: 10, meanMs: 10 }), { received: 10 }, "its own go");
  t.match(await pingsAnswered(stage.a, { to: INNER.server6, count: 10, meanMs: 10 }), { received: 10 });
  t.match(await sink.stop(), { packets: 0 }, "none of the others arrived");
  const [clientEnd, serverEnd] = [await end(client), await end(server)];
  t.equal(serverEnd.stats.inner.notAllowed, COUNT, "each was counted");
  t.equal(clientEnd.stats.inner.notAllowed, 0, "without a list the interface's own networks are allowed");
  t.same(codes(server), ["I405_NOT_ALLOWED"], "its user is told once");
});

t.test("what a kernel says by itself on a link is no forgery", { skip }, async (t) => {
  const stage = new Stage(t, { server: ["--allowed-ips", INNER.client4] });
  const { server, client } = await stage.connect();
  const own = "169.254.7.7";
  stage.a.ip([`address add ${own}/32 dev tun0`]);
  const sent = { to: `${INNER.server4}:9000`, length: 100, pps: 1000, count: COUNT };
  await udpSend(stage.a, { ...sent, bind: `${own}:0` });
  t.match(await pingsAnswered(stage.a, { to: INNER.server4, count: 10, meanMs: 10 }), { received: 10 });
  await end(client);
  const { stats } = await end(server);
  t.ok(stats.inner.linkLocal! >= COUNT, `${stats.inner.linkLocal!} were dropped and counted apart`);
  t.equal(stats.inner.notAllowed, 0);
  t.same(codes(server), [], "and nobody is told");
});

t.test("an interface that refuses packets", { skip }, async (t) => {
  const stage = new Stage(t);
  const { server, client } = await stage.connect();
  stage.b.ip(["link set tun0 down"]);
  await icmpPing(stage.a, { to: INNER.server4, count: 10, meanMs: 10, timeoutMs: 100 });
  const warning = await server.until("a warning", () => server.events.find(({ code }) => code === "I405_TUN_FAILING"));
  t.match(warning, { message: /refused \d+ reads or writes.*Input\/output error/ });
  await end(client);
  const { stats } = await end(server);
  t.ok(stats.inner.deviceErrors! >= 10);
});

/** What comes from the client's inner address leaves through the tunnel, wherever it goes. */
function everythingInto(stage: Stage): void {
  stage.a.ip(["route add default dev tun0 table 99", `rule add from ${INNER.client4} lookup 99`]);
}

t.test("promise: inside-stays-inside: nothing from inside reaches the outer socket", { skip }, async (t) => {
  const stage = new Stage(t);
  const { server, client } = await stage.connect();
  everythingInto(stage);
  const count = 1000;
  const tried = { to: stage.endpoint, count, pps: 2000, listenMs: 200 };
  let port = 41_000;
  // The server's own datagrams' length would not fit into the tunnel; any that fits is tried at the same socket.
  for (const length of [80, 500, 1400]) {
    const sent = await injectGarbage(stage.a, { ...tried, length, bind: `${INNER.client4}:${(port += 1)}` });
    t.match(sent, { sent: count, answers: 0, refused: 0 });
  }
  t.match(await pingsAnswered(stage.a, { to: INNER.server4, count: 10, meanMs: 10 }), { received: 10 });
  const { stats: sent } = await end(client);
  const { stats } = await end(server);
  t.ok(sent.inner.packetsSent! > 2 * count, `${sent.inner.packetsSent!} went into the tunnel`);
  t.ok(stats.inner.packetsReceived! > 2 * count, "and came out of it");
  // The client's slots before its first initiation are unknown, too.
  const { unknown, overBudget } = stats.datagrams;
  t.ok(unknown + overBudget < count, `but not to the socket: ${unknown} unknown, ${overBudget} over budget`);
});

async function roundTheLoop(t: Test, stage: Stage, route: string): Promise<void> {
  const { server, client } = await stage.connect();
  stage.a.ip([`route add ${route} dev tun0`]);
  await client.until("a warning", () => client.events.find(({ code }) => code === "I405_ROUTING_LOOP"));
  await seconds(1);
  stage.a.ip([`route del ${route} dev tun0`]);
  t.match(
    await pingsAnswered(stage.a, { to: INNER.server4, count: 10, meanMs: 20 }),
    { received: 10 },
    "it goes on after",
  );
  const { stats } = await end(client);
  await end(server);
  t.same(codes(client), ["I405_ROUTING_LOOP"], "told once");
  t.ok(stats.inner.looped! >= 100, `${stats.inner.looped!} came back`);
  // The pings, and what the kernel says on a new interface.
  t.ok(stats.inner.packetsSent! < 60, `${stats.inner.packetsSent!} were tunnelled`);
}

for (const [family, route] of [
  [4, "10.201.0.2/32"],
  [6, "fd00:1405::2/128"],
] as const) {
  t.test(
    `promise: no-loop: a route into the tunnel over IPv${family} doesn't feed it to itself`,
    { skip },
    async (t) => {
      // Short enough for the tunnel's own interface: else the kernel would refuse them there.
      const lengths = ["--up-packet-length", "1000", "--down-packet-length", "1000"];
      const client = ["--up-packet-interval", "2ms", "--down-packet-interval", "2ms", ...lengths];
      await roundTheLoop(t, new Stage(t, { family, client }), route);
    },
  );
}
