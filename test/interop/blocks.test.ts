/** AGGFRAG payloads and counters on the wire: what a plain client does to the real server, datagram by datagram. */
import t, { type Test } from "tap";
import { CHALLENGE, CLOSE, controlBlock, ECHO, NEWEST_STAMP } from "../../lab/plain/aggfrag.js";
import type { Channel } from "../../lab/plain/channel.js";
import { PlainClient } from "../../lab/plain/client.js";
import { keyPairing, packet, realServer, settings, settled, until, type Real } from "./ends.js";

t.setTimeout(300_000);

const pairing = keyPairing(true);
/** 50 bytes of blocks in each payload. */
const SMALL = settings(100);
const ROOM = 50;

interface Session {
  server: Real;
  client: PlainClient;
  channel: Channel;
  /** Sends one payload: BlockOffset and what follows it, zeros to the end. */
  payload: (offset: number, ...blocks: Buffer[]) => void;
  /** Everything that the writer holds. */
  flush: () => void;
}

async function session(t: Test): Promise<Session> {
  const { server, port } = await realServer(pairing);
  const client = new PlainClient(pairing.plain.client, SMALL, port);
  await client.start();
  t.teardown(async () => {
    client.close();
    await server.tunnel.close();
  });
  await until(() => client.confirmed && server.has("connected"), "the session");
  await settled(client);
  client.stop();
  const channel = client.channel!;
  const payload = (offset: number, ...blocks: Buffer[]) => {
    const out = Buffer.alloc(ROOM + 2);
    out.writeUInt16BE(offset);
    Buffer.concat(blocks).copy(out, 2);
    client.inject(channel.sealPayload(out));
  };
  const flush = () => {
    while (!channel.writer.empty) client.inject(channel.seal(client.n));
  };
  return { server, client, channel, payload, flush };
}

/** Sends one more packet and waits for it: whatever went before has been read by then. */
async function fence({ server, client, channel }: Session): Promise<void> {
  const last = packet(21);
  channel.writer.push(last);
  // Later payloads, so that nothing waits for one that is missing.
  for (let i = 0; i < 5; i++) client.inject(channel.seal(client.n));
  await until(() => server.packets.some((each) => each.equals(last)), "the fence");
  t.same(server.packets.pop(), last);
}

t.test("control blocks that are unknown, or known of another length, are skipped", async (t) => {
  const all = await session(t);
  const packets: Buffer[] = [];
  const odd = [
    controlBlock(0, Buffer.alloc(3)),
    // Challenges, which only a server makes, and echoes that are none.
    ...[0, 7, 8, 9].map((length) => controlBlock(CHALLENGE, Buffer.alloc(length, 0x45))),
    ...[0, 7, 8, 9].map((length) => controlBlock(ECHO, Buffer.alloc(length, 0x60))),
    controlBlock(7, Buffer.alloc(8)),
    controlBlock(15, Buffer.alloc(300, 0x45)),
    controlBlock(1, Buffer.alloc(7)),
    controlBlock(2, Buffer.alloc(1)),
    controlBlock(NEWEST_STAMP, Buffer.alloc(5, 255)),
    controlBlock(NEWEST_STAMP, Buffer.alloc(7, 255)),
    controlBlock(CLOSE, Buffer.alloc(1)),
  ];
  for (const block of odd) {
    all.channel.writer.push(block);
    packets.push(packet(60));
    all.channel.writer.push(packets.at(-1)!);
  }
  all.flush();
  await fence(all);
  t.same(all.server.packets, packets);
  t.equal(all.server.tunnel.state, "connected", "none of them closed it");
});

t.test("a block shorter than its own header, or an unknown nibble: the rest of the payload is ignored", async (t) => {
  const all = await session(t);
  const wrong = [Buffer.from([0x10]), Buffer.from([0x70, 0, 0, 20]), Buffer.from([0xe3, 0, 0]), Buffer.alloc(20, 0x45)];
  // An IPv4 packet of 19 bytes.
  wrong[3]!.writeUInt16BE(19, 2);
  const [before, kept] = [packet(22), packet(24)];
  for (const block of wrong) {
    all.payload(0, before, block, packet(20));
    all.payload(0, kept);
  }
  await fence(all);
  t.same(all.server.packets, Array(wrong.length).fill([before, kept]).flat());
});

t.test("a BlockOffset that disagrees with what is missing: that block is dropped, reading resumes there", async (t) => {
  const all = await session(t);
  const [broken, kept, last] = [packet(80), packet(30), packet(40)];
  // 30 bytes are missing.
  for (const offset of [0, 10, 29]) {
    all.payload(0, broken.subarray(0, ROOM));
    all.payload(offset, Buffer.alloc(offset), kept);
    if (offset + kept.length > ROOM) all.payload(offset + kept.length - ROOM, kept.subarray(ROOM - offset), last);
    else all.payload(0, last);
  }
  // Beyond the end of this payload and into the next.
  all.payload(0, broken.subarray(0, ROOM));
  all.payload(ROOM + 5, Buffer.alloc(ROOM, 0x45));
  all.payload(5, Buffer.alloc(5, 0x45), kept);
  await fence(all);
  t.same(all.server.packets, [kept, last, kept, last, kept, last, kept]);
});

t.test("length fields may be split between slots, wherever", async (t) => {
  const all = await session(t);
  const up: Buffer[] = [];
  for (let left = 1; left <= 7; left++) {
    for (const version of [4, 6] as const) {
      up.push(packet(ROOM - left), packet(90 + left, version));
      all.channel.writer.push(up.at(-2)!);
      all.channel.writer.push(up.at(-1)!);
      all.flush();
      all.channel.writer.push(up.at(-2)!);
      all.channel.writer.push(controlBlock(9, Buffer.alloc(70)));
      all.channel.writer.push(up.at(-1)!);
      all.flush();
      up.push(up.at(-2)!, up.at(-1)!);
    }
  }
  await fence(all);
  t.same(all.server.packets, up);

  const down: Buffer[] = [];
  for (let length = 20; length < 90; length++) down.push(packet(length), packet(length + 25, 6));
  for (const each of down) await all.server.write(each);
  await until(() => all.channel.reader.packets.length >= down.length, "packets down");
  t.same(all.channel.reader.packets, down);
  t.equal(all.channel.reader.faults, 0);
});

t.test("one lost datagram costs only the packets that it touched", async (t) => {
  const all = await session(t);
  const packets = [packet(130), packet(130), packet(130), packet(130)];
  for (const each of packets) all.channel.writer.push(each);
  const datagrams: Buffer[] = [];
  while (!all.channel.writer.empty) datagrams.push(all.channel.seal(all.client.n));
  // Bytes 150 to 200 of 520: the second packet alone.
  datagrams.splice(3, 1);
  for (const each of datagrams) all.client.inject(each);
  await fence(all);
  t.same(all.server.packets, [packets[0], packets[2], packets[3]]);
  t.ok(all.server.tunnel.stats().reassembly.payloadsLost >= 1n);
});

t.test("reordered datagrams are put in order, copies are dropped", async (t) => {
  const all = await session(t);
  const packets = [packet(700), packet(45), packet(345, 6)];
  for (const each of packets) all.channel.writer.push(each);
  const datagrams: Buffer[] = [];
  while (!all.channel.writer.empty) datagrams.push(all.channel.seal(all.client.n));
  for (let i = 0; i + 2 < datagrams.length; i += 3) {
    const [first, second, third] = datagrams.slice(i, i + 3);
    // The first comes when two later ones are held.
    for (const each of [second, third, second, first, first]) all.client.inject(each!);
  }
  for (const each of datagrams.slice(datagrams.length - (datagrams.length % 3))) all.client.inject(each);
  await fence(all);
  t.same(all.server.packets, packets);
  const before = all.server.tunnel.stats().datagrams;
  for (const each of all.client.sent.slice(-40)) all.client.inject(each);
  await fence(all);
  t.same(all.server.packets, packets, "copies bring nothing");
  const after = all.server.tunnel.stats().datagrams;
  t.equal(after.opened - before.opened, 5n, "the fence's");
  t.equal(after.received - before.received, 45n);
});

t.test("counters: 8,191 below and 65,536 above the highest are opened, more is not", async (t) => {
  const all = await session(t);
  const { channel } = all;
  const send = (counter: number, block: Buffer) => {
    channel.counter = counter;
    all.payload(0, block);
  };
  const start = channel.counter;
  const [far, below, tooFar, tooLow, lowest] = [packet(30), packet(31), packet(32), packet(33), packet(34)];
  const highest = start + 60_000;
  send(highest, far);
  await until(() => all.server.packets.length === 1, "the one far above");
  // What is far below the highest is opened, though its payload comes too late to be waited for.
  const opened = () => all.server.tunnel.stats().datagrams.opened;
  const before = opened();
  send(highest - 8191, below);
  send(highest - 8191, lowest);
  send(highest - 8192, tooLow);
  // Silence allows for 2 x silence / 4 ms more: far from 100,000.
  send(highest + 200_000, tooFar);
  send(highest + 1, packet(35));
  await until(() => all.server.packets.some((each) => each.length === 35), "the next");
  t.equal(opened() - before, 2n);
  t.notOk(all.server.packets.some((each) => each.length === 32 || each.length === 33 || each.length === 34));
});
