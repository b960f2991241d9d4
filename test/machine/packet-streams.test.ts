/** What a program may do to its streams without harm to the tunnel: throw, destroy, abort, write nonsense, join and part. */
import { addAbortSignal, PassThrough, Readable, Writable, type Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import t, { type Test } from "tap";
import { turn } from "../../lab/fake/addon.js";
import { innerPacket, Pair, record } from "../../lab/fake/tunnel-pair.js";

/** What is thrown where nobody catches it, for as long as the test runs. */
function uncaught(t: Test): unknown[] {
  const caught: unknown[] = [];
  const listener = (error: unknown): void => void caught.push(error);
  process.on("uncaughtException", listener);
  t.teardown(() => process.off("uncaughtException", listener));
  return caught;
}

const marks = (packets: readonly Uint8Array[]) => packets.map((packet) => packet.at(-1));

/** A pair that is up, and a way to have its server receive packets. */
async function started() {
  const pair = new Pair();
  await pair.up();
  const receive = async (...numbers: number[]) => {
    const packets = numbers.map((number) => innerPacket(60, number));
    pair.simulation.tunnels[0]?.emit({ type: "packets", packets });
    await pair.simulation.time.pass(5);
  };
  return { pair, receive, stream: pair.server.stream() };
}

t.test("listeners of a stream that throw: each other one is told, and the tunnel goes on", async (t) => {
  const caught = uncaught(t);
  const { pair, receive, stream } = await started();
  const errors = record(pair.server);
  const heard: Uint8Array[] = [];
  const thrown = new Error("a listener's own");
  stream.on("data", () => {
    throw thrown;
  });
  stream.on("data", (packet: Uint8Array) => heard.push(packet));
  await receive(1, 2);
  await receive(3);
  t.same(marks(heard), [1, 2, 3]);
  t.same(caught, [thrown, thrown, thrown]);
  t.same([pair.server.state, stream.destroyed], ["connected", false]);
  t.same(errors, []);
  await pair.down();
});

t.test("whatever of the program's throws, it is the program's own", async (t) => {
  const caught = uncaught(t);
  const { pair, receive, stream } = await started();
  const fails = (what: string) => () => {
    throw new Error(what);
  };
  // The queue is full, so that all of these run once it has room, or the tunnel is over.
  const out = pair.client.stream();
  for (let mark = 0; mark < 12; mark += 1) out.write(innerPacket(450, mark), fails("callback"));
  out.on("drain", fails("drain"));
  stream.on("readable", fails("readable"));
  await receive(1);
  await pair.simulation.time.pass(500);
  out.on("finish", fails("finish"));
  out.on("close", fails("close"));
  out.end(fails("end"));
  await pair.simulation.time.pass(10);
  out.destroy();
  await pair.simulation.time.pass(10);
  const messages = new Set(caught.map((error) => (error as Error).message));
  t.same([...messages].sort(), ["callback", "close", "drain", "end", "finish", "readable"]);
  t.equal(caught.filter((error) => (error as Error).message === "callback").length, 12, "each callback once");
  t.same([pair.client.state, pair.server.state], ["connected", "connected"]);
  await pair.down();
});

t.test("a pipeline whose other end fails takes its stream along, and the next one is as new", async (t) => {
  const { pair, receive, stream } = await started();
  const broken = new Writable({ write: (_packet, _encoding, done) => done(new Error("full disk")), objectMode: true });
  const joined = t.rejects(pipeline(stream, broken), /full disk/);
  await receive(1);
  await joined;
  t.equal(stream.destroyed, true);
  t.equal(pair.server.state, "connected");
  const again = pair.server.stream();
  t.not(again, stream);
  t.equal(pair.server.stream(), again);
  const read: Uint8Array[] = [];
  again.on("data", (packet: Uint8Array) => read.push(packet));
  await receive(2);
  t.same(marks(read), [2]);
  t.equal(pair.server.stats().inner.readerDrops, 0n, "the old one drops nothing");
  await pair.down();
});

t.test("an aborted stream: what waited is told, and not sent", async (t) => {
  const { pair } = await started();
  const received: Uint8Array[] = [];
  pair.server.on("packet", (packet) => received.push(packet));
  const stream = pair.client.stream();
  const controller = new AbortController();
  addAbortSignal(controller.signal, stream);
  const seen: (string | undefined)[] = [];
  stream.on("error", ({ name }) => seen.push(name));
  for (let mark = 0; mark < 10; mark += 1) {
    stream.write(innerPacket(450, mark), (error) => error && seen.push(`${mark}: ${error.name}`));
  }
  // Five wait for their slots, five in the stream.
  controller.abort();
  await turn();
  t.same(seen.sort(), [
    "5: AbortError",
    "6: AbortError",
    "7: AbortError",
    "8: AbortError",
    "9: AbortError",
    "AbortError",
  ]);
  pair.client.stream().write(innerPacket(60, 99));
  await pair.simulation.time.pass(1000);
  t.same(marks(received), [0, 1, 2, 3, 4, 99]);
  await pair.down();
});

t.test("what is no packet is refused, told to who wrote it, and counted; the stream goes on", async (t) => {
  const { pair } = await started();
  const seen = record(pair.client);
  const received: Uint8Array[] = [];
  pair.server.on("packet", (packet) => received.push(packet));
  const stream = pair.client.stream();
  stream.on("error", (error) => t.fail(error.message));
  const told: (string | null | undefined)[] = [];
  const write = (packet: unknown) =>
    stream.write(packet, (error) => told.push(error && (error as NodeJS.ErrnoException).code));
  write(innerPacket(60, 1));
  write(new Uint8Array(60));
  write("text");
  write(undefined);
  write({});
  write(innerPacket(60, 2));
  stream.write(new Uint8Array(3));
  await pair.simulation.time.pass(300);
  const option = "ERR_I405_OPTION";
  t.same(told, [null, "ERR_I405_ARGUMENT", option, option, option, null]);
  t.same(marks(received), [1, 2]);
  t.equal(pair.client.stats().inner.malformed, 5n);
  t.same(
    seen.map(([name, { code }]) => [name, code]),
    [["warning", "I405_PACKET_REFUSED"]],
    "one warning for all of them",
  );
  t.equal(pair.client.stream(), stream);
  // Through a pipeline, where nobody gives callbacks, as well.
  await pipeline(Readable.from(["nonsense", innerPacket(60, 3)]), stream, { end: false });
  await pair.simulation.time.pass(100);
  t.same(marks(received), [1, 2, 3]);
  stream.end(innerPacket(60, 4));
  await pair.simulation.time.pass(100);
  t.same(marks(received), [1, 2, 3, 4], "with end as with write");
  await pair.down();
});

t.test("a packet that waits is what was written, whatever becomes of its memory", async (t) => {
  const { pair } = await started();
  const received: Uint8Array[] = [];
  pair.server.on("packet", (packet) => received.push(packet));
  const memory = innerPacket(450);
  const shared = new Uint8Array(new SharedArrayBuffer(60));
  shared.set(innerPacket(60, 77));
  const stream = pair.client.stream();
  for (let mark = 0; mark < 12; mark += 1) {
    memory[449] = mark;
    stream.write(memory);
  }
  memory.fill(0);
  stream.write(shared);
  await pair.simulation.time.pass(1000);
  t.same(marks(received), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 77]);
  t.equal(pair.client.stats().inner.malformed, 0n);
  await pair.down();
});

t.test("an ended writable half: the next stream can be written to, and this one can be read on", async (t) => {
  const { pair, receive, stream } = await started();
  const read: Uint8Array[] = [];
  stream.on("data", (packet: Uint8Array) => read.push(packet));
  stream.end();
  await receive(1);
  const second = pair.server.stream();
  t.not(second, stream);
  second.end();
  // Nobody ever read the second one: it makes room for the third without dropping anything.
  const third = pair.server.stream();
  third.on("data", () => undefined);
  await receive(2, 3);
  t.same(marks(read), [1, 2, 3]);
  t.equal(third.writable, true);
  await pair.simulation.time.pass(200);
  await receive(4);
  t.equal(pair.server.stats().inner.readerDrops, 0n);
  second.resume();
  await turn();
  t.equal(second.readableEnded, true);
  await pair.down();
});

/** Joins two tunnels as a guard does. Gives what parts them. */
function join(one: Duplex, other: Duplex): () => Promise<void> {
  const controller = new AbortController();
  const joined = pipeline(one, other, one, { signal: controller.signal });
  return async () => {
    controller.abort();
    await joined.catch(() => undefined);
  };
}

t.test("tunnels are joined and parted again and again while they run", async (t) => {
  const [near, far] = [new Pair(), new Pair()];
  await near.up();
  await far.up();
  const received: Uint8Array[] = [];
  far.server.on("packet", (packet) => received.push(packet));
  const pass = async () => {
    await near.simulation.time.pass(200);
    await far.simulation.time.pass(200);
  };
  for (let round = 0; round < 20; round += 1) {
    const part = join(near.server.stream(), far.client.stream());
    near.client.write(innerPacket(60, round));
    await pass();
    await part();
    // Nobody takes this one: it isn't counted as anybody's drop, and doesn't come later.
    near.client.write(innerPacket(60, 100 + round));
    await pass();
  }
  t.same(marks(received), [...Array(20).keys()]);
  t.same([near.server.stats().inner.readerDrops, far.client.stats().inner.readerDrops], [0n, 0n]);
  t.same([near.server.state, far.client.state], ["connected", "connected"]);
  await near.down();
  await far.down();
});

t.test("a hop that is joined to a slower one builds up no delay", async (t) => {
  // 40 packets of 450 bytes in each 10 ms in, one in each 10 ms out.
  const pair = new Pair();
  await pair.up();
  const received: Uint8Array[] = [];
  pair.server.on("packet", (packet) => received.push(packet));
  const source = new Pair();
  await source.up();
  pipeline(source.server.stream(), pair.client.stream()).catch(() => undefined);
  const wait: number[] = [];
  for (let tick = 0; tick < 100; tick += 1) {
    const packets = Array.from({ length: 40 }, () => innerPacket(450, tick));
    source.simulation.tunnels[0]?.emit({ type: "packets", packets });
    received.length = 0;
    await source.simulation.time.pass(10);
    await pair.simulation.time.pass(10);
    for (const mark of marks(received)) wait.push(tick - mark!);
  }
  t.ok(wait.length > 80, "the slower one was saturated");
  // 50 ms in the reader's queue, 50 ms in the waiting queue, two packets in the stream between them, some of the wire.
  t.ok(Math.max(...wait) <= 16, `${Math.max(...wait)} ticks of 10 ms`);
  t.ok(source.server.stats().inner.readerDrops > 3000n, "what didn't fit was dropped and counted");
  t.equal(pair.client.stats().inner.writeRefusals, 0n);
  await source.down();
  await pair.down();
});

t.test("write that returns false is counted, and the stream's own waiting isn't", async (t) => {
  const { pair } = await started();
  let refused = 0n;
  for (let mark = 0; mark < 30; mark += 1) if (!pair.client.write(innerPacket(450, mark))) refused += 1n;
  t.ok(refused > 20n);
  t.equal(pair.client.stats().inner.writeRefusals, refused);
  const stream = pair.client.stream();
  for (let mark = 0; mark < 30; mark += 1) stream.write(innerPacket(450, mark));
  await pair.simulation.time.pass(1000);
  t.equal(stream.writableLength, 0);
  t.equal(pair.client.stats().inner.writeRefusals, refused);
  await pair.down();
});

t.test("the body of a loop that throws leaves the loop, and nothing else", async (t) => {
  const { pair, receive } = await started();
  const others: Uint8Array[] = [];
  const other = (async () => {
    for await (const packet of pair.server) others.push(packet);
  })();
  const failing = t.rejects(
    (async () => {
      for await (const packet of pair.server) throw new Error(`packet ${packet.at(-1)}`);
    })(),
    /packet 1/,
  );
  await turn();
  await receive(1);
  await failing;
  await receive(2);
  t.same(marks(others), [1, 2]);
  const through = new PassThrough({ objectMode: true });
  const read: Uint8Array[] = [];
  through.on("data", (packet: Uint8Array) => read.push(packet));
  const piped = pipeline(pair.server.stream(), through);
  await receive(3);
  await pair.down();
  await Promise.all([other, piped]);
  t.same(
    [marks(others), marks(read)],
    [
      [1, 2, 3],
      [1, 2, 3],
    ],
  );
});
