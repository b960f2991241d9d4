/** A client whose address changes under it, and a server that was told where its client is. */
import t from "tap";
import { CaptureRun } from "../../lab/host/capture.js";
import { pingsAnswered } from "../../lab/host/traffic.js";
import { end, INNER, PORT, seconds, skip, Stage } from "./support.js";

const MOVED = { 4: "10.201.0.9", 6: "fd00:1405::9" };

for (const family of [4, 6] as const) {
  t.test(`the client's address changes, over IPv${family}`, { skip }, async (t) => {
    const stage = new Stage(t, { family });
    const { server, client } = await stage.connect();
    const { a } = stage;
    const before = await pingsAnswered(a, { to: INNER.server4, length: 100, count: 10, meanMs: 10 });
    t.equal(before.received, 10);
    const prefix = family === 4 ? 24 : 64;
    const lines = [`address del ${family === 4 ? a.ipv4 : a.ipv6}/${prefix} dev ${a.device}`];
    a.ip([...lines, `address add ${MOVED[family]}/${prefix} dev ${a.device}${family === 6 ? " nodad" : ""}`]);
    const { endpoint } = await server.event<{ endpoint: string }>("roamed");
    t.match(endpoint, family === 4 ? /^10\.201\.0\.9:\d+$/ : /^\[fd00:1405::9\]:\d+$/);
    const after = await pingsAnswered(a, { to: INNER.server4, length: 100, count: 20, meanMs: 10 });
    t.equal(after.received, 20, "traffic both ways");
    for (const { events } of [server, client]) {
      const names = events.map(({ event }) => event);
      t.notOk(names.includes("silent") || names.includes("disconnected"), "without a handshake");
    }
    for (const program of [client, server]) t.equal((await end(program)).code, 0);
  });
}

t.test("two fixed endpoints: the server sends before its client comes and after it went", { skip }, async (t) => {
  const down = ["--down-packet-interval", "5ms", "--down-packet-length", "400"];
  const stage = new Stage(t, { client: ["--up-packet-interval", "5ms", ...down] });
  const at = `${stage.a.ipv4}:${PORT}`;
  const capture = await CaptureRun.start(stage.b, { udpPort: PORT, snap: 0 });
  const server = await stage.server(["--client", at, ...down, "--linger", "100ms..200ms"]);
  await seconds(1);
  const client = stage.client(["--local-addr", at]);
  await Promise.all([server.event("connected"), client.event("connected")]);
  t.equal((await pingsAnswered(stage.a, { to: INNER.server4, length: 100, count: 10, meanMs: 10 })).received, 10);
  t.equal((await end(client)).code, 0);
  await server.event("disconnected");
  await seconds(1);
  const { stats } = await end(server);
  const { packets } = await capture.stop();
  const sent = packets.filter(({ sourcePort, source }) => sourcePort === PORT && source === stage.b.ipv4);
  t.equal(sent.length, stats.slots.sent, "one datagram a slot, from the first on");
  t.same(
    new Set(sent.map(({ ipLength, destination }) => `${ipLength} ${destination}`)),
    new Set([`400 ${stage.a.ipv4}`]),
  );
  const came = packets.find(({ source }) => source === stage.a.ipv4)!.timeNs;
  const went = packets.findLast(({ source }) => source === stage.a.ipv4)!.timeNs;
  t.ok(sent.filter(({ timeNs }) => timeNs < came).length > 100, "before the client came");
  t.ok(sent.filter(({ timeNs }) => timeNs > went).length > 100, "and after it went");
});
