/**
 * Whom a server believes, with somebody on the way: who copies what the client sends, ahead of it and under several
 * sources, who forges, and a NAT that forgets. He passes the genuine datagrams on, later, and relays nothing of his own.
 */
import t, { type Test } from "tap";
import { CaptureRun, type WirePacket } from "../../lab/host/capture.js";
import { Relay } from "../../lab/host/relay.js";
import { pingsAnswered } from "../../lab/host/traffic.js";
import { end, INNER, PORT, seconds, skip, Stage } from "./support.js";

const RELAY = "10.201.0.1:1500";
const WIRE = ["--up-packet-interval", "10ms", "--down-packet-interval", "10ms"];
const [COPIER, SECOND, VICTIM] = ["10.201.0.66:6666", "10.201.0.67:6667", "10.201.0.77:7777"];
/** Challenges to one source, and to all together, in 10 s. */
const EACH = 16;
const TOGETHER = 32;

function stageOf(t: Test): Stage {
  const stage = new Stage(t, { client: WIRE, peer: RELAY });
  for (const each of [COPIER, SECOND, VICTIM]) {
    stage.a.ip([`address add ${each.split(":")[0]!}/24 dev ${stage.a.device}`]);
  }
  return stage;
}

const ping = (stage: Stage, count = 20) =>
  pingsAnswered(stage.a, { to: INNER.server4, length: 100, count, meanMs: 20, timeoutMs: 3000 });

/** What came out of the server for a source, after a time of CLOCK_REALTIME if one is given. */
function got(packets: readonly WirePacket[], startNs: bigint, to: string, afterMs = 0): number {
  const after = (packet: WirePacket) => (Number(startNs) + packet.timeNs) / 1e6 > afterMs;
  return packets.filter((each) => `${each.destination}:${each.destinationPort}` === to && after(each)).length;
}

t.test("promise: not-drawn-away, source-believed, no-amplification: copies ahead of a client", { skip }, async (t) => {
  const stage = stageOf(t);
  const relay = await Relay.start(stage.a, { listen: RELAY, to: stage.endpoint, copies: [COPIER, SECOND] });
  await relay.set("up", { delayMs: 10 });
  const capture = await CaptureRun.start(stage.a, { udpPort: PORT, snap: 0, incoming: true });
  const startMs = performance.now();
  const { server, client } = await stage.connect();
  t.match(await ping(stage), { received: 20, corrupt: 0 }, "from the first datagram on");
  // Settled.
  const settledMs = Date.now();
  const { local } = await relay.figures();
  for (const delayMs of [3, 200]) {
    await relay.set("up", { delayMs });
    t.match(await ping(stage), { received: 20, corrupt: 0 }, `copies ${delayMs} ms ahead`);
  }
  t.notOk(server.events.some(({ event }) => event === "roamed"));
  t.ok((await relay.figures()).copies > 200);
  // The client is gone, and what it says comes from somebody who hears nothing of it.
  await relay.copies([VICTIM]);
  await relay.set("up", { drop: 1 });
  await seconds(2);
  t.notOk(server.events.some(({ event }) => event === "roamed"));
  // And it is there again.
  await relay.copies(null);
  await relay.set("up", { drop: 0, delayMs: 0 });
  t.match(await ping(stage), { received: 20, corrupt: 0 }, "and again");
  const windows = Math.ceil((performance.now() - startMs) / 10_000) + 1;
  const { packets, startNs } = await capture.stop();
  const later = [COPIER, SECOND, VICTIM].map((each) => got(packets, startNs, each, settledMs));
  for (const [index, count] of later.entries()) t.ok(count <= EACH * windows, `source ${index}: ${count} datagrams`);
  t.ok(later.reduce((sum, count) => sum + count) <= TOGETHER * windows);
  t.ok(later[2]! > 0, "a new source is asked");
  t.ok(got(packets, startNs, local, settledMs) > 100, "the client has the stream");
  t.ok(got(packets, startNs, COPIER) > 0, "the answer to the handshake went to all");
  for (const program of [client, server]) t.equal((await end(program)).code, 0);
  await relay.stop();
});

t.test("promise: unconfirmed-ends, no-amplification: a session that is confirmed for a victim", { skip }, async (t) => {
  const stage = stageOf(t);
  const relay = await Relay.start(stage.a, { listen: RELAY, to: stage.endpoint });
  // The client has its answer so much later than the relay knows of it.
  await relay.set("down", { delayMs: 1000 });
  const capture = await CaptureRun.start(stage.a, { udpPort: PORT, snap: 0, incoming: true });
  const server = await stage.server();
  const client = stage.client();
  while ((await relay.figures()).downReceived === 0) await seconds(0.05);
  await relay.set("up", { drop: 1 });
  await relay.copies([VICTIM]);
  await client.event("connected");
  await seconds(0.5);
  await client.stop("SIGKILL");
  // attempt (docs/protocol.md): 5 s + 4 x (10 ms + 10 ms) after the first deadline; slots are at least 5 ms apart.
  await seconds(7);
  const mark = Date.now();
  await seconds(2);
  const { packets, startNs } = await capture.stop();
  const count = got(packets, startNs, VICTIM);
  t.ok(count > 0, "challenges, or the answer");
  t.ok(count <= 5080 / 5 + 1, `${count} datagrams`);
  t.same(
    packets.filter(({ timeNs }) => (Number(startNs) + timeNs) / 1e6 > mark),
    [],
    "and then the server is silent",
  );
  t.equal((await end(server)).code, 0);
  await relay.stop();
});

t.test("promise: roaming: a NAT that forgets in mid-handshake, and later", { skip }, async (t) => {
  const stage = stageOf(t);
  const server = await stage.server();
  // Before the initiation is whole, while the server waits, as the answer is out, and at the confirmation.
  for (const moments of [[1], [20], [51, 53], [55, 60, 70]]) {
    const from = server.events.length;
    const relay = await Relay.start(stage.a, { listen: RELAY, to: stage.endpoint, rebindAfter: moments });
    const client = stage.client();
    await client.event("connected");
    t.match(await ping(stage), { received: 20, corrupt: 0 }, `after ${moments.join(", ")} datagrams`);
    const { local } = await relay.figures();
    await server.until("the server's endpoint", () =>
      server.events.slice(from).find(({ event, endpoint }) => event !== "disconnected" && endpoint === local),
    );
    t.notOk(client.events.some(({ event }) => event === "silent" || event === "disconnected"));
    t.equal((await end(client)).code, 0);
    await server.event("disconnected", from);
    await relay.stop();
  }
  t.equal((await end(server)).code, 0);
});
