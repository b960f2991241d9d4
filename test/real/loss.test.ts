/** A relay drops 5 % each way: what both ends tell of it, against what the relay itself counted. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { History } from "../../lib/cli/live/history.js";
import { renderLiveLine } from "../../lib/cli/live/view.js";
import type { PlainStats } from "../../lib/cli/status/snapshot.js";
import { askStatus } from "../../lib/cli/status/client.js";
import { renderStatus } from "../../lib/cli/status/render.js";
import { Relay } from "../../lab/host/relay.js";
import { end, seconds, skip, Stage } from "./support.js";

const PORT = 1499;
const DROP = 0.05;
const MS_EACH_WAY = 10;

t.test("status, live view and the last line tell what a relay drops", { skip }, async (t) => {
  const stage = new Stage(t, { client: ["--up-packet-interval", "5ms", "--down-packet-interval", "5ms"] });
  const listen = `${stage.pair.b.ipv4}:${PORT}`;
  const relay = await Relay.start(stage.b, { listen, to: stage.endpoint, seed: 405, delayMs: MS_EACH_WAY });
  t.teardown(() => relay.program.stop());
  stage.setup.peer = listen;
  // Not the test's own folder: a socket's path has at most 107 bytes.
  const folder = mkdtempSync(join(tmpdir(), "i405-loss-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const sockets = { client: join(folder, "client.sock"), server: join(folder, "server.sock") };
  const server = await stage.server(["--status-socket", sockets.server]);
  const client = stage.client(["--status-socket", sockets.client]);
  await Promise.all([server.event("connected"), client.event("connected")]);

  // From here on no handshake is under way: what is dropped are data datagrams.
  await relay.set("both", { drop: DROP });
  await seconds(8);
  const path = async (which: "client" | "server") => {
    const answer = await askStatus(sockets[which]);
    if (answer.kind !== "snapshot") throw new Error(`no status: ${JSON.stringify(answer)}`);
    return answer.snapshot;
  };
  const during = { client: await path("client"), server: await path("server") };
  await relay.set("both", { drop: 0 });
  await seconds(3);
  const dropped = await relay.figures();
  const ends = { client: await end(client), server: await end(server) };

  for (const snapshot of Object.values(during)) {
    const { inbound, outbound, roundTrip, heardMsAgo, handshakeMsAgo } = snapshot.stats.path;
    for (const each of [inbound, outbound]) {
      t.ok(each.recentExpected > 0 && each.recentLost > 0, JSON.stringify(each));
      t.ok(each.recentLost <= each.recentExpected && each.lost <= each.expected);
    }
    t.ok(roundTrip !== null && roundTrip.leastMs >= 2 * MS_EACH_WAY, JSON.stringify(roundTrip));
    t.ok(heardMsAgo !== null && handshakeMsAgo !== null && handshakeMsAgo >= 8000);
    const history = new History();
    history.add(snapshot);
    t.match(renderLiveLine(history), /; loss \d+\.\d % in, \d+\.\d % out; round trip \d+\.\d ms/);
    const lines = renderStatus(snapshot).map((line) => (typeof line === "string" ? line : line.text));
    t.match(
      lines.join("\n"),
      /^ {2}loss in {3}\d+\.\d % in the last 10 s, .*\n {2}loss out {2}\d+\.\d % in the last 10 s/m,
    );
  }

  const stats = { client: pathOf(ends.client.stats), server: pathOf(ends.server.stats) };
  // What is neither the relay's doing nor arrived: a full buffer somewhere, on a machine that does much else.
  const elsewhere = {
    up: ends.client.stats.slots.sent - dropped.upReceived + dropped.upSent - ends.server.stats.datagrams.received,
    down: ends.server.stats.slots.sent - dropped.downReceived + dropped.downSent - ends.client.stats.datagrams.received,
  };
  const cases = [
    ["up, by the server's counters", stats.server.inbound.lost, dropped.upDropped, elsewhere.up],
    ["up, by the server's report", stats.client.outbound.lost, dropped.upDropped, elsewhere.up],
    ["down, by the client's counters", stats.client.inbound.lost, dropped.downDropped, elsewhere.down],
    ["down, by the client's report", stats.server.outbound.lost, dropped.downDropped, elsewhere.down],
  ] as const;
  for (const [which, told, byRelay, besides] of cases) {
    const text = `${which}: ${told} told, ${byRelay} dropped by the relay, ${besides} elsewhere`;
    t.comment(text);
    t.ok(byRelay > 20, text);
    t.ok(told >= byRelay && told <= byRelay + Math.max(0, besides), text);
  }
  t.match(client.lines.join("\n"), /lost on the way: [\d,]+ of [\d,]+ \(\d+\.\d %\) in, /);
});

function pathOf(stats: object): PlainStats["path"] {
  return (stats as PlainStats).path;
}
