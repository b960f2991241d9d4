/** A server that is killed and started again: the client's schedule goes on, and traffic flows again without help. */
import t from "tap";
import { CaptureRun, flows, intervals } from "../../lab/host/capture.js";
import { pingsAnswered } from "../../lab/host/traffic.js";
import { end, INNER, seconds, skip, Stage } from "./support.js";

/** Longest gap between two of the client's datagrams: far beyond a slot, well below any pause that a handshake makes. */
const LONGEST_GAP_NS = 1e9;

t.test("promise: reconnect-unseen: the server is killed and started again", { skip }, async (t) => {
  const intervalMs = 2;
  const interval = `${intervalMs}ms`;
  const wire = ["--up-packet-interval", interval, "--down-packet-interval", interval];
  const stage = new Stage(t, { client: [...wire, "--client-timeout", "1s", "--server-timeout", "1s"] });
  const capture = await CaptureRun.start(stage.a, { udpPort: 1405 });
  const { server, client } = await stage.connect();
  const ping = () =>
    pingsAnswered(stage.a, { to: INNER.server4, length: [84, 1400], count: 20, meanMs: 10, timeoutMs: 5000 });
  t.match(await ping(), { received: 20, corrupt: 0 }, "before");

  for (const round of [1, 2]) {
    const running = round === 1 ? server : again!;
    const from = client.events.length;
    running.kill("SIGKILL");
    t.match(await running.exit, { signal: "SIGKILL" });
    t.notOk(stage.b.interfaces().includes("tun0"), "its interface went with it");
    // Once before the client notices, once after.
    if (round === 2) await client.event("silent", from);
    else await seconds(0.2);
    again = await stage.server();
    await Promise.all([client.event("connected", from), again.event("connected")]);
    t.match(await ping(), { received: 20, corrupt: 0 }, `after restart ${round}`);
    const said = client.events.slice(from).map(({ event }) => event);
    t.same(
      said.filter((event) => event !== "warning"),
      ["silent", "disconnected", "connected"],
    );
  }

  const { stats } = await end(client);
  await end(again!);
  const { packets } = await capture.stop();
  const up = flows(packets.filter(({ protocol, direction }) => protocol === 17 && direction === "out"));
  t.equal(up.length, 1, "one socket all along");
  const [flow] = up;
  t.same([flow!.lengths, flow!.ttls], [[1500], [64]]);
  t.equal(flow!.packets.length, stats.slots.sent);
  const gaps = intervals(flow!.timesNs);
  t.ok(Math.max(...gaps) < LONGEST_GAP_NS, `longest gap ${(Math.max(...gaps) / 1e6).toFixed(1)} ms`);
  const elapsedMs = gaps.reduce((sum, gap) => sum + gap, 0) / 1e6;
  const slots = elapsedMs / intervalMs;
  // Slots that the machine took were missed; none was left out for the handshake's sake.
  const { sent, missed } = stats.slots;
  t.ok(sent + missed > 0.9 * slots, `${sent} slots sent and ${missed} missed of ${slots.toFixed(0)}`);
});

let again: Awaited<ReturnType<Stage["server"]>> | undefined;
