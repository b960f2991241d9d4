/** The server's machine alone: initiations and what is answered. */
import t from "tap";
import type { InitiationSettings, Refusal } from "../../lib/handshake/payloads.js";
import { ATTEMPT_NS, CLIENT, ELSEWHERE, MS, ServerBench, wireOf } from "../../lab/fake/server-bench.js";

const down = { datagramLength: 472, intervalNs: 10e6, jitterNs: 0, shape: "cos4" };

t.test("an initiation: installed, scheduled, offered, and its end planned", async (t) => {
  const bench = new ServerBench();
  const at = bench.now;
  const stamp = bench.initiate();
  const log = bench.around.commands.take();
  t.same(
    log.map(([name]) => name),
    ["install", "startSchedule", "offer", "endAt"],
  );
  t.match(log[0]?.[1], { generation: 1, aead: 1, receiveLength: 472, receiveIntervalNs: 10e6 });
  const first = at + 510n * MS;
  t.same(log[1], ["startSchedule", { ...down, firstDeadlineNs: first, endpoint: CLIENT }]);
  t.same(log[2]?.[1], { kind: 2, version: 1, stamp, message: Uint8Array.of(0), every: 1, endpoint: CLIENT });
  t.same(log[3], ["endAt", first + BigInt(ATTEMPT_NS)]);
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
  t.equal(bench.around.commands.last("startSchedule").firstDeadlineNs, at + 1510n * MS);
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
  t.same(bench.around.commands.take(), []);
  t.same(bench.around.reports, []);
});

t.test("unconfirmed: given up with its schedule", async (t) => {
  const bench = new ServerBench();
  bench.initiate();
  bench.around.commands.take();
  await bench.around.time.pass(6510);
  bench.machine.handle({ type: "scheduleEnded" });
  t.same(bench.around.commands.take(), [["forget", 1], ["stopOffer"]]);
  t.same(bench.around.reports, []);
  bench.opened(1);
  t.same(bench.around.commands.take(), [], "too late");
  bench.initiate();
  t.equal(bench.around.commands.last("startSchedule")?.endpoint, CLIENT, "and it starts anew");
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
    bench.around.commands.sources = [source];
    bench.initiate(source);
    // Another source may have a wider route.
    await bench.around.time.pass(300);
    t.same(bench.answered, answered);
    const log = bench.around.commands.take();
    t.same(
      log.map(([name]) => name),
      ["startSchedule", "offer", "endAt"],
      "nothing is installed",
    );
    t.match(log[0]?.[1], timing);
    t.equal(log[2]?.[1], BigInt(log[0]?.[1].firstDeadlineNs) + BigInt(ATTEMPT_NS));
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
  bench.around.commands.sources = [ELSEWHERE, CLIENT];
  bench.initiate(ELSEWHERE);
  t.same([bench.answered, bench.around.commands.take()], [["nothing"], []]);
  await bench.around.time.pass(300);
  t.same(bench.answered, ["accepted", 1]);
  t.match(bench.around.commands.last("startSchedule"), { endpoint: CLIENT, datagramLength: 472 });
  t.equal(bench.read.left, 0);
  const newer = new ServerBench();
  newer.initiate(ELSEWHERE);
  await newer.around.time.pass(1000);
  t.same(newer.answered, ["nothing"], "another initiation came meanwhile");
});

t.test("the client's own lengths tell its family, whoever sent the first copy", (t) => {
  const bench = new ServerBench();
  bench.initiate("[2001:db8::7]:9");
  t.match(bench.around.commands.last("startSchedule"), { datagramLength: 472 });
  t.end();
});

t.test("two attempts are pending; the third drops the first", async (t) => {
  const bench = new ServerBench();
  bench.initiate();
  await bench.around.time.pass(1500);
  bench.around.commands.take();
  bench.initiate();
  t.same(bench.around.commands.names(), ["install", "offer", "endAt"], "equal settings: the schedule just goes on");
  await bench.around.time.pass(1500);
  bench.initiate();
  t.equal(bench.around.commands.last("forget"), 1);
  bench.around.commands.take();
  bench.opened(2);
  const forgotten = bench.around.commands.take().filter(([name]) => name === "forget");
  t.same(forgotten, [["forget", 3]], "confirming drops the other attempt");
  t.equal(bench.around.reports[0]?.[0], "connected");
});

t.test("other settings: the old schedule ends as the new begins, and the answer waits for it", async (t) => {
  const bench = new ServerBench();
  await bench.connect();
  bench.around.commands.stats.lastOpenedNs = 0n;
  bench.settings = { ...bench.settings, wire: wireOf(20e6) };
  const at = bench.now;
  bench.initiate();
  t.same(bench.around.commands.names(), ["install", "startSchedule", "stopOffer", "endAt"]);
  await bench.around.time.pass(519);
  t.same(bench.around.commands.names(), []);
  await bench.around.time.pass(2);
  const log = bench.around.commands.take();
  t.same(
    log.map(([name]) => name),
    ["offer"],
  );
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
  await bench.around.time.pass(1500);
  bench.settings = { ...bench.settings, wire: wireOf(20e6, 600) };
  bench.initiate();
  t.match(bench.around.commands.last("startSchedule"), { datagramLength: 572, intervalNs: 20e6 });
  bench.around.commands.take();
  await bench.around.time.pass(100);
  bench.opened(1, ELSEWHERE);
  const log = bench.around.commands.take();
  t.same(
    log.filter(([name]) => name === "startSchedule"),
    [["startSchedule", { ...down, firstDeadlineNs: null, endpoint: ELSEWHERE }]],
  );
  t.same(log.at(-1), ["endAt", null]);
  t.match(bench.around.reports, [["connected", { wire: wireOf() }]]);
  await bench.around.time.pass(30_000);
  t.same(bench.around.commands.take(), [], "and nothing of the other one is left");
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
    t.equal(bench.around.commands.last("watchSilence"), granted * 1e6);
    bench.machine.handle({ type: "exhausted", generation: 1 });
    t.equal(bench.around.commands.last("endAt"), bench.now + BigInt(granted) * MS, "nor is the cover after it longer");
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
  const log = bench.around.commands.take();
  t.same(
    log.map(([name]) => name),
    ["startSchedule", "offer", "endAt"],
  );
  const first = at + 600n * MS;
  const timing = { datagramLength: 300, intervalNs: 100e6, jitterNs: 0, shape: "cos4" };
  t.same(log[0]?.[1], { ...timing, firstDeadlineNs: first, endpoint: CLIENT });
  t.same(log[1]?.[1], { kind: 3, version: 1, stamp: 77, message: Uint8Array.of(1, 1), every: 1, endpoint: CLIENT });
  t.equal(log[2]?.[1], first + 1950n * MS);
  bench.machine.handle({ ...event, stamp: 78 });
  t.same(bench.around.commands.take(), [], "a schedule runs");
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
    t.same(bench.around.commands.take(), [
      ["startSchedule", { ...timing, firstDeadlineNs: null, endpoint: CLIENT }],
      ["endAt", null],
    ]);
    bench.initiate();
    await bench.around.time.pass(600);
    bench.opened(1);
    t.notOk(bench.around.commands.names().includes("startSchedule"), "its start answers nobody");
    bench.machine.handle({ type: "silent", forNs: 20_000_000_000n });
    bench.machine.handle({ type: "control", generation: 1, kind: 4, body: new Uint8Array(0) });
    t.equal(bench.around.commands.last("endAt"), null, "nor does its end");
    t.same(
      bench.around.reports.map(([name]) => name),
      ["connected", "silent", "disconnected"],
    );
    // An attempt that is given up.
    bench.initiate();
    await bench.around.time.pass(20_000);
    t.equal(bench.around.commands.last("endAt"), null);
    t.same(bench.machine.stop(), { timing, session: false });
  },
);

t.test("two fixed endpoints: other settings have their schedule, and then the own one begins again", async (t) => {
  const timing = { datagramLength: 872, intervalNs: 10e6, jitterNs: 0, shape: "cos4" as const };
  const bench = new ServerBench(0, 3, { timing, endpoint: CLIENT });
  await bench.connect();
  bench.control(1, 4, new Uint8Array(0));
  bench.around.commands.take();
  await bench.around.time.pass(1);
  bench.machine.handle({ type: "scheduleEnded" });
  t.same(bench.around.commands.take(), [
    ["startSchedule", { ...timing, firstDeadlineNs: null, endpoint: CLIENT }],
    ["endAt", null],
  ]);
});
