/** The server's machine alone: initiations and what is answered. */
import t from "tap";
import type { InitiationSettings, Refusal } from "../../lib/handshake/payloads.js";
import { ATTEMPT_NS, CLIENT, ELSEWHERE, MS, ServerBench, wireOf } from "../../lab/fake/server-bench.js";

const down = { datagramLength: 472, intervalNs: 10e6, jitterNs: 0, shape: "cos4" };

t.test("an initiation: installed, scheduled, offered, and its end planned", async (t) => {
  const bench = new ServerBench();
  const at = bench.now;
  const stamp = bench.initiate();
  const first = at + 510n * MS;
  t.same(bench.addon.changes(), {
    schedule: { ...down, firstDeadlineNs: first, endpoint: CLIENT },
    schedules: 1,
    endNs: first + BigInt(ATTEMPT_NS),
    installed: [1],
    offer: { kind: 2, version: 1, stamp, message: Uint8Array.of(0), every: 1, endpoint: CLIENT },
  });
  t.match(bench.addon.sessions.get(1), { aead: 1, receiveLength: 472, receiveIntervalNs: 10e6 });
  t.same(bench.answered, ["accepted", 1]);
  t.same(bench.keys[0]?.up.key, new Uint8Array(32), "our copy of the keys is zeroed");
  t.same(bench.around.reports, [], "nothing is up before it is confirmed");
});

t.test("a late verdict starts at the next multiple of 500 ms", async (t) => {
  const bench = new ServerBench();
  const at = bench.now;
  bench.around.time.nowNs += 1200n * MS;
  const event = {
    kind: 1,
    version: 1,
    stamp: 5,
    message: Uint8Array.of(0),
    source: CLIENT,
    datagramLength: 472,
  } as const;
  bench.machine.handle({ type: "handshake", ...event, receivedNs: at });
  t.equal(bench.addon.inForce.schedule?.firstDeadlineNs, at + 1510n * MS);
});

t.test("the AEAD: AES-256-GCM where both ends have it", async (t) => {
  for (const [own, offered, aead] of [
    [3, 3, 1],
    [1, 3, 0],
    [3, 1, 0],
  ] as const) {
    const bench = new ServerBench(0, own);
    bench.settings = { ...bench.settings, aeads: offered };
    bench.initiate();
    t.same(bench.answered, ["accepted", aead]);
  }
});

t.test("what doesn't authenticate is not answered", async (t) => {
  const bench = new ServerBench();
  bench.initiate(CLIENT, Uint8Array.of(0xff));
  t.same(bench.addon.changes(), {});
  t.same(bench.around.reports, []);
});

t.test("unconfirmed: given up with its schedule", async (t) => {
  const bench = new ServerBench();
  bench.initiate();
  await bench.around.time.pass(6510);
  bench.scheduleEnded();
  t.match(bench.addon.inForce, { schedule: null, offer: null });
  t.same(bench.addon.inForce.installed, []);
  bench.addon.changes();
  t.same(bench.around.reports, []);
  bench.opened(1);
  t.same(bench.addon.changes(), {}, "too late");
  bench.initiate();
  t.equal(bench.addon.inForce.schedule?.endpoint, CLIENT, "and it starts anew");
});

t.test("promise: refusal-unseen: refused: the same schedule, clipped, and the same end", async (t) => {
  const cases: [Partial<InitiationSettings>, string, [Refusal, number], object][] = [
    [{ wire: wireOf(10e6, 1600) }, CLIENT, ["length", 1500], { datagramLength: 1472, intervalNs: 10e6 }],
    [{}, ELSEWHERE, ["length", 400], { datagramLength: 372, intervalNs: 10e6 }],
    [{ wire: wireOf(0.5e6) }, CLIENT, ["interval", 1e6], { datagramLength: 472, intervalNs: 1e6 }],
    [{ wire: wireOf(1e6, 1500) }, CLIENT, ["bandwidth", 1e6], { datagramLength: 1472, intervalNs: 1.5e6 }],
  ];
  for (const [settings, source, answered, timing] of cases) {
    const bench = new ServerBench();
    bench.settings = { ...bench.settings, ...settings };
    bench.addon.sources = [source];
    bench.initiate(source);
    // Another source may have a wider route.
    await bench.around.time.pass(300);
    t.same(bench.answered, answered);
    const { schedule, offer, endNs, ...others } = bench.addon.changes();
    t.match(schedule, timing);
    t.match(offer, { kind: 2, message: Uint8Array.of(1) });
    t.equal(endNs, schedule!.firstDeadlineNs! + BigInt(ATTEMPT_NS));
    t.same(others, { schedules: 1 }, "nothing is installed");
    bench.opened(1);
    t.match(bench.around.reports, [["refused", { endpoint: source, reason: answered[0] }]]);
  }
  const bench = new ServerBench();
  bench.understood = false;
  bench.initiate();
  t.same(bench.answered, ["notUnderstood", 0]);
});

t.test("a copy from where the route is too narrow doesn't have the client refused", async (t) => {
  const bench = new ServerBench();
  bench.addon.sources = [ELSEWHERE, CLIENT];
  bench.initiate(ELSEWHERE);
  t.same([bench.answered, bench.addon.changes()], [["nothing"], {}]);
  await bench.around.time.pass(300);
  t.same(bench.answered, ["accepted", 1]);
  t.match(bench.addon.inForce.schedule, { endpoint: CLIENT, datagramLength: 472 });
  t.equal(bench.read.left, 0);
  const newer = new ServerBench();
  newer.initiate(ELSEWHERE);
  await newer.around.time.pass(1000);
  t.same(newer.answered, ["nothing"], "another initiation came meanwhile");
});

t.test("the client's own lengths tell its family, whoever sent the first copy", (t) => {
  const bench = new ServerBench();
  bench.initiate("[2001:db8::7]:9");
  t.match(bench.addon.inForce.schedule, { datagramLength: 472 });
  t.end();
});

t.test("two attempts are pending; the third drops the first", async (t) => {
  const bench = new ServerBench();
  bench.initiate();
  await bench.around.time.pass(1500);
  bench.addon.changes();
  const first = bench.now + 510n * MS;
  const second = bench.initiate();
  const { offer, ...changes } = bench.addon.changes();
  const endNs = first + BigInt(ATTEMPT_NS);
  t.same(changes, { installed: [1, 2], endNs }, "equal settings: the schedule just goes on");
  t.equal(offer?.stamp, second);
  await bench.around.time.pass(1500);
  bench.initiate();
  t.same(bench.addon.inForce.installed, [2, 3]);
  bench.opened(2);
  t.same(bench.addon.inForce.installed, [2], "confirming drops the other attempt");
  t.equal(bench.around.reports[0]?.[0], "connected");
});

t.test("other settings: the old schedule ends as the new begins, and the answer waits for it", async (t) => {
  const bench = new ServerBench();
  await bench.connect();
  bench.addon.counters.lastOpenedNs = 0n;
  bench.settings = { ...bench.settings, wire: wireOf(20e6) };
  const at = bench.now;
  const stamp = bench.initiate();
  const { schedule, endNs, ...others } = bench.addon.changes();
  t.match(schedule, { datagramLength: 472, intervalNs: 20e6, endpoint: CLIENT });
  t.equal(endNs, schedule!.firstDeadlineNs! + BigInt(ATTEMPT_NS));
  t.same(others, { schedules: 2, installed: [1, 2] });
  t.equal(bench.addon.inForce.offer, null);
  await bench.around.time.pass(519);
  t.same(bench.addon.changes(), {});
  await bench.around.time.pass(2);
  const answer = { kind: 2, version: 1, stamp, message: Uint8Array.of(0), every: 1, endpoint: CLIENT };
  t.same(bench.addon.changes(), { offer: answer });
  t.ok(bench.now > at + 520n * MS);
  bench.opened(2);
  t.same(
    bench.around.reports.map(([name, value]) => [name, (value?.wire?.down.intervalNs ?? value) as unknown]),
    [
      ["disconnected", "replaced"],
      ["connected", 20e6],
    ],
  );
});

t.test("an older answer is confirmed after another one took the schedule: it gets its own back", async (t) => {
  const bench = new ServerBench();
  bench.initiate();
  const { endNs } = bench.addon.inForce;
  await bench.around.time.pass(1500);
  bench.settings = { ...bench.settings, wire: wireOf(20e6, 600) };
  const stamp = bench.initiate();
  t.match(bench.addon.inForce.schedule, { datagramLength: 572, intervalNs: 20e6 });
  t.equal(bench.addon.inForce.offer?.stamp, stamp, "the older one's fragments don't fit into it");
  await bench.around.time.pass(100);
  bench.confirmed(1, ELSEWHERE);
  const schedule = { ...down, firstDeadlineNs: null, endpoint: ELSEWHERE };
  t.match(bench.addon.inForce, { schedule, schedules: 3, endNs, offer: null });
  bench.believed(1, ELSEWHERE);
  t.match(bench.addon.inForce, { schedule, schedules: 3, endNs: null });
  bench.addon.changes();
  t.match(bench.around.reports, [["connected", { wire: wireOf() }]]);
  await bench.around.time.pass(30_000);
  t.same(bench.addon.changes(), {}, "and nothing of the other one is left");
});

t.test("promise: settings-at-limits: a server timeout above the server's own is cut to it, not refused", async (t) => {
  for (const [asked, granted] of [
    [86_400_000, 3_600_000],
    [3_600_001, 3_600_000],
    [3_599_999, 3_599_999],
  ] as const) {
    const bench = new ServerBench();
    bench.settings = { ...bench.settings, serverTimeoutMs: asked };
    bench.initiate();
    t.equal(bench.answered[0], "accepted");
    bench.opened(1);
    t.equal(bench.addon.inForce.silenceNs, granted * 1e6);
    bench.machine.handle({ type: "exhausted", generation: 1 });
    t.equal(bench.addon.inForce.endNs, bench.now + BigInt(granted) * MS, "nor is the cover after it longer");
  }
});

t.test("promise: keys-zeroed: whatever becomes of an initiation, what was read of it is destroyed", async (t) => {
  const answered = new ServerBench();
  answered.initiate();
  answered.understood = false;
  answered.initiate();
  t.same(answered.read, { all: 2, left: 0 }, "accepted, refused");

  let full = false;
  const write = () => {
    if (full) throw new Error("no space left");
  };
  const unkept = new ServerBench(0, 3, null, { read: () => ({ stampMs: 0, boottimeMs: 0 }), write });
  full = true;
  unkept.initiate();
  t.same(unkept.around.reports, [["warning", "I405_STATE_FILE"]]);
  t.same([unkept.answered, unkept.read], [["nothing"], { all: 1, left: 0 }], "the floor could not be kept");

  const failing = new ServerBench();
  failing.judged = new Error("no such route");
  t.throws(() => failing.initiate(), failing.judged);
  t.same(failing.read, { all: 1, left: 0 }, "something failed");
});

t.test("another version is told ours in 20 slots of 100 ms, if no schedule runs", async (t) => {
  const bench = new ServerBench();
  const at = bench.now;
  const event = {
    type: "otherVersion",
    version: 2,
    stamp: 77,
    source: CLIENT,
    datagramLength: 300,
    receivedNs: at,
  } as const;
  bench.machine.handle(event);
  const first = at + 600n * MS;
  const timing = { datagramLength: 300, intervalNs: 100e6, jitterNs: 0, shape: "cos4" };
  t.same(bench.addon.changes(), {
    schedule: { ...timing, firstDeadlineNs: first, endpoint: CLIENT },
    schedules: 1,
    endNs: first + 1950n * MS,
    offer: { kind: 3, version: 1, stamp: 77, message: Uint8Array.of(1, 1), every: 1, endpoint: CLIENT },
  });
  bench.machine.handle({ ...event, stamp: 78 });
  t.same(bench.addon.changes(), {}, "a schedule runs");
});

t.test("promise: stale-told: stale initiations: a warning that names the difference", async (t) => {
  const bench = new ServerBench();
  const stamp = bench.around.clock.wallMs() - 90_000;
  bench.machine.handle({ type: "staleInitiation", stamp, floorMs: stamp + 30_000 });
  t.same(bench.around.reports, [["warning", "I405_STALE_INITIATION"]]);
});

t.test(
  "promise: fixed-endpoints: from its own start, through a session with the same settings, and after it",
  async (t) => {
    const timing = { datagramLength: 472, intervalNs: 10e6, jitterNs: 0, shape: "cos4" as const };
    const bench = new ServerBench(0, 3, { timing, endpoint: CLIENT });
    const schedule = { ...timing, firstDeadlineNs: null, endpoint: CLIENT };
    t.same(bench.addon.changes(), { schedule, schedules: 1 });
    t.equal(bench.addon.inForce.endNs, null);
    bench.initiate();
    await bench.around.time.pass(600);
    t.equal(bench.addon.inForce.endNs, null);
    bench.opened(1);
    t.equal(bench.addon.inForce.schedules, 1, "its start answers nobody");
    bench.machine.handle({ type: "silent", forNs: 20_000_000_000n });
    bench.machine.handle({ type: "control", generation: 1, kind: 4, body: new Uint8Array(0) });
    t.equal(bench.addon.inForce.endNs, null, "nor does its end");
    t.same(
      bench.around.reports.map(([name]) => name),
      ["connected", "silent", "disconnected"],
    );
    // An attempt that is given up.
    bench.initiate();
    await bench.around.time.pass(20_000);
    t.equal(bench.addon.inForce.endNs, null);
    t.same(bench.machine.stop(), { timing, session: false });
  },
);

t.test("two fixed endpoints: other settings have their schedule, and then the own one begins again", async (t) => {
  const timing = { datagramLength: 872, intervalNs: 10e6, jitterNs: 0, shape: "cos4" as const };
  const bench = new ServerBench(0, 3, { timing, endpoint: CLIENT });
  await bench.connect();
  bench.control(1, 4, new Uint8Array(0));
  const { schedules, endNs } = bench.addon.inForce;
  await bench.around.time.pass(1);
  bench.scheduleEnded();
  t.match(bench.addon.inForce, {
    // Without jitter. It follows from the end as it was planned, not from when that is heard of.
    schedule: { ...timing, firstDeadlineNs: endNs! + 510_000_000n, endpoint: CLIENT },
    schedules: schedules + 1,
    endNs: null,
  });
});
