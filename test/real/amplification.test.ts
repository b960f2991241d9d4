/**
 * A genuine initiation that an attacker on the path kept from its server, and then sends under a forged source: it buys
 * one attempt, once. Its copies buy nothing, neither then nor from a server that was restarted.
 */
import { join } from "node:path";
import t from "tap";
import { CaptureRun, readCapture } from "../../lab/host/capture.js";
import { injectForged, Relay } from "../../lab/host/relay.js";
import { end, i405, passwordFile, PORT, seconds, skip, Stage, tunFlags } from "./support.js";

/** Who is to be flooded. */
const VICTIM = "10.201.0.77";
/** Others; answers to any of them would be on the cable. */
const MANY = "10.202.0.0/16";
const RELAY = "10.201.0.1:1500";
const INTERVAL_MS = 10;
/** attempt (docs/protocol.md): 5 s + 4 x (fragments x mean interval, both directions summed); one fragment each. */
const ATTEMPT_MS = 5000 + 4 * (INTERVAL_MS + INTERVAL_MS);
/** Half of the interval is the default jitter, so slots are at least half of it apart. */
const MOST_SLOTS = ATTEMPT_MS / (INTERVAL_MS / 2) + 1;

t.test("promise: no-amplification: an initiation under a forged source", { skip }, async (t) => {
  const stage = new Stage(t);
  const { a, b } = stage;
  a.ip([`address add ${VICTIM}/24 dev ${a.device}`, `route add local ${MANY} dev lo`]);
  b.ip([`route add ${MANY} via ${a.ipv4}`]);
  let server = await stage.server();
  const record = join(stage.folder, "kept.cap");
  const relay = await Relay.start(a, { listen: RELAY, to: stage.endpoint, record, drop: 1 });
  const interval = ["--up-packet-interval", `${INTERVAL_MS}ms`, "--down-packet-interval", `${INTERVAL_MS}ms`];
  const password = ["--password-file", passwordFile(stage.folder)];
  const flags = ["--no-sched-fifo", ...tunFlags("client"), ...password, ...interval];
  const client = i405(a, ["client", "--json", "--peer", RELAY, ...flags]);
  while ((await relay.figures()).upReceived < 100) await seconds(0.1);
  await client.stop();
  await relay.stop();
  const kept = readCapture(record).packets.filter(({ direction }) => direction === "in").length;
  t.ok(kept > 10, `${kept} datagrams were kept from the server`);

  const capture = await CaptureRun.start(a, { udpPort: PORT, snap: 0 });
  const again = (from: string, count: number) =>
    injectForged(a, { to: stage.endpoint, from, file: record, direction: "up", count, pps: 2000 });
  await again(`${VICTIM}:7777`, kept);
  await seconds(ATTEMPT_MS / 1000 + 2);
  const mark = Date.now();
  await again(`${VICTIM}:7777`, 4000);
  await again(MANY, 4000);
  await seconds(2);
  server.kill("SIGKILL");
  await server.exit;
  server = await stage.server();
  await again(`${VICTIM}:7777`, 4000);
  await seconds(2);
  const { packets, startNs } = await capture.stop();
  const out = packets.filter(({ direction, sourcePort }) => direction === "in" && sourcePort === PORT);
  const bytes = out.reduce((sum, { ipLength }) => sum + ipLength, 0);
  t.ok(out.length <= MOST_SLOTS, `${out.length} datagrams, ${bytes} bytes`);
  t.ok(out.length > 0, "the first copy does buy an attempt");
  t.same([...new Set(out.map(({ destination }) => destination))], [VICTIM]);
  const late = out.filter(({ timeNs }) => (Number(startNs) + timeNs) / 1e6 > mark);
  t.same(late, [], "none of 12,000 copies bought anything");
  const warnings = server.events.filter(({ event }) => event === "warning").map(({ code }) => code);
  t.same(warnings, ["I405_STALE_INITIATION"], "the restarted server says what these are, once");
  t.match((await end(server)).stats.slots, { sent: 0 });
});
