/** The frame of `bench:timing`: what it is asked for, in which order it measures, and its arithmetic. */
import t from "tap";
import { callLateness, joined, median, overStretches, wireLateness } from "../../bench/timing/figures.js";
import { pairs, plan, roughly, sessionSeconds, stretches } from "../../bench/timing/plan.js";
import { plot, tail } from "../../bench/timing/plot.js";
import { comparisons, Results, rows } from "../../bench/timing/results.js";
import { parseSelection, parseSender } from "../../bench/timing/selection.js";
import { carriedBetween, roundTrips } from "../../bench/timing/carried.js";
import { cpuShare, overallUse, useOf } from "../../bench/timing/programs.js";
import * as tables from "../../bench/timing/tables.js";
import type { DeviationEvent } from "../../bench/lib/tunnel.js";

t.test("a mode carries flags of the client behind it", (t) => {
  t.same(parseSender("dozy"), { name: "dozy", pollMode: "dozy", flags: [] });
  t.same(parseSender("dozy+burner").flags, ["--burner", "cpu"]);
  t.same(parseSender("dozy+burner=all+hedged").flags, ["--burner", "all", "--dispatchers", "2"]);
  t.same(parseSender("spinny+no-sched-fifo").flags, ["--no-sched-fifo"]);
  t.throws(() => parseSender("drowsy"), { name: "UsageError", message: /"drowsy", expected sleepy, dozy, spinny/ });
  const { senders } = parseSelection(["--modes", "dozy+cpu=0,1,spinny", "--compare", "sleep"]);
  t.same(
    senders.map(({ name }) => name),
    ["dozy+cpu=0,1", "spinny", "bare sleep"],
  );
  t.same(senders[0]!.flags, ["--cpu", "0,1"]);
  t.end();
});

t.test("selections", (t) => {
  t.match(parseSelection([]), {
    conditions: ["carrying", "busy"],
    intervalsNs: [1e6],
    stretchS: 10,
    rounds: 2,
    cpu: 1,
    wire: true,
    inner: 1400,
    downIntervalNs: null,
    server: { pollMode: "sleepy", flags: [] },
  });
  const both = parseSelection(["--server-mode", "spinny+cpu=0", "--down-interval", "10ms", "--inner", "60"]);
  t.match(both, { server: { pollMode: "spinny", flags: ["--cpu", "0"] }, downIntervalNs: 10e6, inner: 60 });
  const all = parseSelection(["--conditions", "all", "--intervals", "all", "--cpu", "none", "--json", "x.json"]);
  t.same(all.conditions, [
    ...["carrying", "busy", "memory", "disk", "interrupts", "second"],
    ...["pings", "tcp", "blocked"],
  ]);
  t.same(all.intervalsNs, [10e6, 1e6, 100e3]);
  t.equal(all.cpu, null);
  t.equal(all.json, "x.json");
  t.same(parseSelection(["--conditions", "idle"]).conditions, []);
  for (const argv of [
    ["--conditions", "idel"],
    ["--intervals", "5us"],
    ["--down-interval", "2s"],
    ["--inner", "20"],
    ["--server-mode", "x"],
    ["--intervals", "1"],
    ["--stretch", "0"],
    ["--rounds", "1.5"],
    ["--rounds", ""],
    ["--compare", "spin"],
    ["--modes", "dozy,x"],
    ["--what"],
    ["extra"],
  ]) {
    t.throws(() => parseSelection(argv), { name: "UsageError" }, argv.join(" "));
  }
  t.throws(() => parseSelection(["--help"]), { message: "" });
  t.end();
});

t.test("conditions alternate with idle, and every one is compared with the idle right before it", (t) => {
  t.same(stretches(["carrying", "busy"], 1), ["idle", "carrying", "idle", "busy"]);
  t.same(stretches(["busy"], 1), ["idle", "busy", "idle"], "idle twice, for the control");
  t.same(stretches([], 1), ["idle", "idle"]);
  const selection = parseSelection(["--modes", "sleepy,dozy", "--intervals", "1ms,10ms", "--rounds", "2"]);
  const sessions = plan(selection);
  t.same(
    sessions.map(({ intervalNs, sender, round }) => `${intervalNs / 1e6} ${round} ${sender.name}`),
    ["1 1 sleepy", "1 1 dozy", "1 2 sleepy", "1 2 dozy", "10 1 sleepy", "10 1 dozy", "10 2 sleepy", "10 2 dozy"],
  );
  t.ok(sessionSeconds(sessions[0]!, 10) >= 50);
  const bare = plan(parseSelection(["--modes", "dozy", "--compare", "sleep", "--conditions", "busy,pings,tcp"]));
  t.same(
    bare.slice(0, 2).map((session) => session.stretches),
    [
      ["idle", "busy", "idle", "pings", "idle", "tcp"],
      ["idle", "busy"],
    ],
    "a plain sender has no tunnel to ping through",
  );
  t.same([roughly(3), roughly(44), roughly(130)], ["10 s", "40 s", "2 min 10 s"]);
  t.same(pairs(["idle", "carrying", "idle", "busy", "idle", "carrying", "idle", "busy"]), [
    { condition: "idle", a: [0, 4], b: [2, 6] },
    { condition: "carrying", a: [0, 4], b: [1, 5] },
    { condition: "busy", a: [2, 6], b: [3, 7] },
  ]);
  t.same(pairs(["idle"]), []);
  t.end();
});

t.test("figures of stretches", (t) => {
  t.equal(median([3, 1, 2]), 2);
  t.equal(median([4, 1, 2, 3]), 2.5);
  const errors = Float64Array.from({ length: 1001 }, (_, slot) => (slot === 500 ? NaN : slot * 10));
  const lateness = wireLateness(errors)!;
  t.match(lateness, { sent: 1000, missed: 1, max: 10, p50: 4.99 });
  t.equal(wireLateness(new Float64Array(3).fill(NaN)), null);
  t.match(overStretches([lateness, null, { ...lateness, p50: 7, max: 99 }]), {
    sent: 2000,
    missed: 2,
    max: 99,
    p50: (7 + 4.99) / 2,
  });
  t.equal(overStretches([null]), null);
  t.same([...joined([Float64Array.of(1, 2), Float64Array.of(3)])], [1, 2, NaN, 3, NaN]);
  const event = {
    event: "deviation",
    count: 10,
    mean: 1,
    stddev: 2,
    p1: 0.5,
    p50: 1,
    p90: 2,
    p99: 3,
    p999: 4,
    max: 5,
    missed: 1,
  };
  const events: DeviationEvent[] = [event, { ...event, mean: 3, p99: 5, max: 9 }, { ...event, count: 0, max: 0 }];
  t.match(callLateness(events), { p99: 4, max: 9, missed: 2, p1: 0.5, sdUntrimmed: Math.sqrt(5) });
  t.equal(callLateness([]), null);
  t.end();
});

t.test("what programs use, and what comes through the tunnel", (t) => {
  const thread = (tid: number, seconds: number) => {
    return { tid, name: tid === 1 ? "node" : "i405-dispatch", seconds, waits: 0 };
  };
  const before = { ms: 1000, threads: [thread(1, 5), thread(2, 1)], resident: 100 };
  const after = { ms: 3000, threads: [thread(1, 5.5), thread(2, 1.25), thread(3, 0.25)], resident: 130 };
  const use = useOf("client", before, after);
  t.same(use, {
    name: "client",
    call: null,
    threads: { node: 0.25, "i405-dispatch": 0.25 },
    resident: 130,
    grown: 30,
  });
  t.equal(cpuShare(use), 0.5);
  const ended = { ...use, name: "sender", resident: null, grown: null };
  t.match(overallUse([[use, ended], [{ ...use, threads: { node: 0.5 }, grown: 40 }]]), [
    { name: "client", threads: { node: 0.375, "i405-dispatch": 0.125 }, grown: 35 },
    { name: "sender", resident: null },
  ]);
  const at = (second: number) => ({ realtimeNs: second * 1e9, ipBytes: second * 90 });
  const received = { corrupt: 0, duplicates: 1, outOfOrder: 2, reports: [at(1), at(3), at(4), at(9)] } as never;
  const outer = (fromNs: number, toNs: number) => (toNs - fromNs) / 1e7;
  t.same(carriedBetween({ received }, [2e9, 5e9], outer), { bytesPerSecond: 90, goodput: 0.9, wrong: 3 });
  t.equal(carriedBetween({ received }, [8e9, 9e9], outer), null, "one report is no stretch");
  t.equal(carriedBetween({}, [0, 9e9], outer), null);
  t.match(carriedBetween({ stream: { bytesPerSecond: 7, intact: true } as never }, [0, 9e9], outer), {
    bytesPerSecond: 7,
    goodput: null,
    wrong: 0,
  });
  const pinged = (rttsUs: number[], sent: number) => ({ sent, lost: sent - rttsUs.length, rttsUs }) as never;
  t.same(roundTrips([pinged([1000, 2000], 3), null, pinged([6000], 1)]), {
    ...{ sent: 4, lost: 1, mean: 3, p50: 2, p95: 6, p99: 6, max: 6 },
  });
  t.equal(roundTrips([null]), null);
  t.end();
});

t.test("results: rows against idle, comparisons, and a picture", (t) => {
  let state = 1;
  const noise = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  const measurement = (widthNs: number) => ({
    errorsNs: Float64Array.from({ length: 3000 }, () => widthNs * noise()),
    programs: [{ name: "client", call: null, threads: { node: 0.25, idler: 0.001 }, resident: 3 << 20, grown: 0 }],
    carried: { bytesPerSecond: 1e6, goodput: 0.9667, wrong: 0 },
    pinged: null,
    stolenS: 0.01,
  });
  const results = new Results();
  const selection = parseSelection(["--modes", "dozy", "--conditions", "busy"]);
  const account = { elapsed: 100, seen: 97, opened: 97, sent: 98, missed: 1, sendErrors: 0, stalls: 0, endMs: 20 };
  const spinner = {
    seconds: 10,
    sent: 9_990,
    missed: 10,
    gapPercent: 0.03,
    gapsUs: { count: 30, mean: 100, max: 200 },
  } as never;
  for (const session of plan(selection)) {
    results.add(
      session,
      {
        measurements: session.stretches.map((condition) => measurement(condition === "busy" ? 60_000 : 20_000)),
        account,
      },
      spinner,
    );
  }
  t.equal(results.subjects.length, 1);
  const subject = results.subjects[0]!;
  const [idle, busy] = rows(subject);
  t.match(idle, { condition: "idle", sdRatio: 1, medianShiftUs: 0, stretches: 2 });
  t.ok(busy!.sdRatio! > 2.8 && busy!.sdRatio! < 3.2);
  t.match(tables.wireRows(busy!), [{ condition: "busy", sender: "dozy", missed: 0, "missed %": 0 }]);
  t.same(tables.wireRows({ ...busy!, wire: null }), [], "not captured");
  const machine = { stretches: 2, "lost %": 0.03, "lost slots": 6, "missed %": 0.1, gaps: 60, "longest us": 200 };
  t.match(tables.machineRow(subject), machine);
  t.same(tables.callRows(busy!), []);
  const program = { program: "client", cpu: 0.251, "cpu us/slot": 251, MiB: 3, "grown MiB": 0, threads: "node 0.250" };
  t.match(tables.programRows(busy!), [program]);
  t.match(tables.carriedRows(busy!), [{ "bytes/s": 1e6, goodput: 0.9667, wrong: 0, pings: null }]);
  t.same(tables.carriedRows({ ...busy!, carried: null }), []);
  t.match(tables.accountRows(subject), [{ elapsed: 100, unaccounted: 1, "on the wire": 97 }, {}]);
  const [control, against] = comparisons(subject, 0.25);
  t.match([control!.b, against!.b], ["idle", "busy"]);
  t.ok(control!.all!.low > 100 * against!.all!.low, `${control!.all!.low} ${against!.all!.low}`);
  t.match(tables.comparisonRow(control!)["bulk low"], /^>= \d/);
  t.equal(tables.lowText(null), "");
  const svg = plot(results.subjects);
  t.match(svg, /^<svg/);
  t.match(svg, /dozy, 1000 us/);
  t.notMatch(svg, /var\(|undefined/, "every colour is one");
  t.equal(svg.match(/<svg /g)!.length, 3, "a density and a tail in one picture");
  t.end();
});

t.test("tails", (t) => {
  const sorted = Float64Array.from({ length: 1000 }, (_, index) => index / 10);
  const points = tail(sorted);
  t.same(points[0], [0.01, 1]);
  t.same(points.at(-1), [99.9, 0.001]);
  t.end();
});
