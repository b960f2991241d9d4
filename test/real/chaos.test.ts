/** Every trouble once: the path is spoilt or cut, strangers write, ends are stopped and killed. `bench -- soak` goes on. */
import t from "tap";
import { chaos, RELAY_PORT, TROUBLES } from "../../lab/host/chaos.js";
import { i405, INNER, passwordFile, skip, Stage, tunFlags } from "./support.js";

t.test("traffic is back after each trouble, and nothing comes twice or damaged", { skip }, async (t) => {
  const interval = "4ms";
  const wire = ["--up-packet-interval", interval, "--down-packet-interval", interval];
  const timeouts = ["--client-timeout", "1s", "--server-timeout", "1s"];
  const stage = new Stage(t);
  const { pair } = stage;
  const peer = `${pair.b.ipv4}:${RELAY_PORT}`;
  const secret = ["--password-file", passwordFile(stage.folder)];
  const own = ["--no-sched-fifo", ...tunFlags("client")];
  const names = Object.keys(TROUBLES);
  const { troubles, up, down } = await chaos(
    {
      pair,
      server: stage.endpoint,
      inner: { client: INNER.client4, server: INNER.server4 },
      timeoutS: 1,
      length: 1500,
      pps: 100,
      seconds: 600,
      seed: 405,
      patienceS: 60,
      startServer: () => stage.server(),
      startClient: () => i405(pair.a, ["client", "--json", "--peer", peer, ...own, ...secret, ...wire, ...timeouts]),
    },
    names.length,
    ({ name }) => t.pass(`back after: ${name}`),
  );
  t.same(troubles.map(({ name }) => name).sort(), names.sort());
  for (const received of [up, down]) {
    t.match(received, { duplicates: 0, corrupt: 0 });
    t.ok(received.distinct > 0);
  }
});
