/** What `stats().path` tells: losses of both directions against what the network dropped, round trip, ages. */
import t from "tap";
import type { Datagram } from "../../lab/fake/addon.js";
import { randomSource } from "../../lab/random.js";
import { Pair, SERVER } from "../../lab/fake/tunnel-pair.js";

const isData = ({ content }: Datagram) => content.type === "data" && content.key !== null;
const isUp = ({ to }: Datagram) => to === SERVER;

t.test("before anything came, nothing is claimed", async (t) => {
  const pair = new Pair();
  const nothing = { expected: 0n, lost: 0n, recentExpected: 0, recentLost: 0 };
  t.same(pair.client.stats().path, {
    ...{ inbound: nothing, outbound: nothing, roundTrip: null },
    ...{ heardMsAgo: null, reportedMsAgo: null, handshakeMsAgo: null, keysMsAgo: null },
  });
});

t.test("losses of both directions are what the network dropped, as far as later datagrams tell", async (t) => {
  const pair = new Pair();
  const { client, server, simulation } = pair;
  await pair.up();
  const random = randomSource(405);
  const dropped = { up: 0, down: 0 };
  simulation.network.lose = (datagram) => {
    const loses = isData(datagram) && random() < 0.05;
    if (loses) dropped[isUp(datagram) ? "up" : "down"] += 1;
    return loses;
  };
  await simulation.time.pass(30_000);
  simulation.network.lose = () => false;
  await simulation.time.pass(2000);
  t.ok(dropped.up > 50 && dropped.down > 50, JSON.stringify(dropped));
  const [atClient, atServer] = [client.stats().path, server.stats().path];
  t.equal(atServer.inbound.lost, BigInt(dropped.up));
  t.equal(atClient.inbound.lost, BigInt(dropped.down));
  t.equal(atClient.outbound.lost, BigInt(dropped.up), "by the server's report");
  t.equal(atServer.outbound.lost, BigInt(dropped.down));
  t.ok(atClient.outbound.expected <= atServer.inbound.expected, "a report is a little older");
  await pair.down();
});

t.test("round trip and ages; a rekey renews the keys, and a machine's sleep counts for them", async (t) => {
  const pair = new Pair();
  const { client, simulation } = pair;
  simulation.network.delayNs = 20e6;
  await pair.up({ rekeyInterval: "5s" });
  const ages = () => {
    const { roundTrip, heardMsAgo, reportedMsAgo, handshakeMsAgo, keysMsAgo } = client.stats().path;
    return { roundTrip, heardMsAgo, reportedMsAgo, handshakeMsAgo, keysMsAgo };
  };
  await simulation.time.pass(3000);
  const settled = ages();
  t.same(settled.roundTrip, { newestMs: 40, smoothedMs: 40, leastMs: 40 });
  t.ok(settled.heardMsAgo !== null && settled.heardMsAgo <= 20);
  t.ok(settled.reportedMsAgo !== null && settled.reportedMsAgo <= 1100);
  t.ok(settled.handshakeMsAgo !== null && settled.handshakeMsAgo >= 2900 && settled.handshakeMsAgo <= 3100);
  t.equal(settled.keysMsAgo, settled.handshakeMsAgo);
  await simulation.time.pass(3000);
  const rekeyed = ages();
  t.ok(rekeyed.keysMsAgo !== null && rekeyed.keysMsAgo < 2500, `${rekeyed.keysMsAgo}`);
  t.ok(rekeyed.handshakeMsAgo !== null && rekeyed.handshakeMsAgo >= 5900);
  simulation.time.suspend(50_000);
  t.equal(ages().keysMsAgo, rekeyed.keysMsAgo! + 50_000);
  simulation.network.lose = () => true;
  const heard = ages().heardMsAgo!;
  await simulation.time.pass(1000);
  t.ok(ages().heardMsAgo! >= heard + 950, "nothing comes: it ages");
  await pair.down();
  const closed = ages();
  await simulation.time.pass(5000);
  t.same(ages(), closed, "the last values stay after the close");
});
