/** Whom the plain server believes: the rules by themselves, with made-up counters and times (docs/protocol.md, "Sources"). */
import t from "tap";
import { CHALLENGE, controlBlock, PayloadReader, PayloadWriter } from "../../lab/plain/aggfrag.js";
import type { Source } from "../../lab/plain/end.js";
import { Roaming, type Slot } from "../../lab/plain/roaming.js";
import { Candidates, nameOf, NonceCounts, Turns } from "../../lab/plain/sources.js";
import { packet } from "./ends.js";

const source = (port: number): Source => ({ address: "192.0.2.1", port });
const [CLIENT, OTHER, THIRD] = [source(1), source(2), source(3)];

function datagram(nonce: number): Buffer {
  const out = Buffer.alloc(60);
  out.writeUInt32BE(nonce, 4);
  return out;
}

t.test("nonces are counted by source, compared by their bits, and ties are chance", async (t) => {
  const firsts = new Set<string>();
  for (let round = 0; round < 50; round += 1) {
    const counts = new NonceCounts();
    for (let nonce = 0; nonce < 9; nonce += 1) counts.count(CLIENT, datagram(nonce));
    // Fewer, and as many bits; the same one again and again counts once.
    for (let nonce = 0; nonce < 8; nonce += 1) counts.count(OTHER, datagram(nonce));
    for (let copy = 0; copy < 100; copy += 1) counts.count(THIRD, datagram(1));
    t.same(counts.targets.map(nameOf), counts.targets.map(nameOf), "the order stays");
    t.equal(counts.targets[2], THIRD);
    firsts.add(nameOf(counts.targets[0]!));
  }
  t.equal(firsts.size, 2);
  const many = new NonceCounts();
  for (let port = 1; port <= 9; port += 1) {
    for (let nonce = 0; nonce < 2 ** port; nonce += 1) many.count(source(port), datagram(nonce));
  }
  t.same(
    many.targets.map(({ port }) => port),
    [9, 8, 7, 6],
    "four of them",
  );
});

t.test("sources take turns, and one that comes later doesn't catch up", async (t) => {
  const turns = new Turns();
  const said = (count: number, ...of: Source[]) => Array.from({ length: count }, () => turns.next(of)!.port);
  t.same(said(5, CLIENT, OTHER), [1, 2, 1, 2, 1]);
  t.same(said(6, CLIENT, OTHER, THIRD), [3, 2, 1, 3, 2, 1]);
  t.equal(turns.next([]), null);
});

t.test("candidates: those of the response, and four others, the one that confirmed among them", async (t) => {
  const candidates = new Candidates([CLIENT, OTHER]);
  for (const port of [10, 2, 11, 12, 12, 13, 13, 14, 14]) candidates.opened(source(port));
  t.same(
    candidates.all.map(({ source: { port } }) => port),
    [1, 2, 12, 13, 14, 10],
  );
  t.same(
    Array.from({ length: 7 }, () => candidates.next().source.port),
    [1, 2, 12, 13, 14, 10, 1],
  );
  const challenges = candidates.all.map(({ challenge }) => challenge.toString("hex"));
  t.equal(new Set(challenges).size, 6, "each has its own");
  t.equal(candidates.believed(Buffer.alloc(8)), null);
  t.equal(candidates.believed(candidates.all[3]!.challenge)?.port, 13);
});

/** A server's slots and a client's datagrams, with counters that rise. */
class Bench {
  readonly roaming = new Roaming(CLIENT);
  nowMs = 0;
  highest = -1;
  slots: Slot[] = [];

  /** The next datagrams; each from all of these sources, in this order. */
  data(count: number, ...from: Source[]): void {
    for (let i = 0; i < count; i += 1) {
      for (const each of from) this.copy(this.highest + (each === from[0] ? 1 : 0), each);
    }
  }

  copy(counter: number, from: Source): void {
    this.roaming.opened(from, { counter, before: this.highest, controls: [] });
    this.highest = Math.max(this.highest, counter);
  }

  /** So many slots of 1 ms: those that are no plain data of the endpoint's. */
  pass(count: number): Slot[] {
    this.slots = Array.from({ length: count }, () => this.roaming.slot((this.nowMs += 1)));
    return this.challenges;
  }

  get challenges(): Slot[] {
    return this.slots.filter(({ alone }) => alone);
  }
}

t.test("a run of eight: one challenge for each datagram, sixteen at most, every eighth slot", async (t) => {
  const bench = new Bench();
  bench.data(7, OTHER);
  t.same(bench.pass(50), [], "seven are no run");
  bench.data(1, OTHER);
  t.equal(bench.pass(1).length, 1, "at once");
  t.equal(bench.slots[0]!.to, OTHER);
  t.equal(bench.pass(7).length, 0);
  t.ok(
    bench.slots.every(({ to, challenge }) => to === CLIENT && challenge !== null),
    "the endpoint is asked as well",
  );
  t.equal(bench.pass(8 * 50).length, 7, "eight in all: one for each");
  bench.data(1000, OTHER);
  t.equal(bench.pass(8 * 50).length, 8, "and sixteen at most");
  bench.nowMs += 10_000;
  t.equal(bench.pass(8 * 50).length, 0, "what it is counted for begins anew");
  bench.data(3, OTHER);
  t.equal(bench.pass(8 * 50).length, 3);
});

t.test("a datagram of the endpoint's ends a run, copies too, but none from before it", async (t) => {
  const bench = new Bench();
  bench.data(10, CLIENT);
  bench.data(20, OTHER);
  bench.copy(9, CLIENT);
  t.equal(bench.pass(8).length, 1);
  bench.copy(10, CLIENT);
  t.equal(bench.pass(80).length, 0);
  t.ok(bench.slots.every(({ challenge }) => challenge === null));
  bench.data(20, OTHER);
  t.equal(bench.pass(80).length, 0, "not again before 10 s are over");
  bench.data(20, THIRD);
  t.equal(bench.pass(800).length, 16, "but another one is asked");
  t.ok(bench.challenges.every(({ to }) => to === THIRD));
});

t.test("four sources, 32 challenges in 10 s, in turns", async (t) => {
  const bench = new Bench();
  bench.data(50, OTHER, THIRD, source(4), source(5), source(6));
  for (const port of [2, 3, 4, 5]) bench.copy(bench.highest, source(port));
  const challenges = bench.pass(8 * 100);
  t.equal(challenges.length, 32);
  const by = (port: number) => challenges.filter(({ to }) => to.port === port);
  t.same(
    [2, 3, 4, 5, 6].map((port) => by(port).length),
    [8, 8, 8, 8, 0],
  );
  t.equal(new Set(challenges.map(({ challenge }) => challenge!.toString("hex"))).size, 4);
  bench.nowMs += 20_000;
  bench.data(1, OTHER);
  const later = bench.pass(80);
  t.same(
    [2, 3, 6].map((port) => later.filter(({ to }) => to.port === port).length),
    [0, 0, 10],
    "another one then",
  );
});

t.test("an echo: the source is the endpoint, or the endpoint is where it was", async (t) => {
  const bench = new Bench();
  bench.data(8, OTHER, THIRD);
  const [first] = bench.pass(2);
  const own = bench.slots[1]!.challenge!;
  t.notOk(bench.roaming.echo(Buffer.alloc(8)), "an unknown one");
  t.equal(bench.roaming.endpoint, CLIENT);
  t.notOk(bench.roaming.echo(own));
  t.notOk(bench.roaming.echo(first!.challenge!), "no challenge stands any more");
  bench.data(8, source(9));
  const [second] = bench.pass(20);
  bench.roaming.rekeyed();
  t.ok(bench.roaming.echo(second!.challenge!), "a rekey leaves challenges");
  t.equal(bench.roaming.endpoint.port, 9);
  t.same(bench.pass(20), []);
  bench.data(7, CLIENT);
  bench.roaming.rekeyed();
  bench.data(7, CLIENT);
  t.same(bench.pass(20), [], "and ends a run");
});

t.test("a challenge does not wait: what leaves no room for it starts again", async (t) => {
  const reader = new PayloadReader();
  const writer = new PayloadWriter();
  const every = [controlBlock(CHALLENGE, Buffer.alloc(8, 7))];
  const [long, short] = [packet(90), packet(30)];
  for (const each of [long, short]) writer.push(each);
  const payloads = [writer.next(52)];
  payloads.push(
    writer.next(52, every),
    writer.next(52, every),
    writer.next(52),
    writer.next(52),
    writer.alone(52, every),
  );
  for (const each of payloads) t.equal(each.length, 52);
  for (let i = 0; i < 4; i += 1) payloads.push(writer.next(52));
  for (const each of payloads) reader.read(each);
  t.same(reader.packets, [long, short]);
  t.equal(reader.controls.length, 3);
  t.same(payloads[1]!.readUInt16BE(0), 0);
  t.ok(
    payloads[2]!.subarray(13).every((byte) => byte === 0),
    "no block begins that would run over",
  );
});
