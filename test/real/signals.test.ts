/** Signals: every poll mode closes properly and leaves no interface; a second signal ends at once. */
import { constants } from "node:os";
import t from "tap";
import { pingsAnswered } from "../../lab/host/traffic.js";
import { end, INNER, seconds, skip, Stage } from "./support.js";

/** A second is promised. Far from it, a machine that does much else ends in time, and what waits for a timeout doesn't. */
const LONGEST_MS = 30_000;
const TIMEOUTS = ["--client-timeout", "2min", "--server-timeout", "2min"];

for (const mode of ["sleepy", "dozy", "spinny"]) {
  t.test(`SIGTERM and SIGINT in ${mode}`, { skip }, async (t) => {
    const own = ["--poll-mode", mode];
    const wire = ["--up-packet-interval", "2ms", "--down-packet-interval", "2ms"];
    const stage = new Stage(t, { client: [...wire, ...TIMEOUTS, ...own], server: own });
    const { server, client } = await stage.connect();
    t.match(await pingsAnswered(stage.a, { to: INNER.server4, count: 10, meanMs: 10 }), { received: 10, corrupt: 0 });
    const disconnected = server.event<{ reason: string }>("disconnected");
    const ended = await end(client, "SIGTERM");
    t.equal((await disconnected).reason, "peerClosed", "the server was told");
    const serverEnded = await end(server, "SIGINT");
    for (const [name, place, { code, signal, ms }] of [
      ["client", stage.a, ended],
      ["server", stage.b, serverEnded],
    ] as const) {
      t.same([code, signal], [0, null], name);
      t.ok(ms < LONGEST_MS, `${name} took ${ms.toFixed(0)} ms`);
      t.same(place.interfaces(), ["lo", "wire0"], "its interface is gone");
    }
    t.equal(client.stderr + server.stderr, "");
  });
}

t.test("SIGTERM before there is a session, and before there is anything", { skip }, async (t) => {
  const stage = new Stage(t);
  const client = stage.client();
  await client.event("connecting");
  t.match(await end(client), { code: 0, signal: null });
  const server = await stage.server();
  t.match(await end(server), { code: 0, signal: null });
  for (const place of [stage.a, stage.b]) t.same(place.interfaces(), ["lo", "wire0"]);
});

t.test("a second signal ends a tunnel that lingers", { skip }, async (t) => {
  const stage = new Stage(t, { server: ["--linger", "10min"] });
  const { server, client } = await stage.connect();
  server.kill("SIGTERM");
  await client.event("disconnected");
  await seconds(0.5);
  t.ok(server.running, "it lingers");
  server.kill("SIGINT");
  t.match(await server.exit, { code: 128 + constants.signals.SIGINT });
  t.same(stage.b.interfaces(), ["lo", "wire0"]);
  t.match(await end(client), { code: 0 });
});
