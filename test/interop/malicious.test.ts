/**
 * A client that has the keys and means harm, against the real server: it gets an error for itself, or nothing, and
 * takes nothing from anybody else. What it sends is made by the plain end, which obeys no rule that a test turns off.
 */
import t, { type Test } from "tap";
import { CHALLENGE, CLOSE, controlBlock, ECHO, NEWEST_STAMP } from "../../lab/plain/aggfrag.js";
import { randomBytes } from "../../lab/random.js";
import { PlainClient } from "../../lab/plain/client.js";
import type { PlainSettings } from "../../lab/plain/handshake.js";
import { keyPairing, packet, realServer, settings, settled, until, type Real } from "./ends.js";

t.setTimeout(300_000);
// Each waits far more than it works.
t.jobs = 4;

const pairing = keyPairing(true);
const WIRE = settings(500);
/** Bytes of blocks in each payload. */
const ROOM = 500 - 28 - 22;
const BUFFERED = { buffered: true };

interface Session {
  server: Real;
  port: number;
  client: PlainClient;
  /** Sends a payload: BlockOffset and what follows it, zeros to the end. */
  payload: (offset: number, ...blocks: Uint8Array[]) => void;
}

async function session(t: Test): Promise<Session> {
  const { server, port } = await realServer(pairing);
  const client = new PlainClient(pairing.plain.client, WIRE, port);
  t.teardown(async () => {
    client.close();
    await server.tunnel.close();
  });
  await client.start();
  await until(() => client.confirmed && server.has("connected"), "the session");
  await settled(client);
  client.stop();
  const payload = (offset: number, ...blocks: Uint8Array[]) => {
    const out = Buffer.alloc(ROOM + 2);
    out.writeUInt16BE(offset);
    Buffer.concat(blocks).copy(out, 2);
    client.inject(client.channel!.sealPayload(out));
  };
  return { server, port, client, payload };
}

/** One more packet arrives, and nothing but packets like it has: whatever went before has been read by then. */
async function fence(t: Test, { server, payload }: Session): Promise<void> {
  const last = packet(40);
  for (let i = 0; i < 5; i++) payload(0, i === 0 ? last : Buffer.alloc(0));
  await until(() => server.packets.some((each) => each.equals(last)), "a packet behind it");
  t.equal(server.tunnel.state, "connected");
}

/** The first bytes of an IPv4 packet of this length, as many as fit. */
function beginning(length: number): Buffer {
  const block = Buffer.alloc(ROOM, 0x55);
  block[0] = 0x45;
  block.writeUInt16BE(length, 2);
  return block;
}

t.test("promise: malicious-peer: blocks that lie, never end, or make no sense", BUFFERED, async (t) => {
  const all = await session(t);
  const { server, payload } = all;
  const nonsense: [number, ...Uint8Array[]][] = [
    [65_535],
    [ROOM + 1, beginning(100)],
    // A block that never ends, begun again and again, and continued under every kind of wrong offset.
    ...Array.from({ length: 50 }, (): [number, Uint8Array] => [0, beginning(65_535)]),
    [65_535, Buffer.alloc(ROOM, 0x45)],
    [1, Buffer.alloc(ROOM, 0x60)],
    [0, beginning(19)],
    [0, beginning(0)],
    [0, Buffer.from([0x45, 0, 255])],
    [0, Buffer.from([0x60, 0, 0, 0, 255, 255, 17, 64])],
    ...[1, 2, 3, 5, 7, 8, 14].map((nibble): [number, Uint8Array] => [0, Buffer.alloc(ROOM, nibble << 4)]),
    // A control block of 64 KiB that is begun and left.
    [0, Buffer.from([0xf1, 255, 252]), Buffer.alloc(ROOM - 3, 1)],
  ];
  for (const [offset, ...blocks] of nonsense) payload(offset, ...blocks);
  for (let i = 0; i < 300; i++) payload(randomBytes(2).readUInt16BE(), randomBytes(ROOM));
  await fence(t, all);
  const stats = server.tunnel.stats();
  t.ok(stats.reassembly.blocksDropped > 50n, `${stats.reassembly.blocksDropped} dropped`);
  t.same(
    server.events.map(([name]) => name),
    ["connected"],
    "no error, no warning, no end",
  );
});

t.test("promise: control-flood: control blocks without end cost the peer's own slots", BUFFERED, async (t) => {
  const all = await session(t);
  const { server, payload, client } = all;
  const each = (kind: number) => Buffer.concat(Array.from({ length: Math.floor(ROOM / 3) }, () => controlBlock(kind)));
  for (const kind of [0, 1, 2, 5, 6, 9, 15]) for (let i = 0; i < 50; i++) payload(0, each(kind));
  // Rekey messages of every length but the right one, and the largest block that there is, over many slots.
  for (const kind of [1, 2]) {
    for (const length of [1, 31, 32, 47, 48, 49, 80, 96, 400]) payload(0, controlBlock(kind, randomBytes(length)));
    client.channel!.writer.push(controlBlock(kind, randomBytes(65_532)));
    while (!client.channel!.writer.empty) client.inject(client.channel!.seal(client.n));
  }
  // Echoes of what nobody asked, and challenges to a server.
  for (const kind of [CHALLENGE, ECHO]) {
    const many = Array.from({ length: Math.floor(ROOM / 11) }, () => controlBlock(kind, randomBytes(8)));
    for (let i = 0; i < 100; i++) payload(0, ...many);
  }
  // A floor that only falls, and closes that are none.
  const stamp = Buffer.alloc(6);
  for (let i = 0; i < 200; i++) payload(0, controlBlock(NEWEST_STAMP, stamp), controlBlock(CLOSE, Buffer.alloc(1)));
  await fence(t, all);
  t.notOk(server.has("error"));
  t.notOk(server.has("disconnected"));
});

t.test("promise: rekey-flood: initiations without end from the peer itself", BUFFERED, async (t) => {
  const all = await session(t);
  const { server, port, client } = all;
  const copies = 12;
  const rivals = Array.from(
    { length: copies },
    (_, index) => new PlainClient(pairing.plain.client, WIRE, port, client.stamp + 1000 + index),
  );
  for (const rival of rivals) {
    await rival.open();
    t.teardown(() => rival.close());
    for (let i = 0; i < 2 * rival.slots; i++) rival.inject(rival.nextFragment());
  }
  await fence(t, all);
  t.equal(server.tunnel.connection?.endpoint, `127.0.0.1:${client.port}`, "the session stays where it is");
  const answered = rivals.filter(({ received }) => received.length > 0);
  t.ok(answered.length <= 3, `${answered.length} of ${copies} were answered so far`);
  t.notOk(server.has("error"));
});

/** What a refused client asked for: each field alone, at its ends and past them. */
const ASKED: [string, (wire: PlainSettings) => void][] = [
  ["nothing offered", (wire) => (wire.aeads = 0)],
  ["down of 0 bytes", (wire) => (wire.down.length = 0)],
  ["down of 65,535 bytes", (wire) => (wire.down.length = 65_535)],
  ["up every 0 ns", (wire) => (wire.up.intervalNs = 0)],
  ["down every ns", (wire) => (wire.down.intervalNs = 1)],
  ["down every 292 years", (wire) => (wire.down.intervalNs = 2 ** 53 - 1)],
  ["more jitter than interval", (wire) => (wire.down.jitterNs = wire.down.intervalNs + 1)],
  ["a shape of the future", (wire) => (wire.up.shape = 255)],
  ["timeouts of nothing", (wire) => (wire.clientTimeoutMs = wire.serverTimeoutMs = 0)],
];

t.test(
  "promise: settings-at-limits: settings that make no sense are refused, and nobody else is",
  BUFFERED,
  async (t) => {
    const { server, port } = await realServer(pairing);
    t.teardown(() => server.tunnel.close());
    const accepted: string[] = [];
    for (const [name, change] of ASKED) {
      const wire = settings(500);
      change(wire);
      const client = new PlainClient(pairing.plain.client, wire, port);
      await client.open();
      const carousel = setInterval(() => client.inject(client.nextFragment()), 20);
      try {
        await until(() => client.verdict !== null, `a verdict on ${name}`);
      } finally {
        clearInterval(carousel);
        client.close();
      }
      if (client.verdict!.verdict === 0) accepted.push(name);
      t.same(client.problems, [], name);
    }
    t.same(accepted, []);
    t.notOk(server.has("connected"));
    const good = new PlainClient(pairing.plain.client, WIRE, port);
    t.teardown(() => good.close());
    await good.start();
    await until(() => good.confirmed && server.has("connected"), "a good client's session");
    t.notOk(server.has("error"));
  },
);
