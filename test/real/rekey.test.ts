/** New keys under load, on the real thing: nothing but the keys changes. */
import t from "tap";
import { cameWhole, tcpSink, tcpSource, udpSend, udpSink } from "../../lab/host/traffic.js";
import { end, FAST, INNER, skip, Stage } from "./support.js";

/** While the client still listens; the protocol's. */
const CLOSE_SLOTS = 8;

for (const family of [4, 6] as const) {
  t.test(`promise: rekey-unseen: a rekey a second under load over IPv${family}`, { skip }, async (t) => {
    const stage = new Stage(t, { family, client: [...FAST, "--rekey-interval", "1s"] });
    const { server, client } = await stage.connect();
    // A stream that keeps the wire full downwards, so that packets are under way at every change of the key.
    const sink = await tcpSink(stage.a, { listen: `${INNER.client4}:5001` });
    const bytes = 5_000_000;
    const source = tcpSource(stage.b, { to: sink.local, bytes });
    const count = 2000;
    const load = { length: [52, 700, 1300], pps: 400, count };
    const udp = await udpSink(stage.b, { listen: `${INNER.server4}:5002`, count, seconds: 20 });
    await udpSend(stage.a, { to: udp.local, ...load });
    t.equal(cameWhole(await udp.finished(), count), "whole");
    t.match(await sink.finished(), { bytes, intact: true, reset: false });
    await source.exit;
    for (const { events } of [client, server]) {
      const names = events.map(({ event }) => event);
      const rekeys = names.filter((name) => name === "rekeyed").length;
      t.ok(rekeys >= 3, `${rekeys} rekeys`);
      t.notOk(names.includes("disconnected"));
    }
    const ended = await end(client);
    t.equal(ended.code, 0);
    const { unknown, replayed } = ended.stats.datagrams;
    t.equal(replayed, 0);
    // The server's cover after it read the close opens under nothing.
    t.ok(unknown <= CLOSE_SLOTS, `${unknown} unknown`);
    // Packets that a busy machine loses are lost with any keys: that none goes with a change of them is the simulation's.
    t.equal((await end(server)).stats.datagrams.replayed, 0);
  });
}
