/** Rekeys between a real end and a plain one, several in a row: each goes on from the session before. */
import t from "tap";
import { keyPairing, packet, passwordPairing, Real, realServer, settings, until } from "./ends.js";
import { PlainClient } from "../../lab/plain/client.js";
import { PlainServer } from "../../lab/plain/server.js";
import { CHACHA } from "../../lab/plain/wire.js";

t.setTimeout(300_000);
// Each waits far more than it works.
t.jobs = 3;

const ROUNDS = 3;

// At 120 bytes neither message of IKpsk2 leaves room for a packet, and the initiation runs over.
for (const pairing of [keyPairing(true), passwordPairing()]) {
  for (const length of [120, 500]) {
    t.test(`${pairing.name}, a plain client, ${length} bytes`, { buffered: true }, async (t) => {
      const { server, port } = await realServer(pairing);
      const client = new PlainClient(pairing.plain.client, settings(length), port);
      t.teardown(async () => {
        client.close();
        await server.tunnel.close();
      });
      await client.start();
      await until(() => client.confirmed && server.has("connected"), "a session");
      for (let round = 1; round <= ROUNDS; round += 1) {
        const before = client.channel!;
        client.beginRekey();
        await until(() => client.rekeys === round, "the response");
        t.not(client.channel, before);
        await until(() => client.channel!.counters.length > 3, "the server's data under the new key");
        const [up, down] = [packet(300), packet(300)];
        client.write(up);
        await server.write(down);
        await until(() => server.packets.length === round, "a packet up");
        await until(() => client.channel!.reader.packets.length === 1, "a packet down");
        t.same([server.packets.at(-1), client.channel!.reader.packets[0]], [up, down]);
        t.equal(client.channel!.counters[0], 0, "counters begin anew");
        t.equal(client.channel!.reader.faults, 0);
      }
      t.same(
        server.events.map(([name]) => name).filter((name) => name !== "warning"),
        ["connected", ...Array(ROUNDS).fill("rekeyed")],
      );
      t.same(client.problems, []);
    });
  }

  t.test(`${pairing.name}, a plain server`, { buffered: true }, async (t) => {
    const server = new PlainServer(pairing.plain.server, () => ({ verdict: 0, aeadId: CHACHA, limit: 0 }));
    const port = await server.open();
    const client = new Real();
    t.teardown(async () => {
      server.close();
      await client.tunnel.close();
    });
    const way = { length: 300, interval: "4ms" };
    const ends = { peer: `127.0.0.1:${port}`, ...pairing.client, up: way, down: way };
    await client.tunnel.connect({ ...ends, serverTimeout: "20s", rekeyInterval: "1s" });
    for (let round = 1; round <= ROUNDS; round += 1) {
      await until(() => server.rekeys >= round, "a rekey");
      const up = packet(700);
      await client.write(up);
      const channels = () => server.channel!.reader.packets;
      await until(() => channels().some((each) => each.equals(up)) || server.rekeys > round, "a packet up");
    }
    t.same([...new Set(client.events.map(([name]) => name))], ["connected", "rekeyed"]);
    t.same(server.problems, []);
    t.equal(server.initiations.length, 1, "one handshake");
  });
}
