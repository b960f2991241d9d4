/** Strangers who write to a server: garbage of every length and copies of genuine datagrams get no answer at all. */
import { join } from "node:path";
import t, { type Test } from "tap";
import { readCapture } from "../../lab/host/capture.js";
import type { Netns } from "../../lab/host/netns.js";
import { flags, Program } from "../../lab/host/program.js";
import { injectForged, injectGarbage, injectReplay, type Injected } from "../../lab/host/relay.js";
import { testkit } from "../../lab/host/testkit.js";
import { pingsAnswered } from "../../lab/host/traffic.js";
import { end, INNER, PORT, skip, Stage } from "./support.js";

const STRANGER = "10.201.0.99";

/** A capture whose file stays, for replaying it. */
async function record(place: Netns, file: string): Promise<() => Promise<void>> {
  const argv = [testkit("capture"), ...flags({ interface: place.device, file, udpPort: PORT })];
  const program = new Program(place, argv);
  await program.event("ready");
  return async () => {
    program.kill("SIGTERM");
    await program.event("done");
    await program.exit;
  };
}

/** Addresses that all lead to the strangers' machine, so that an answer to any of them would be on the cable. */
const MANY = "10.202.0.0/16";

/** Where the server has its client. */
function endpointOf(server: Program): string {
  return String(server.events.filter(({ event }) => event === "connected").at(-1)!.endpoint);
}

/** The same under forged sources: the client's own address and port, and many. Answers would show in the capture. */
async function pretend(t: Test, stage: Stage, file: string, peer: string): Promise<number> {
  let all = 0;
  for (const from of [peer, MANY]) {
    const options = { to: stage.endpoint, from, count: 3000, pps: 5000 };
    for (const length of [28, 60, 1500]) {
      const { sent, unsent } = await injectForged(stage.a, { ...options, length });
      t.same({ sent, unsent }, { sent: 3000, unsent: 0 }, `${length} bytes from ${from}`);
      all += sent;
    }
    // What went down, sent back up, is a reflection.
    for (const direction of ["up", "down"] as const) {
      all += (await injectForged(stage.a, { ...options, file, direction })).sent;
    }
  }
  return all;
}

/** Everything that a stranger tries; nothing may come back, not even a refusal. */
async function harass(t: Test, stage: Stage, file: string, peer: string): Promise<number> {
  const to = stage.endpoint;
  let port = 40_000;
  const options = (count: number) => ({ to, count, pps: 5000, listenMs: 300, bind: `${STRANGER}:${(port += 1)}` });
  const results: [string, Injected][] = [];
  // Exactly as long as the tunnel's own, empty, too short for anything, one off either way, beyond the MTU.
  for (const length of [1500, 28, 29, 60, 79, 1499, 1501, 9000, 60_000]) {
    results.push([`garbage of ${length} bytes`, await injectGarbage(stage.a, { ...options(1000), length })]);
  }
  for (const direction of ["up", "down"] as const) {
    const replayed = await injectReplay(stage.a, { ...options(100_000), file, direction });
    results.push([`everything that went ${direction}, once more`, replayed]);
  }
  for (const [name, { sent, answers, refused }] of results) {
    t.ok(sent >= 500, `${name}: ${sent} sent`);
    t.same({ answers, refused }, { answers: 0, refused: 0 }, `${name}: no answer`);
  }
  return results.reduce((sum, [, { sent }]) => sum + sent, await pretend(t, stage, file, peer));
}

t.test("promise: silence, quiet-logs: strangers", { skip }, async (t) => {
  const stage = new Stage(t);
  stage.a.ip([`address add ${STRANGER}/24 dev ${stage.a.device}`]);
  stage.a.ip([`route add local ${MANY} dev lo`]);
  stage.b.ip([`route add ${MANY} via ${stage.a.ipv4}`]);
  const [early, later] = ["early.cap", "later.cap"].map((name) => join(stage.folder, name)) as [string, string];
  // From before the first datagram: the initiations are in it.
  const stopRecord = await record(stage.b, early);
  const { server, client } = await stage.connect();
  const ping = () => pingsAnswered(stage.a, { to: INNER.server4, length: [84, 1400], count: 60, meanMs: 10 });
  t.match(await ping(), { received: 60, corrupt: 0 }, "before");
  await stopRecord();

  const from = [server.events.length, client.events.length];
  const watch = await record(stage.b, later);
  const pings = (async () => [await ping(), await ping(), await ping(), await ping()])();
  const sent = await harass(t, stage, early, endpointOf(server));
  for (const each of await pings) t.match(each, { received: 60, corrupt: 0, duplicates: 0 }, "while they try");
  t.match(await ping(), { received: 60, corrupt: 0 }, "after");
  const own = (program: Program, index: number) => program.events.slice(from[index]).map((event) => event.code);
  t.same(own(client, 1), [], "the client noticed nothing");
  t.same(own(server, 0), [], "and the server's user neither");

  // After two more sessions the recorded attempt is none of the newest two: its copies count as stale.
  let last = client;
  for (let index = 0; index < 2; index += 1) {
    const events = server.events.length;
    t.equal((await end(last)).code, 0);
    await server.event("disconnected", events);
    last = stage.client();
    await server.event("connected", events);
  }
  t.equal((await end(last)).code, 0);
  const again = await harass(t, stage, early, endpointOf(server));
  const warnings = server.events.filter(({ event }) => event === "warning").map((event) => event.code);
  t.same(warnings, ["I405_STALE_INITIATION"], "its user is told, once a minute, and nobody else");
  await watch();
  const { code, stats } = await end(server);
  t.equal(code, 0);
  t.ok(stats.datagrams.received >= stats.datagrams.opened);
  t.ok(stats.datagrams.unknown + stats.datagrams.overBudget + stats.datagrams.replayed > 5000, `of ${sent + again}`);
  t.ok(stats.handshake.stale > 0, "replayed initiations were known for what they are");

  const { packets } = readCapture(later);
  const out = packets.filter(({ direction }) => direction === "out");
  t.same(
    [...new Set(out.map(({ destination }) => destination))],
    [stage.a.ipv4],
    "the server talks to its client only",
  );
  t.same([...new Set(out.map(({ ipLength }) => ipLength))], [1500]);
  const genuine = packets.filter(({ direction, source }) => direction === "in" && source === stage.a.ipv4);
  t.same([...new Set(genuine.map(({ destinationPort }) => destinationPort))], [PORT]);
  t.ok(out.at(-1)!.timeNs < packets.at(-1)!.timeNs, "after its client's end it is silent");
});
