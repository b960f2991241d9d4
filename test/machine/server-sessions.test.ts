/** The server's machine alone: sessions, from their confirmation to their end. */
import t from "tap";
import type { NativeEvent } from "../../lib/native/events.js";
import { ATTEMPT_NS, CLIENT, ELSEWHERE, MS, ServerBench, wireOf } from "../../lab/fake/server-bench.js";

const down = { datagramLength: 472, intervalNs: 10e6, jitterNs: 0, shape: "cos4" };

t.test("confirmed: the client is asked where it is; believed: the session is up", async (t) => {
  const bench = new ServerBench();
  bench.initiate();
  await bench.around.time.pass(700);
  const { firstDeadlineNs } = bench.addon.inForce.schedule!;
  const endNs = firstDeadlineNs! + BigInt(ATTEMPT_NS);
  bench.addon.changes();
  bench.confirmed(1, ELSEWHERE);
  t.strictSame(bench.addon.changes(), {
    offer: null,
    asked: { generation: 1, source: ELSEWHERE },
    sending: { generation: 1, announce: null },
  });
  t.match(bench.addon.inForce, { endNs, silenceNs: null }, "its end stays, and silence is not its end");
  t.same(bench.around.reports, [], "nobody is told yet");
  bench.confirmed(1);
  t.same(bench.addon.changes(), {}, "once");
  bench.believed(1, `${CLIENT} via 192.0.2.7`);
  const { schedule, ...changes } = bench.addon.changes();
  t.same(changes, { silenceNs: 20e9, endNs: null, asked: null });
  t.equal(schedule?.endpoint, `${CLIENT} via 192.0.2.7`);
  const connection = { endpoint: CLIENT, wire: wireOf(), cipher: "aes-256-gcm" };
  t.same(bench.around.reports, [["connected", connection]]);
  await bench.around.time.pass(30_000);
  t.same(bench.addon.changes(), {});
  bench.scheduleEnded();
  t.match(bench.addon.inForce, { schedule: down, endNs: null }, "no end that was planned before comes through");
});

t.test("promise: unconfirmed-ends: confirmed, and nothing comes back: it ends with the attempt", async (t) => {
  const bench = new ServerBench();
  bench.initiate();
  await bench.around.time.pass(700);
  bench.confirmed(1);
  await bench.around.time.pass(6000);
  t.same([bench.addon.inForce.installed, bench.addon.inForce.sending], [[], null]);
  t.same(bench.around.reports, [["warning", "I405_NOT_BELIEVED"]]);
  bench.believed(1);
  t.equal(bench.addon.inForce.endNs, 0n, "an echo that comes too late has its end taken back again");
  bench.scheduleEnded();
  t.same(bench.around.reports.slice(1), []);
});

t.test("a client that was not believed to be anywhere gets no cover after its close", async (t) => {
  const bench = new ServerBench(5e9);
  bench.initiate();
  await bench.around.time.pass(700);
  bench.confirmed(1);
  bench.control(1, 4, new Uint8Array(0));
  const { endNs } = bench.addon.inForce;
  t.ok(endNs !== null && endNs <= bench.now, "no linger");
  t.same(bench.around.reports, []);
});

t.test("a session is replaced when the new one is believed, or ends with it", async (t) => {
  for (const believed of [true, false]) {
    const bench = new ServerBench();
    await bench.connect();
    bench.initiate(ELSEWHERE.replace("2", "1"));
    await bench.around.time.pass(700);
    t.equal(bench.addon.inForce.silenceNs, 20e9);
    bench.confirmed(2);
    t.equal(bench.addon.inForce.silenceNs, null, "the attempt has its own end");
    t.same(bench.around.reports, []);
    if (believed) bench.believed(2);
    else await bench.around.time.pass(7000);
    const names = bench.around.reports.map(([name, value]) => (name === "connected" ? name : `${name} ${value}`));
    t.same(
      names,
      believed ? ["disconnected replaced", "connected"] : ["disconnected replaced", "warning I405_NOT_BELIEVED"],
    );
  }
});

t.test("beside a session that is alive, the answer takes every eighth slot", async (t) => {
  const bench = new ServerBench();
  await bench.connect();
  await bench.traffic(500);
  const stamp = bench.initiate();
  const answer = { kind: 2, version: 1, stamp, message: Uint8Array.of(0), endpoint: CLIENT };
  t.same(bench.addon.changes(), { installed: [1, 2], offer: { ...answer, every: 8 } });
  await bench.traffic(1500);
  t.same(bench.addon.changes(), {}, "still alive");
  await bench.around.time.pass(2100);
  t.same(bench.addon.changes(), { offer: { ...answer, every: 1 } }, "alive no longer");
});

t.test("an attempt beside a session is given up without the schedule", async (t) => {
  const bench = new ServerBench();
  await bench.connect();
  bench.initiate();
  t.equal(bench.addon.inForce.endNs, null);
  t.not(bench.addon.inForce.offer, null);
  t.same(bench.addon.changes().installed, [1, 2]);
  await bench.traffic(8000);
  t.same(bench.addon.changes(), { installed: [1], offer: null });
  t.same(bench.around.reports, []);
});

t.test("at another length the answer takes every slot, because the session's client opens nothing there", async (t) => {
  const bench = new ServerBench();
  await bench.connect();
  bench.settings = { ...bench.settings, wire: wireOf(10e6, 600) };
  bench.initiate();
  const { installed, schedule, offer } = bench.addon.changes();
  t.match(
    { installed, schedule, offer },
    { installed: [1, 2], schedule: { datagramLength: 572 }, offer: { every: 1 } },
  );
  await bench.traffic(5000);
  t.same(bench.addon.changes(), {}, "from its first slot on");
});

t.test("an attempt on other settings in vain: the session has its own schedule again", async (t) => {
  const longer = wireOf(10e6, 600);
  const theirs = { ...down, datagramLength: 572, shape: "cos4" } as const;
  for (const ownStart of [null, { timing: theirs, endpoint: ELSEWHERE }]) {
    const bench = new ServerBench(0, 3, ownStart);
    await bench.connect();
    bench.settings = { ...bench.settings, wire: longer };
    bench.initiate("198.51.100.3:7000");
    const { schedule, endNs } = bench.addon.inForce;
    t.equal(endNs, schedule!.firstDeadlineNs! + BigInt(ATTEMPT_NS), "an end, in any case");
    await bench.traffic(6600);
    bench.scheduleEnded();
    t.match(bench.addon.inForce, {
      schedule: { ...down, endpoint: CLIENT },
      endNs: null,
      installed: [1],
      offer: null,
    });
    const pauseNs = bench.addon.inForce.schedule!.firstDeadlineNs! - endNs!;
    const { intervalNs, jitterNs } = down;
    t.ok(Math.abs(Number(pauseNs) - 500e6 - intervalNs) <= jitterNs, "from the planned end, whenever it is heard of");
    t.same(bench.around.reports, [], "nobody has to know");
  }
});

t.test("an attempt on other settings in vain, beside a session that is silent: both are over", async (t) => {
  const bench = new ServerBench();
  await bench.connect();
  bench.settings = { ...bench.settings, wire: wireOf(10e6, 600) };
  bench.initiate();
  await bench.around.time.pass(6600);
  bench.machine.handle({ type: "silent", forNs: 20_000_000_000n });
  bench.scheduleEnded();
  t.equal(bench.addon.inForce.schedule, null);
  t.same(bench.around.reports.at(-1), ["disconnected", "silent"]);
});

t.test("a new session replaces the old one, whose key opens for a while", async (t) => {
  const bench = new ServerBench();
  await bench.connect();
  bench.initiate();
  bench.opened(2);
  t.same(
    bench.around.reports.map(([name]) => name),
    ["disconnected", "connected"],
  );
  t.equal(bench.around.reports[0]?.[1], "replaced");
  await bench.around.time.pass(9_999);
  t.same(bench.addon.inForce.installed, [1, 2]);
  await bench.around.time.pass(2);
  t.same(bench.addon.inForce.installed, [2]);
});

t.test("silence: linger, then the schedule ends and it listens again", async (t) => {
  const bench = new ServerBench(3e9);
  await bench.connect();
  bench.machine.handle({ type: "silent", forNs: 20_000n * MS });
  t.same(bench.addon.changes(), { endNs: bench.now + 3000n * MS });
  t.same(bench.around.reports.splice(0), [["silent", 20_000]]);
  await bench.around.time.pass(3000);
  bench.scheduleEnded();
  t.strictSame(bench.addon.changes(), { schedule: null, endNs: null, installed: [], sending: null, silenceNs: null });
  t.same(bench.around.reports.splice(0), [["disconnected", "silent"]]);
  t.same(bench.machine.stop(), { timing: null, session: false });
});

t.test("silence: heard again before the end", async (t) => {
  const bench = new ServerBench(3e9);
  await bench.connect();
  bench.machine.handle({ type: "silent", forNs: 20_000n * MS });
  await bench.around.time.pass(1000);
  bench.addon.changes();
  bench.machine.handle({ type: "heard" });
  t.same(bench.addon.changes(), { endNs: null });
  t.same(
    bench.around.reports.map(([name]) => name),
    ["silent", "heard"],
  );
  bench.machine.handle({ type: "heard" });
  t.equal(bench.around.reports.length, 2, "once");
});

t.test("silence: an initiation before the end keeps the schedule", async (t) => {
  const bench = new ServerBench();
  await bench.connect();
  bench.machine.handle({ type: "silent", forNs: 20_000n * MS });
  const endNs = bench.now + 510n * MS + BigInt(ATTEMPT_NS);
  bench.initiate();
  t.match(bench.addon.inForce, { endNs, schedules: 1 });
  // The end that was planned first had already come.
  bench.scheduleEnded();
  t.match(bench.addon.inForce, { schedule: { datagramLength: 472, endpoint: CLIENT }, endNs, schedules: 2 });
  bench.opened(2);
  t.same(
    bench.around.reports.map(([name]) => name),
    ["silent", "disconnected", "connected"],
  );
});

t.test("a close of the client's ends like one's own", async (t) => {
  const bench = new ServerBench(2e9);
  await bench.connect();
  const close: NativeEvent = { type: "control", generation: 1, kind: 4, body: new Uint8Array(0) };
  bench.machine.handle(close);
  bench.machine.handle(close);
  const endNs = bench.now + 2000n * MS;
  t.strictSame(bench.addon.changes(), { endNs, installed: [], sending: null, silenceNs: null });
  t.same(bench.around.reports, [["disconnected", "peerClosed"]]);
  await bench.around.time.pass(2000);
  bench.scheduleEnded();
  t.equal(bench.around.reports.length, 1);
});

t.test("expiry: 1.5 x 120 s after the response, and the schedule waits for the client", async (t) => {
  const bench = new ServerBench();
  await bench.connect();
  await bench.around.time.pass(179_390);
  t.same(bench.around.reports, []);
  await bench.around.time.pass(20);
  t.same(bench.around.reports, [["disconnected", "expired"]]);
  const { endNs, ...changes } = bench.addon.changes();
  t.strictSame(changes, { installed: [], sending: null, silenceNs: null });
  const expiredNs = bench.now - 10n * MS;
  t.equal(endNs, expiredNs + 20_000n * MS);
  bench.initiate();
  bench.opened(2);
  t.equal(bench.around.reports.at(-1)?.[0], "connected");
  t.equal(bench.addon.inForce.schedules, 1, "on the same schedule");
});

t.test("exhausted", async (t) => {
  const bench = new ServerBench();
  await bench.connect();
  bench.machine.handle({ type: "exhausted", generation: 7 });
  t.same(bench.around.reports, []);
  bench.machine.handle({ type: "exhausted", generation: 1 });
  t.same(bench.around.reports, [["disconnected", "exhausted"]]);
});

t.test("stop: what is left, and nothing afterwards", async (t) => {
  const idle = new ServerBench();
  t.same(idle.machine.stop(), { timing: null, session: false });

  const bench = new ServerBench();
  await bench.connect();
  bench.initiate();
  t.same(bench.machine.stop(), { timing: down, session: true });
  t.same(bench.addon.inForce.installed, [1], "what was pending is forgotten");
  bench.addon.changes();
  bench.opened(2);
  bench.scheduleEnded();
  await bench.around.time.pass(600_000);
  t.same(bench.addon.changes(), { schedule: null });
  t.same(bench.around.reports, []);
});

t.test("roaming: the core has moved, and the user is told", async (t) => {
  const bench = new ServerBench();
  await bench.connect();
  bench.believed(null, `${ELSEWHERE} via 192.0.2.7`);
  const { schedule, ...others } = bench.addon.changes();
  t.equal(schedule?.endpoint, `${ELSEWHERE} via 192.0.2.7`);
  t.same(others, {}, "nothing is left to be moved");
  t.same(bench.around.reports, [["roamed", ELSEWHERE]]);
});
