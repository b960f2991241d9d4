/** The packet device: stream, iterator, back-pressure, what is dropped. */
import { once } from "node:events";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import t from "tap";
import { MOST_WAITING_BYTES } from "../../lib/tunnel/packet-queue.js";
import { Tunnel } from "../../lib/tunnel/tunnel.js";
import { turn } from "../../lab/fake/addon.js";
import { innerPacket, LISTEN, Pair } from "../../lab/fake/tunnel-pair.js";

/** Lets time pass until the promise is settled. */
async function within<Value>(pair: Pair, promise: Promise<Value>): Promise<Value> {
  let settled = false;
  const done = promise.finally(() => (settled = true));
  done.catch(() => undefined);
  await pair.simulation.time.until(() => settled, 60_000);
  return done;
}

t.test("write returns false when the queue is full, and drain follows", async (t) => {
  const pair = new Pair();
  await pair.up();
  // 50 ms are five slots of 450 bytes.
  let taken = 0;
  while (pair.client.write(innerPacket(450, taken))) taken += 1;
  t.equal(taken, 5);
  const received: Uint8Array[] = [];
  pair.server.on("packet", (packet) => received.push(packet));
  await within(pair, once(pair.client, "drain"));
  t.equal(pair.client.write(innerPacket(450, taken)), true);
  await pair.simulation.time.pass(500);
  t.same(
    received.map((packet) => packet.at(-1)),
    [0, 1, 2, 3, 4, 5],
    "what was refused was not sent",
  );
  await pair.down();
});

t.test("a stream is pushed back, and loses nothing", async (t) => {
  const pair = new Pair();
  await pair.up();
  t.equal(pair.client.stream(), pair.client.stream());
  const received: Uint8Array[] = [];
  pair.server.on("packet", (packet) => received.push(packet));
  let made = 0;
  function* packets() {
    for (; made < 200; made += 1) yield innerPacket(400, made);
  }
  const sending = pipeline(Readable.from(packets(), { highWaterMark: 1 }), pair.client.stream(), { end: false });
  await pair.simulation.time.pass(300);
  t.ok(made < 100, "not read faster than the slots take it");
  await within(pair, sending);
  await pair.simulation.time.pass(500);
  t.same(
    received.map((packet) => packet.at(-1)),
    Array.from({ length: 200 }, (_, index) => index),
  );
  t.equal(pair.client.state, "connected");
  await pair.down();
});

t.test("a stream may be written to before its tunnel is open", async (t) => {
  const pair = new Pair();
  pair.client.stream().write(innerPacket(60, 7));
  const received = once(pair.server, "packet");
  await pair.up();
  const [packet] = (await within(pair, received)) as [Uint8Array];
  t.same(packet, innerPacket(60, 7));
  await pair.down();
});

t.test("a stream reads packets, ends with the tunnel, and leaves it open when it ends itself", async (t) => {
  const pair = new Pair();
  await pair.up();
  const stream = pair.server.stream();
  const read: Uint8Array[] = [];
  stream.on("data", (packet: Uint8Array) => read.push(packet));
  pair.client.write(innerPacket(60, 1));
  pair.client.write(innerPacket(61, 2));
  await pair.simulation.time.pass(200);
  t.same(read, [innerPacket(60, 1), innerPacket(61, 2)], "one packet a chunk");
  stream.end();
  pair.client.stream().destroy();
  await pair.simulation.time.pass(200);
  t.equal(pair.server.state, "connected");
  t.equal(pair.client.state, "connected");
  const ended = once(stream, "end");
  await pair.down();
  await ended;
});

t.test("a reader that is too slow loses the oldest packets, by time, and they are counted", async (t) => {
  const pair = new Pair({ readerQueue: "30ms" });
  await pair.up();
  const [stream, iterator] = [pair.server.stream(), pair.server[Symbol.asyncIterator]()];
  // One packet every 10 ms for two seconds, and nobody reads.
  for (let mark = 0; mark < 200; mark += 1) {
    pair.simulation.tunnels[0]?.emit({ type: "packets", packets: [innerPacket(60, mark)] });
    await pair.simulation.time.pass(10);
  }
  t.ok(pair.server.stats().inner.readerDrops >= 2n * 195n, "both dropped all but the last 30 ms");
  const read: Uint8Array[] = [];
  stream.on("data", (packet: Uint8Array) => read.push(packet));
  await turn();
  t.same(
    read.map((packet) => packet.at(-1)),
    [197, 198, 199],
    "what comes out is not older than that",
  );
  for (const mark of [197, 198, 199]) t.equal((await iterator.next()).value?.at(-1), mark);
  t.equal(pair.server.stats().inner.readerDrops, 2n * 197n, "each of them is counted, once for each reader");
  await pair.down();
});

t.test("whatever the time, not more than so many bytes wait for a reader", async (t) => {
  const pair = new Pair({ readerQueue: "10s" });
  await pair.up();
  const iterator = pair.server[Symbol.asyncIterator]();
  const length = 60_000;
  const fit = Math.floor(MOST_WAITING_BYTES / length);
  const packet = innerPacket(length);
  pair.simulation.tunnels[0]?.emit({ type: "packets", packets: Array.from({ length: fit + 7 }, () => packet) });
  await pair.simulation.time.pass(10);
  t.equal(pair.server.stats().inner.readerDrops, 7n);
  await iterator.return?.();
  await pair.down();
});

t.test("for await takes packets and ends with the tunnel", async (t) => {
  const pair = new Pair();
  await pair.up();
  const marks: (number | undefined)[] = [];
  const reading = (async () => {
    for await (const packet of pair.server) marks.push(packet.at(-1));
  })();
  for (const mark of [1, 2, 3]) {
    pair.client.write(innerPacket(60, mark));
    await pair.simulation.time.pass(100);
  }
  t.same(marks, [1, 2, 3]);
  await pair.down();
  await reading;
});

t.test("an iterator: independent of others, and left with break", async (t) => {
  const pair = new Pair();
  await pair.up();
  const server = pair.simulation.tunnels[0];
  const [first, second] = [pair.server[Symbol.asyncIterator](), pair.server[Symbol.asyncIterator]()];
  server?.emit({ type: "packets", packets: [innerPacket(60, 1), innerPacket(60, 2)] });
  await pair.simulation.time.pass(10);
  const taken = (await first.next()).value as Uint8Array;
  t.same(taken, innerPacket(60, 1));
  taken.fill(0);
  t.same((await second.next()).value, innerPacket(60, 1), "each has bytes of its own");
  await first.next();
  const waiting = [first.next(), first.next()];
  await first.return?.();
  t.same(await Promise.all(waiting), [
    { done: true, value: undefined },
    { done: true, value: undefined },
  ]);
  t.equal((await first.next()).done, true);
  await pair.simulation.time.pass(100);
  server?.emit({ type: "packets", packets: [innerPacket(60)] });
  await pair.simulation.time.pass(10);
  t.equal(pair.server.stats().inner.readerDrops, 1n, "the one that was left counts no more");
  await pair.down();
});

t.test("a fatal error reaches a loop that waits, and only that", async (t) => {
  const pair = new Pair();
  await pair.up();
  const reading = (async () => {
    for await (const packet of pair.server) t.fail(`no packet was sent, and one came: ${packet.length} bytes`);
  })();
  const failed = t.rejects(reading, { code: "ERR_I405_THREAD" });
  await turn();
  pair.simulation.tunnels[0]?.emit({ type: "failed", code: "ERR_I405_THREAD", detail: "gone" });
  await pair.simulation.time.pass(50);
  await failed;
  await t.resolves(pair.server.close(), "it was told");
  await pair.down();
});

t.test("a fatal error destroys the stream without ending the program", async (t) => {
  const pair = new Pair();
  await pair.up();
  const stream = pair.server.stream();
  pair.simulation.tunnels[0]?.emit({ type: "failed", code: "ERR_I405_THREAD", detail: "gone" });
  await pair.simulation.time.pass(50);
  t.equal(stream.destroyed, true);
  await t.rejects(pair.server.close(), { code: "ERR_I405_THREAD" }, "nobody was told");
  await pair.down();
});

t.test("closing with packets that still wait to be written doesn't end the program", async (t) => {
  const pair = new Pair();
  await pair.up();
  const stream = pair.client.stream();
  for (let mark = 0; mark < 30; mark += 1) stream.write(innerPacket(450, mark));
  await pair.simulation.time.pass(20);
  t.ok(stream.writableLength > 0);
  const finished = once(stream, "finish");
  await pair.down();
  await finished;
  t.equal(pair.client.state, "closed");
});

t.test("after the end: a stream is ended, a loop ends at once", async (t) => {
  const pair = new Pair();
  const idle = new Tunnel({}, pair.simulation.parts());
  await idle.listen(LISTEN);
  const closing = idle.close();
  await pair.simulation.time.pass(10);
  await closing;
  t.equal((await idle[Symbol.asyncIterator]().next()).done, true);
  const stream = idle.stream();
  stream.resume();
  await once(stream, "end");
  t.equal(stream.writable, false);
});
