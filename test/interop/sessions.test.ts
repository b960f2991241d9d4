/** Sessions that follow one another and attempts that go wrong, with a plain end on one side. */
import t, { type Test } from "tap";
import { CHALLENGE, CLOSE, controlBlock, ECHO, NEWEST_STAMP } from "../../lab/plain/aggfrag.js";
import { Channel } from "../../lab/plain/channel.js";
import { PlainClient } from "../../lab/plain/client.js";
import { PlainResponder, RESPONSE_BYTES } from "../../lab/plain/handshake.js";
import { keyPairing, packet, Real, realServer, repeats, settings, until } from "./ends.js";
import { PlainServer } from "../../lab/plain/server.js";
import { CHACHA, fragmentCount, RESPONSE, VERSION, wrap } from "../../lab/plain/wire.js";

t.setTimeout(300_000);
// Each waits far more than it works.
t.jobs = 3;

const pairing = keyPairing(false);
const ACCEPTED = { verdict: 0, aeadId: CHACHA, limit: 0 };

/** A real client that talks to a plain server, in slots of 4 ms. */
async function realClient(t: Test, server: PlainServer, length: number) {
  const port = await server.open();
  const client = new Real();
  t.teardown(async () => {
    server.close();
    await client.tunnel.close();
  });
  const way = { length, interval: "4ms" };
  const timeouts = { clientTimeout: "2s", serverTimeout: "20s" };
  const peer = `127.0.0.1:${port}`;
  const connecting = client.tunnel.connect({ peer, ...pairing.client, up: way, down: way, ...timeouts });
  return { client, connecting };
}

t.test(
  "a session that is alive goes on beside the next handshake, and loses nothing",
  { buffered: true },
  async (t) => {
    const { server, port } = await realServer(pairing);
    const wire = settings(200);
    const first = new PlainClient(pairing.plain.client, wire, port);
    const second = new PlainClient(pairing.plain.client, wire, port, first.stamp + 1);
    second.holdBack = true;
    t.teardown(async () => {
      first.close();
      second.close();
      await server.tunnel.close();
    });
    await first.start();
    await until(() => first.confirmed && server.has("connected"), "the first session");
    await second.start();
    await until(() => second.fragments.length > 0, "the second's response");
    const [start, slots] = [first.channel!.counters.length, second.received.length];
    const packets = [packet(3000), packet(400), packet(5000)];
    for (const each of packets) await server.write(each);
    const data = () => first.channel!.counters.length - start;
    const handshakes = () => second.received.length - slots;
    // All slots but every eighth are the first one's, in whatever order a busy machine hands them over.
    await until(
      () => first.channel!.reader.packets.length === 3 && handshakes() > 10 && data() > 6 * handshakes(),
      "packets, and six times as many data as handshake slots",
    );
    t.same(first.channel!.reader.packets, packets);
    t.equal(first.channel!.reader.faults, 0);
    t.equal(first.channel!.counters.at(-1), first.channel!.counters.length - 1, "handshake slots take no counter");
    t.same(second.fragments.length, second.received.length);
    t.equal(server.events.length, 1, "so far only the first is connected");

    second.holdBack = false;
    await until(() => second.confirmed, "the second session");
    await until(() => server.events.length >= 3, "both events");
    t.same(
      server.events.slice(1).map(([name, value]): unknown[] => [name, value.reason ?? value.endpoint]),
      [
        ["disconnected", "replaced"],
        ["connected", `127.0.0.1:${second.port}`],
      ],
    );
    const late = packet(321);
    first.write(late);
    await until(() => server.packets.length > 0, "what the replaced session's key opens");
    const last = packet(4000);
    await server.write(last);
    await until(() => second.channel!.reader.packets.length > 0, "a packet to the second");
    t.same(second.channel!.reader.packets, [last]);
    // The first ones under a key may still go to where the session before it was.
    t.ok(second.channel!.counters[0]! < 100);
    t.same([...first.problems, ...second.problems], []);
    t.equal(repeats([...first.received, ...second.received]), 0);
  },
);

t.test("every datagram says the newest stamp until the server is heard", { buffered: true }, async (t) => {
  const server = new PlainServer(pairing.plain.server, () => ACCEPTED);
  server.holdBack = true;
  const { client, connecting } = await realClient(t, server, 100);
  await connecting;
  const [short, long] = [packet(40), packet(700)];
  await client.write(short);
  await until(() => server.channel!.reader.packets.length === 1, "what fits beside the stamp");
  await client.write(long);
  const before = server.channel!.payloads.length;
  await until(() => server.channel!.payloads.length > before + 20, "more slots");
  const said = server.channel!.payloads.length;
  server.holdBack = false;
  await until(() => server.channel!.reader.packets.length === 2, "the long one");
  t.same(server.channel!.reader.packets, [short, long]);
  const stamps = server.channel!.reader.controls.filter(({ type }) => type === NEWEST_STAMP);
  t.ok(stamps.length >= said, "one in each");
  t.ok(stamps.every(({ body }) => body.readUIntBE(0, 6) === server.initiations[0]!.stamp));
  const end = server.channel!.payloads.length;
  await until(() => server.channel!.payloads.length > end + 20, "more slots");
  t.ok(server.channel!.reader.controls.length < end, "and none afterwards");
  t.same(server.problems, []);
});

t.test(
  "a silent server: the carousel on the same schedule, until old keys are heard",
  { buffered: true },
  async (t) => {
    const server = new PlainServer(pairing.plain.server, () => ACCEPTED);
    const { client, connecting } = await realClient(t, server, 300);
    await connecting;
    await until(() => server.confirmed, "the confirmation");
    const first = server.fragments[0]!.stamp;
    server.deaf = true;
    server.stop();
    await until(() => server.fragments.some(({ stamp }) => stamp > first), "an initiation with a newer stamp");
    await until(() => client.has("silent"), "the event");
    t.equal(client.tunnel.state, "silent");
    server.resume();
    await until(() => client.has("heard"), "the client hears the old keys");
    const fragments = server.fragments.length;
    const opened = server.channel!.counters.length;
    await until(() => server.channel!.counters.length > opened + 100, "data under the old keys");
    t.ok(server.fragments.length <= fragments + 10, "the carousel has ended");
    const one = packet(1000);
    await client.write(one);
    await until(() => server.channel!.reader.packets.length > 0, "a packet");
    t.same(server.channel!.reader.packets, [one]);
    t.equal(client.tunnel.state, "connected");
    t.same(server.problems, []);
  },
);

t.test("a server that comes back without memory is handshaken with anew", { buffered: true }, async (t) => {
  const server = new PlainServer(pairing.plain.server, () => ACCEPTED);
  const { client, connecting } = await realClient(t, server, 300);
  await connecting;
  await until(() => server.confirmed, "the confirmation");
  server.stop();
  await until(() => server.initiations.length >= 2 && server.confirmed, "the second session");
  t.ok(server.initiations[1]!.stamp > server.initiations[0]!.stamp);
  await until(() => client.events.filter(([name]) => name === "connected").length === 2, "its event");
  const [up, down] = [packet(1000), packet(1001)];
  server.write(down);
  await client.write(up);
  await until(() => client.packets.length > 0 && server.channel!.reader.packets.length > 0, "packets");
  t.same([server.channel!.reader.packets, client.packets], [[up], [down]]);
  t.equal(server.channel!.counters[0], 0, "the counter starts again");
  t.equal(repeats(server.received), 0);
  t.same(server.problems, []);
});

t.test("an answer to the last attempt but one is taken", { buffered: true }, async (t) => {
  const server = new PlainServer(pairing.plain.server, () => ACCEPTED);
  server.deaf = true;
  const { client, connecting } = await realClient(t, server, 300);
  await until(() => server.initiations.length >= 2, "a second attempt");
  const [first, second] = server.initiations as [PlainResponder, PlainResponder];
  t.ok(second.stamp > first.stamp);
  t.not(second.initiation.toString("hex", 0, 32), first.initiation.toString("hex", 0, 32), "a new ephemeral key");
  server.respond(first, 272);
  await connecting;
  await until(() => server.confirmed, "the confirmation");
  const one = packet(500);
  await client.write(one);
  await until(() => server.channel!.reader.packets.length > 0, "a packet");
  t.same(server.channel!.reader.packets, [one]);
  t.same(server.problems, []);
});

t.test(
  "two responses to one stamp: a later fragment overwrites, a mixture is no harm",
  { buffered: true },
  async (t) => {
    const server = new PlainServer(pairing.plain.server, () => ACCEPTED);
    server.deaf = true;
    const { connecting } = await realClient(t, server, 100);
    await until(() => server.initiations.length === 1, "the initiation");
    const { stamp, initiation } = server.initiations[0]!;
    const { noise, down } = pairing.plain.server;
    const answers = [0, 1].map(() => new PlainResponder(noise, stamp, initiation).respond(ACCEPTED));
    const n = 72;
    const slots = fragmentCount(RESPONSE_BYTES, n);
    const send = (answer: number, f: number) => {
      server.inject(wrap(down, n, { version: VERSION, kind: RESPONSE, f, stamp }, answers[answer]!.message));
    };
    // Past the last, which is ignored; then the first half of one answer and the second half of the other.
    for (const f of [slots, 255]) send(0, f);
    for (let f = 0; f < slots / 2; f++) send(0, f);
    for (let f = slots / 2; f < slots; f++) send(1, f);
    server.channel = new Channel(answers[1]!.session, "down", CHACHA);
    let f = 0;
    const again = setInterval(() => send(1, f++ % slots), 4);
    t.teardown(() => clearInterval(again));
    const { cipher } = await connecting;
    t.equal(cipher, "chacha20-poly1305");
    await until(() => server.confirmed, "the confirmation");
    t.same(server.problems, []);
  },
);

t.test(
  "the real client says each challenge back once, the last of several, and nothing else",
  { buffered: true },
  async (t) => {
    const server = new PlainServer(pairing.plain.server, () => ACCEPTED);
    const { client, connecting } = await realClient(t, server, 300);
    await connecting;
    await until(() => server.believed.length === 1, "an echo");
    server.stop();
    const channel = server.channel!;
    const echoes = () =>
      channel.reader.controls.filter(({ type }) => type === ECHO).map(({ body }) => body.toString("hex"));
    // Behind those of the confirmation.
    const quiet = async () => {
      const opened = channel.payloads.length;
      await until(() => channel.payloads.length > opened + 20, "slots");
    };
    await quiet();
    const before = echoes().length;
    const challenge = (byte: number, length = 8) => controlBlock(CHALLENGE, Buffer.alloc(length, byte));
    // Of other lengths; an echo, which only a client makes, and what asks for nothing.
    for (const length of [0, 1, 7, 9, 200]) server.inject(channel.seal(272, [challenge(1, length)]));
    server.inject(channel.seal(272, [controlBlock(ECHO, Buffer.alloc(8, 2)), controlBlock(7, Buffer.alloc(8, 3))]));
    await quiet();
    t.equal(echoes().length, before, "nothing");
    server.inject(channel.seal(272, [challenge(4)]));
    await quiet();
    t.same(echoes().slice(before), ["04".repeat(8)], "once");
    server.inject(channel.seal(272, [challenge(5), challenge(6)]));
    await quiet();
    t.same(echoes().slice(before + 1), ["06".repeat(8)], "the last");
    const packets = [packet(700), packet(200)];
    for (const each of packets) {
      await client.write(each);
      // In the middle of a packet that runs over.
      server.inject(channel.seal(272, [challenge(7)]));
    }
    await until(() => channel.reader.packets.length >= 2, "packets");
    t.same(channel.reader.packets, packets);
    t.notOk(
      channel.reader.controls.some(({ type }) => type === CHALLENGE || type === CLOSE),
      "a client challenges nobody",
    );
    t.same(server.problems, []);
  },
);
