/** A TUN descriptor that somebody else opened: a parent that may make interfaces hands it to a command that need not. */
import t from "tap";
import { testkit } from "../../lab/host/testkit.js";
import { pingsAnswered } from "../../lab/host/traffic.js";
import { commandOf, end, FAST, INNER, node, passwordFile, skip, Stage } from "./support.js";

t.test("--device fd:N", { skip }, async (t) => {
  const stage = new Stage(t);
  const { a, b } = stage;
  const credentials = ["--password-file", passwordFile(stage.folder)];
  const args = ["client", "--json", "--device", "fd:{fd}", "--peer", stage.endpoint, ...credentials, ...FAST];
  const client = node(a, commandOf([...args, "--no-sched-fifo"]), [testkit("with-tun"), "given0"]);
  const connecting = await client.event("connecting");
  t.match(connecting, { deviceName: null }, "whose interface it is, is not ours to say");
  // Addresses are the business of whoever made it. It is up before anything can come: a kernel speaks by itself on a link.
  a.ip(["link set given0 up mtu 1420", `address add ${INNER.client4}/24 dev given0`]);
  a.ip([`address add ${INNER.client6}/64 dev given0 nodad`]);
  const server = await stage.server();
  await Promise.all([client.event("connected"), server.event("connected")]);
  for (const to of [INNER.server4, INNER.server6]) {
    t.match(
      await pingsAnswered(a, { to, length: [84, 1400], count: 20, meanMs: 10 }),
      { received: 20, corrupt: 0 },
      to,
    );
  }
  t.match(await pingsAnswered(b, { to: INNER.client4, count: 20, meanMs: 10 }), { received: 20, corrupt: 0 });
  const { code, stats } = await end(client);
  t.equal(code, 0);
  t.match(stats.inner, { deviceErrors: 0, malformed: 0 });
  t.same(a.interfaces(), ["lo", "wire0"]);
  t.equal((await end(server)).code, 0);
});
