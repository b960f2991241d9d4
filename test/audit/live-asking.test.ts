/** Both ends of a live audit, over a link that loses packets. */
import { EventEmitter } from "node:events";
import t from "tap";
import type { Connection } from "../../index.js";
import { answerOn, type AnsweringTunnel } from "../../lib/audit/live/answering.js";
import { Asking, type AskingTunnel } from "../../lib/audit/live/asking.js";
import { encode, type Message } from "../../lib/audit/live/messages.js";
import { packetOf } from "../../lib/audit/live/packets.js";
import { numbers } from "./simulate.js";

const wire = { length: 1500, intervalNs: 1e6, jitterNs: 0, jitterShape: "cos4" as const };
const connection: Connection = { endpoint: "192.0.2.9:1405", wire: { up: wire, down: wire }, cipher: "aes-256-gcm" };

/** One end of a link; packets come out at the other one in a later turn, but for those that are lost. */
class End extends EventEmitter {
  readonly connection = connection;
  other: End | null = null;
  written = 0;

  constructor(readonly lost: () => boolean) {
    super();
  }

  write(packet: Uint8Array): boolean {
    this.written += 1;
    if (!this.lost()) setImmediate(() => this.other?.emit("packet", packet));
    return true;
  }
}

function link(lossShare: number) {
  const next = numbers(11);
  const lost = () => next() < lossShare;
  const [client, server] = [new End(lost), new End(lost)];
  [client.other, server.other] = [server, client];
  return { client, server };
}

const asTunnel = (end: End) => end as unknown as AskingTunnel & AnsweringTunnel;

function arrive(server: End, from: number, count: number): void {
  server.emit("arrivals", {
    dropped: 0,
    receivedNs: BigUint64Array.from({ length: count }, (_, at) => BigInt((from + at) * 1000)),
    generation: new Uint32Array(count).fill(4),
    counter: Uint32Array.from({ length: count }, (_, at) => from + at),
  });
}

t.test("a stretch comes over whole, whatever is lost on the way", async (t) => {
  const { client, server } = link(0.3);
  const end = answerOn(asTunnel(server));
  const asking = new Asking(asTunnel(client), new AbortController().signal);
  t.ok(await asking.answers());
  arrive(server, 0, 50);
  await asking.start(1, "nothing", 0);
  arrive(server, 100, 700);
  server.emit("slots", {
    dropped: 0,
    deadlineNs: BigUint64Array.of(5n, 6n),
    calledNs: BigUint64Array.of(5n, 6n),
    generation: Uint32Array.of(4, 0xffffffff),
    counter: Uint32Array.of(9, 10),
    missed: Uint32Array.of(0, 3),
  });
  const done = await asking.stop(1);
  arrive(server, 5000, 50);
  t.match(done, { arrivals: 700, slots: 2, running: false });
  const { counter, timeNs } = (await asking.fetch(1, "arrivals", done.arrivals)).columns();
  t.same(
    [...counter],
    Array.from({ length: 700 }, (_, at) => 100 + at),
    "what came while it ran, in order",
  );
  t.equal(timeNs[699]! - timeNs[0]!, 699_000);
  const slots = (await asking.fetch(1, "slots", done.slots)).columns();
  t.same([...slots.generation], [4, 0xffff]);
  t.same([...slots.missed], [0, 3]);
  asking.close();
  end();
  t.equal(client.listenerCount("packet") + server.listenerCount("packet"), 0);
});

t.test("the other end sends what it is asked for, and nothing once the stretch is over", async (t) => {
  const { client, server } = link(0);
  const end = answerOn(asTunnel(server));
  const asking = new Asking(asTunnel(client), new AbortController().signal);
  await asking.start(1, "stream", 0);
  while (server.written < 2) await new Promise((resolve) => setTimeout(resolve, 10));
  await asking.stop(1);
  const after = server.written;
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.equal(server.written, after);
  end();
});

t.test("somebody who answers nothing is no auditor; a signal ends the waiting", async (t) => {
  const ended = new AbortController();
  const asking = new Asking(asTunnel(link(1).client), ended.signal);
  const asked = asking.answers();
  setTimeout(() => ended.abort(), 20);
  await t.rejects(asked, { code: "ERR_I405_ABORTED" });
  await t.rejects(asking.stop(1), { code: "ERR_I405_ABORTED" }, "and no question is asked any more");
  asking.close();
});

t.test("an answer of another version is told", async (t) => {
  const { client, server } = link(0);
  server.on("packet", () => server.write(packetOf("server", encode({ type: "welcome", version: 9 }))));
  const asking = new Asking(asTunnel(client), new AbortController().signal);
  await t.rejects(asking.answers(), { code: "ERR_I405_AUDIT_PEER", message: /version 9.*version 1/s });
});

t.test("parts that nobody asked for, or of another length, are not taken", async (t) => {
  const { client, server } = link(0);
  const say = (message: Message) => server.write(packetOf("server", encode(message)));
  const part = { type: "chunk", stretch: 1, series: "arrivals" } as const;
  let asked = 0;
  server.on("packet", () => {
    asked += 1;
    say({ ...part, first: 0, records: new Uint8Array(14) });
    say({ ...part, first: 1, records: new Uint8Array(28) });
    say({ ...part, stretch: 2, first: 0, records: new Uint8Array(28) });
    say({ ...part, series: "slots", first: 0, records: new Uint8Array(28) });
    if (asked > 1) say({ ...part, first: 0, records: new Uint8Array(28).fill(1) });
  });
  const asking = new Asking(asTunnel(client), new AbortController().signal);
  const { counter } = (await asking.fetch(1, "arrivals", 2)).columns();
  t.equal(asked, 2, "it asked again");
  t.same([...counter], [0x01010101, 0x01010101]);
});

t.test("an end asks another pattern's stretch to stop without harm, and hears nothing of it", async (t) => {
  const { client, server } = link(0);
  const end = answerOn(asTunnel(server));
  const asking = new Asking(asTunnel(client), new AbortController().signal);
  await asking.start(7, "nothing", 0);
  client.write(packetOf("client", encode({ type: "stop", stretch: 6 })));
  client.write(packetOf("client", encode({ type: "get", stretch: 7, series: "slots", each: 1, firsts: [0] })));
  client.write(packetOf("client", Uint8Array.of(250, 1, 2, 3)));
  const done = await asking.stop(7);
  t.match(done, { stretch: 7, running: false });
  end();
});
