/** Strangers, copies and the future against the real ends: what they send is never answered, and takes nothing over. */
import t, { type Test } from "tap";
import { randomBytes } from "../../lab/random.js";
import { controlBlock, NEWEST_STAMP } from "../../lab/plain/aggfrag.js";
import { PlainClient } from "../../lab/plain/client.js";
import { Stranger } from "../../lab/plain/end.js";
import {
  keyPairing,
  lengths,
  packet,
  passwordPairing,
  Real,
  realServer,
  repeats,
  settings,
  settled,
  until,
} from "./ends.js";
import { PlainServer } from "../../lab/plain/server.js";
import { RESPONSE, VERSION, wrap, WRONG_VERSION } from "../../lab/plain/wire.js";

t.setTimeout(300_000);
// Each waits far more than it works.
t.jobs = 4;

const pairing = keyPairing(true);
const WIRE = settings(500);
const N = 472;

async function stranger(t: Test): Promise<Stranger> {
  const one = new Stranger();
  await one.open();
  t.teardown(() => one.close());
  return one;
}

async function server(t: Test) {
  const all = await realServer(pairing);
  t.teardown(() => all.server.tunnel.close());
  return all;
}

/** A client of the right kind, which is answered: whatever went before has been dealt with by then. */
async function goodClient(t: Test, port: number, stamp?: number): Promise<PlainClient> {
  const client = new PlainClient(pairing.plain.client, WIRE, port, stamp);
  t.teardown(() => client.close());
  await client.start();
  await until(() => client.confirmed, "a good client's session");
  await settled(client);
  return client;
}

async function ended(client: PlainClient, { tunnel }: Real): Promise<void> {
  client.sendClose();
  await until(() => tunnel.state === "listening", "the end of a session");
}

t.test("promise: one-start: copies of an initiation that is done with get nothing", { buffered: true }, async (t) => {
  const { server: real, port } = await server(t);
  const [early, late] = [await stranger(t), await stranger(t)];
  const client = new PlainClient(pairing.plain.client, WIRE, port);
  t.teardown(() => client.close());
  client.holdBack = true;
  await client.start();
  await until(() => client.responses.length >= 2, "the response, twice");
  // Copies count for where they come from: it is one of two that are answered.
  for (const each of client.sent.slice(0, 40)) early.send(each, port);
  const before = client.responses.length;
  await until(() => client.responses.length >= before + 2, "the response, twice more");
  client.holdBack = false;
  await until(() => client.confirmed, "the session");
  await settled(client);
  const answered = early.received.length;
  // None where what was wrapped beforehand lasted until then.
  t.ok(answered < client.received.length, `${answered} to a copier, before the client was believed`);
  for (const each of client.sent.slice(0, 40)) early.send(each, port);
  const one = packet(900);
  client.write(one);
  await until(() => real.packets.length > 0, "a packet");
  t.same(real.packets, [one]);
  t.equal(real.tunnel.connection?.endpoint, `127.0.0.1:${client.port}`);
  t.equal(new Set(client.responses.map((each) => each.toString("hex"))).size, 1, "one Noise message, wrapped anew");
  t.equal(repeats([...client.received, ...early.received]), 0);
  await ended(client, real);
  // With nobody connected either.
  for (const each of client.sent) late.send(each, port);
  await goodClient(t, port);
  t.equal(early.received.length, answered);
  t.same(late.received, []);
  t.equal(real.events.filter(([name]) => name === "connected").length, 2);
});

t.test("the response goes to all sources of its initiation's fragments, in turns", { buffered: true }, async (t) => {
  const { port } = await server(t);
  const client = new PlainClient(pairing.plain.client, WIRE, port);
  t.teardown(() => client.close());
  client.holdBack = true;
  await client.start();
  await until(() => client.fragments.length > 0, "the response");
  client.stop();
  const moved = await stranger(t);
  moved.send(client.nextFragment(), port);
  await until(() => moved.received.length >= 5, "the response at the new place");
  const [here, there] = [client.received.length, moved.received.length];
  // A busy machine may hand over much of one before it turns to the other.
  await until(
    () => client.received.length >= here + 50 && moved.received.length >= there + 50,
    "more of it at the old one, and as much at the new one",
  );
  t.equal(repeats([...client.received, ...moved.received]), 0);
});

t.test(
  "promise: silence, authentic: garbage, pieces and bit flips of genuine datagrams are never answered",
  { buffered: true },
  async (t) => {
    const { server: real, port } = await server(t);
    const one = await stranger(t);
    const lengths = [0, 1, 3, 4, 19, 20, 36, 51, 52, 72, N, N, N, N, 1472, 1473, 9000];
    for (const length of lengths) one.send(randomBytes(length), port);
    const unsent = new PlainClient(pairing.plain.client, WIRE, port);
    for (let i = 0; i < unsent.slots; i++) {
      const datagram = unsent.nextFragment();
      one.send(datagram.subarray(0, N - 1), port);
      one.send(Buffer.concat([datagram, Buffer.alloc(1)]), port);
      // One in the header, the nonce, the sealed part and the tag.
      for (const at of [0, 3, 4, 19, 20, 100, N - 16, N - 1]) {
        const flipped = Buffer.from(datagram);
        flipped[at]! ^= 1 << (i & 7);
        one.send(flipped, port);
      }
    }
    const { datagrams } = real.tunnel.stats();
    const client = await goodClient(t, port);
    t.same(one.received, []);
    // The kernel drops what is shorter than any datagram.
    const looked = one.sent.filter(({ length }) => length >= 52).length;
    t.equal(real.tunnel.stats().datagrams.unknown + real.tunnel.stats().datagrams.overBudget, BigInt(looked));
    t.ok(datagrams.opened <= real.tunnel.stats().datagrams.opened);
    // The same to a session.
    for (const length of lengths) one.send(randomBytes(length), port);
    for (const each of client.sent.slice(-20)) {
      const flipped = Buffer.from(each);
      flipped[N - 1]! ^= 1;
      one.send(flipped, port);
      one.send(each, port);
    }
    const written = packet(1200);
    client.write(written);
    await until(() => real.packets.length > 0, "a packet");
    t.same(real.packets, [written]);
    t.same(one.received, []);
    t.equal(real.tunnel.connection?.endpoint, `127.0.0.1:${client.port}`);
  },
);

t.test("promise: wrong-key: a client with another password, or another key: silence", { buffered: true }, async (t) => {
  const { server: real, port } = await server(t);
  for (const other of [passwordPairing(), keyPairing(true)]) {
    const client = new PlainClient(other.plain.client, WIRE, port);
    await client.start();
    await until(() => client.sent.length >= 3 * client.slots, "three rounds");
    await ended(await goodClient(t, port), real);
    t.same(client.received, []);
    client.close();
  }
  t.equal(real.tunnel.stats().handshake.stale, 0n);
});

t.test("wrapped as it should be, but the Noise message is somebody else's: silence", { buffered: true }, async (t) => {
  const { server: real, port } = await server(t);
  const one = await stranger(t);
  const { up, initiationBytes } = pairing.plain.client;
  const stamp = Date.now();
  const message = randomBytes(initiationBytes);
  const send = (version: number, kind: number, f: number, at: number) =>
    one.send(wrap(up, N, { version, kind, f, stamp: at }, message), port);
  for (let f = 0; f < 4; f++) send(VERSION, 1, f, stamp);
  // Kinds that no client sends, and a fragment past the last.
  for (const kind of [0, RESPONSE, WRONG_VERSION, 4, 15]) send(VERSION, kind, 0, stamp + 1);
  send(VERSION, 1, 4, stamp + 1);
  send(VERSION, 1, 255, stamp + 1);
  await goodClient(t, port, stamp + 10);
  t.same(one.received, []);
  t.equal(real.events.filter(([name]) => name === "connected").length, 1);
});

t.test("an initiation of a version from the future is told so once, in 20 slots", { buffered: true }, async (t) => {
  const { server: real, port } = await server(t);
  const { client: secrets } = pairing.plain;
  const future = new PlainClient(secrets, WIRE, port);
  const copier = await stranger(t);
  await future.open();
  t.teardown(() => future.close());
  const datagram = future.nextFragment(2);
  future.inject(datagram);
  await until(() => future.received.length > 0, "the first of them");
  copier.send(datagram, port);
  const slots = () => real.tunnel.stats().slots;
  await until(() => slots().sent + slots().missed >= 20n, "20 slots");
  for (const again of [datagram, future.nextFragment(2)]) copier.send(again, port);
  t.same(future.versions, { version: VERSION, lowest: VERSION, highest: VERSION });
  // Time for a slot too many.
  await new Promise((resolve) => setTimeout(resolve, 300));
  t.equal(slots().sent + slots().missed, 20n);
  await until(() => future.received.length + copier.received.length >= Number(slots().sent), "all that was sent");
  const told = copier.received.length;
  t.equal(future.received.length + told, Number(slots().sent), "whoever copies shares the slots");
  const client = await goodClient(t, port);
  t.equal(copier.received.length, told, "its stamp is spent");
  t.ok(future.fragments.every(({ kind, f, stamp }) => kind === WRONG_VERSION && f === 0 && stamp === future.stamp));
  t.ok(future.fragments.every(({ bytes }) => bytes.subarray(2).every((byte) => byte === 0)));
  t.same(lengths(future.received), [N], "of the length that came");
  t.equal(repeats(future.received), 0);

  // While a schedule runs to that peer, it is not told.
  client.inject(wrap(secrets.up, N, { version: 3, kind: 1, f: 0, stamp: client.stamp + 1000 }, Buffer.alloc(10)));
  const before = client.channel!.counters.length;
  await until(() => client.channel!.counters.length > before + 200, "200 slots");
  t.equal(client.versions, null);
  t.equal(real.tunnel.state, "connected");
});

t.test(
  "promise: unconfirmed-ends: nobody confirms: every slot is the response, and the schedule ends",
  { buffered: true },
  async (t) => {
    const { server: real, port } = await server(t);
    const client = new PlainClient(pairing.plain.client, WIRE, port);
    t.teardown(() => client.close());
    client.holdBack = true;
    await client.start();
    await until(() => client.responses.length > 0, "the response");
    client.stop();
    let last = -1;
    while (client.received.length > last) {
      last = client.received.length;
      await new Promise((resolve) => setTimeout(resolve, 1500));
    }
    t.equal(client.fragments.length, client.received.length, "nothing is sealed under the pending key");
    // attempt = 5 s + 4 x 7 fragments x 4 ms, in slots of at least 3 ms.
    t.ok(client.received.length <= 5112 / 3 + 1, `${client.received.length} slots`);
    t.notOk(real.has("connected"));
    t.equal(real.tunnel.state, "listening");
  },
);

t.test("the floor rises to what a confirmed client says", { buffered: true }, async (t) => {
  const { server: real, port } = await server(t);
  const client = await goodClient(t, port);
  const newest = Buffer.alloc(6);
  newest.writeUIntBE(client.stamp + 100_000, 0, 6);
  client.channel!.writer.push(controlBlock(NEWEST_STAMP, newest));
  client.write(packet(60));
  await until(() => real.packets.length > 0, "a packet behind it");
  await ended(client, real);
  const stale = new PlainClient(pairing.plain.client, WIRE, port, client.stamp + 99_999);
  t.teardown(() => stale.close());
  await stale.start();
  await until(() => real.tunnel.stats().handshake.stale >= 12n, "three rounds");
  stale.stop();
  await until(() => real.has("warning"), "a warning");
  await goodClient(t, port, client.stamp + 100_001);
  t.same(stale.received, []);
  const warnings = real.events.filter(([name]) => name === "warning");
  t.equal(warnings.length, 1);
  t.match(warnings[0]![1].code, /^I405_/);
});

t.test(
  "promise: client-hears-its-server: the real client: copies, garbage and others' datagrams change nothing",
  { buffered: true },
  async (t) => {
    const server = new PlainServer(pairing.plain.server, () => ({ verdict: 0, aeadId: 0, limit: 0 }));
    const port = await server.open();
    const client = new Real();
    t.teardown(async () => {
      server.close();
      await client.tunnel.close();
    });
    const one = await stranger(t);
    const way = { length: 500, interval: "4ms" };
    const noise = setInterval(() => {
      if (server.clientPort !== 0) server.inject(randomBytes(N));
    }, 3);
    t.teardown(() => clearInterval(noise));
    await client.tunnel.connect({ peer: `127.0.0.1:${port}`, ...pairing.client, up: way, down: way });
    await until(() => server.confirmed, "the confirmation");
    const handshake = [...server.sent];
    const packets = [packet(1300), packet(77)];
    for (const each of packets) server.write(each);
    await until(() => client.packets.length >= 2, "packets");
    // From elsewhere, and from the server itself.
    for (const each of server.sent.slice(-60)) one.send(each, server.clientPort);
    for (const each of [...handshake.slice(0, 60), ...server.sent.slice(-60)]) server.inject(each);
    // A verdict and another version, of this attempt's stamp, after the session came up.
    const { stamp } = server.initiations[0]!;
    const head = { version: 9, kind: WRONG_VERSION, f: 0, stamp };
    server.inject(wrap(pairing.plain.server.down, N, head, Buffer.from([9, 9])));
    const last = packet(78);
    server.write(last);
    await until(() => client.packets.length >= 3, "the last packet");
    t.same(client.packets, [...packets, last]);
    t.same(
      client.events.map(([name]) => name),
      ["connected"],
    );
    t.same(one.received, [], "a client answers nobody else");
    t.equal(client.tunnel.connection?.cipher, "chacha20-poly1305");
    t.equal(repeats(server.received), 0);
    t.same(lengths(server.received), [N]);
  },
);
