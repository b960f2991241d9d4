/** Planted leaks are found and named, and nothing is found where there is nothing. */
import t, { type Test } from "tap";
import { analyse } from "../../lib/audit/analyse.js";
import type { HeaderCount, HeaderFields, Observation, Seen } from "../../lib/audit/observation.js";
import type { KnownSchedule } from "../../lib/audit/schedule.js";
import { subjectOf } from "../../lib/audit/subject.js";
import { jitterDensity } from "../../lib/statistics/jitter-density.js";
import { n95 } from "../../lib/statistics/n95.js";
import { integratedN95 } from "./integrated.js";
import { numbers, observation, send, SIMULATED, unknowing, type Sender } from "./simulate.js";

const [MS, US] = [1e6, 1e3];

function report(observations: Observation[], known: KnownSchedule = {}) {
  const subjects = observations.map((each) => subjectOf(each, known, undefined)!);
  return analyse(SIMULATED, subjects, { onProgress: () => undefined });
}

/** Stretches of two conditions by turns, each with a seed of its own. */
function alternating(count: number, sender: (label: "idle" | "busy") => Omit<Sender, "seed">, seed = 1): Seen[] {
  let fromNs = 0;
  return Array.from({ length: count }, (_, index) => {
    const label = index % 2 === 0 ? "idle" : "busy";
    const seen = send({ ...sender(label), label, seed: 1000 * seed + index, fromNs });
    fromNs = seen.toNs;
    return seen;
  });
}

t.test("20 us against 5 us at 10 ms, deadlines known: n95 as by integration", async (t) => {
  for (const shape of ["uniform", "two-step", "cos4"] as const) {
    const jitterNs = 2.5 * MS;
    const expected = integratedN95(jitterDensity(shape), [20 / 2500, 5 / 2500]);
    let close = 0;
    const found: number[] = [];
    for (let seed = 0; seed < 20; seed += 1) {
      const one = (errorNs: number, part: number) =>
        send({ seed: 2 * seed + part, intervalNs: 10 * MS, jitterNs, shape, slots: 50_000, errorNs });
      const { estimate } = n95(one(20 * US, 0).errorsNs!, one(5 * US, 1).errorsNs!, {
        jitter: jitterNs,
        shape,
        resamples: 50,
      });
      found.push(estimate);
      if (estimate < 1.5 * expected && estimate > expected / 1.5) close += 1;
    }
    t.ok(close >= 19, `${shape}: ${close} of 20 near ${expected}: ${found.join(" ")}`);
  }
});

t.test("the same leak without knowing the deadlines, where gaps can show it", async (t) => {
  const seen = alternating(8, (label) => ({
    ...{ intervalNs: 10 * MS, jitterNs: 2.5 * MS, shape: "uniform" as const, slots: 12_500 },
    errorNs: label === "idle" ? 20 * US : 5 * US,
  })).map(unknowing);
  const { pairs, directions } = await report([observation(seen)]);
  t.match(directions[0], { jitterShape: "uniform", guessed: ["interval", "jitter", "shape"] });
  const [pair, ...controls] = pairs;
  t.match(pair, { a: "idle", b: "busy", control: false, method: "histogram", n95: { atLeast: false } });
  t.ok(
    pair!.n95!.low < integratedN95(jitterDensity("uniform"), [20 / 2500, 5 / 2500]) * 1.2,
    JSON.stringify(pair!.n95),
  );
  t.match(pair!.words, /to tell "busy" from "idle", an observer of up needs about/);
  t.ok(pair!.findings.some(({ effect }) => effect === "gaps"));
  t.same(
    controls.map(({ control, findings }) => [control, findings]),
    [
      [true, []],
      [true, []],
    ],
  );
});

t.test("send errors in figures: quantiles above a punctual slot, without the missed ones", async (t) => {
  const slots = 1000;
  const seen = (label: string, lateNs: number): Seen => ({
    ...{ label, fromNs: 0, toNs: slots * MS, timesNs: Float64Array.from({ length: slots }, (_, slot) => slot * MS) },
    // Deadlines are known to a constant only.
    errorsNs: Float64Array.from({ length: slots }, (_, slot) =>
      slot === 7 ? NaN : 5 * MS + (slot < 980 ? 0 : lateNs),
    ),
  });
  const { directions } = await report([observation([seen("quiet", 3 * US), seen("busy", 400 * US)])]);
  const rest = { p50Us: 0, p90Us: 0 };
  t.match(directions[0]?.conditions, [
    { label: "quiet", sendErrors: { ...rest, p99Us: 3, p999Us: 3, maxUs: 3 } },
    { label: "busy", sendErrors: { ...rest, p99Us: 400, p999Us: 400, maxUs: 400 } },
  ]);
  const gapsOnly = await report([observation([seen("quiet", 0), seen("busy", 0)].map(unknowing))], { jitterNs: 1000 });
  t.match(gapsOnly.directions[0]?.conditions, [{ sendErrors: null }, { sendErrors: null }]);
});

t.test("an echo: every inner packet delays the next slot by 2 us", async (t) => {
  const next = numbers(7);
  const innerNs: number[] = [];
  for (let at = 0; at < 62e9; at += -8 * MS * Math.log(next())) innerNs.push(at);
  let place = 0;
  const delay = (_slot: number, dueNs: number) => {
    const before = place;
    while (innerNs[place]! < dueNs) place += 1;
    return place > before ? 2 * US : 0;
  };
  const make = (echo: boolean, jitterNs: number) => {
    place = 0;
    const sender = { seed: 3, intervalNs: MS, jitterNs, slots: 60_000, errorNs: 3 * US };
    return send(echo ? { ...sender, delay } : sender);
  };
  const events = { innerNs: Float64Array.from(innerNs) };
  const found = async (seen: Seen) =>
    (await report([observation([seen], events)])).findings.filter(({ effect }) => effect === "echo-inner");
  // On a grid the send errors can be read off; under jitter the gaps after the slots must do.
  const [finding] = await found(unknowing(make(true, 0)));
  t.match(finding, {
    direction: "up",
    label: "idle",
    words: /an inner packet within .* before a slot makes it (2|1\.9|2\.\d)\d* us later/,
  });
  t.ok(Math.abs(finding!.measure / US - 2) < 0.3, `${finding!.measure} ns`);
  t.match((await found(make(true, 0.25 * MS)))[0]?.words, /an inner packet .* later/);
  t.match((await found(unknowing(make(true, 0.02 * MS))))[0]?.words, /an inner packet .* later/);
  t.same(await found(unknowing(make(false, 0))), [], "without the echo");
  t.same(await found(unknowing(make(false, 0.25 * MS))), [], "without the echo, under jitter");
});

t.test("an echo of the other direction", async (t) => {
  const up = send({ seed: 4, intervalNs: MS, jitterNs: 0.25 * MS, slots: 60_000, errorNs: 2 * US });
  let place = 0;
  const delay = (_slot: number, dueNs: number) => {
    while (up.timesNs[place]! < dueNs - 40 * US) place += 1;
    return up.timesNs[place]! < dueNs ? 6 * US : 0;
  };
  const down = (echo: boolean) => {
    place = 0;
    const sender = { seed: 5, intervalNs: MS, jitterNs: 0.25 * MS, slots: 59_000, errorNs: 2 * US };
    return observation([send(echo ? { ...sender, delay } : sender)], { direction: "down" });
  };
  const found = async (echo: boolean) => (await report([observation([up]), down(echo)])).findings;
  const echoes = (await found(true)).filter(
    ({ effect, direction }) => effect === "echo-direction" && direction === "down",
  );
  t.match(echoes[0]?.words, /a datagram of the other direction within .* later/);
  t.same(await found(false), []);
});

t.test("a periodic stall: 50 ms each second", async (t) => {
  const stall = (dueNs: number) => (dueNs % 1e9 < 2 * MS && dueNs > 1e9 ? 50 * MS - (dueNs % 1e9) : 0);
  for (const jitterNs of [0, 0.5 * MS]) {
    const seen = alternating(4, (label) => ({
      ...{ intervalNs: MS, jitterNs, slots: 20_000, errorNs: 4 * US },
      ...(label === "busy" ? { stall } : {}),
    })).map(unknowing);
    const { findings, pairs } = await report([observation(seen)]);
    const period = findings.filter(({ effect }) => effect === "spectrum");
    t.match(
      period,
      [{ label: "busy", words: /sending is disturbed every (1|1\.0\d*|0\.9[89]\d*) s/ }],
      JSON.stringify(findings),
    );
    t.equal(period.length, 1);
    t.ok(pairs[0]!.findings.some(({ effect }) => effect === "skipped"));
    t.match(pairs[0]!.advice.join(), /--dispatchers 2/);
  }
});

const FIELDS: HeaderFields = {
  ...{
    version: 4,
    length: 1500,
    ttl: 64,
    dscp: 0,
    ecn: 0,
    flags: 2,
    fragmentOffset: 0,
    flowLabel: 0,
    headerLength: 20,
  },
  ...{ protocol: 17, sourcePort: 40_000, destinationPort: 1405, identification: "next", udpChecksum: "set" },
};

async function planted(t: Test, changed: Partial<HeaderFields>, label: string, words: RegExp) {
  const sender = () => ({ intervalNs: MS, jitterNs: 0.5 * MS, slots: 3000, errorNs: 4 * US });
  const seen = alternating(4, sender).map(unknowing);
  const count = (label: string, fields: HeaderFields, count: number): HeaderCount => {
    return { label, fields, count, firstNs: 2.5e9, lastNs: 3e9 };
  };
  const headers = ["idle", "busy", "handshake"].map((each) => count(each, FIELDS, 5000));
  t.same((await report([observation(seen, { headers })])).findings, [], "all alike");
  headers.push(count(label, { ...FIELDS, ...changed }, 42));
  const { findings, leaks } = await report([observation(seen, { headers })]);
  t.match(findings, [{ effect: "headers", label: null, significance: 0, words }]);
  t.ok(leaks);
}

t.test("a length that changes in the handshake", async (t) => {
  const words = /IP length is not constant: 1500 in 15000 datagrams, 1372 in 42 \(in "handshake", 2.5 to 3.0 s\)/;
  await planted(t, { length: 1372 }, "handshake", words);
});

t.test("a TTL that changes", async (t) => {
  await planted(t, { ttl: 63 }, "busy", /TTL is not constant: 64 .* 63 in 42 \(in "busy"/);
});

t.test("a change in the middle of a stretch", async (t) => {
  const changing = (slot: number) => (slot > 20_000 ? 60 * US * Math.sin(slot * slot) : 0);
  const sender = { seed: 9, intervalNs: MS, jitterNs: 0.1 * MS, slots: 40_000, errorNs: 3 * US };
  const found = async (seen: Seen) => (await report([observation([unknowing(seen)])])).findings;
  t.match((await found(send({ ...sender, delay: changing })))[0], {
    effect: "change-points",
    words: /changes (19|20|21)(\.\d+)? s into stretch 1/,
  });
  t.same(await found(send(sender)), []);
});

t.test("payloads: uniform bytes pass, a constant byte is named with its place", async (t) => {
  const next = numbers(11);
  const counts = (spoil: boolean) => {
    const all = new Float64Array(256);
    const places = new Float64Array(256 * 4);
    for (let datagram = 0; datagram < 4000; datagram += 1) {
      for (let place = 0; place < 4; place += 1) {
        const value = spoil && place === 2 && datagram % 8 === 0 ? 7 : Math.floor(256 * next());
        all[value]! += 1;
        places[256 * place + value]! += 1;
      }
    }
    return [{ label: "idle", datagrams: 4000, all, places }];
  };
  const seen = [unknowing(send({ seed: 12, intervalNs: MS, jitterNs: 0.5 * MS, slots: 3000, errorNs: 4 * US }))];
  t.same((await report([observation(seen, { bytes: counts(false) })])).findings, []);
  t.match(
    (await report([observation(seen, { bytes: counts(true) })])).findings.find(({ words }) => words.includes("byte 2")),
    { effect: "bytes", label: "idle" },
  );
});

t.test("false alarms stay within the nominal rate", async (t) => {
  // A hundredth of the pairs and of the conditions may have one; `npm run bench -- audit-controls` makes 200 runs.
  let [pairs, alarms, found] = [0, 0, 0];
  for (let seed = 1; seed <= 12; seed += 1) {
    const known = seed % 2 === 0;
    const sender = () => ({ intervalNs: MS, jitterNs: 0.5 * MS, slots: 15_000, errorNs: 5 * US });
    const seen = alternating(4, sender, seed).map((each) => (known ? each : unknowing(each)));
    const result = await report([observation(seen)]);
    pairs += result.pairs.length;
    alarms += result.pairs.filter(({ findings }) => findings.length > 0).length;
    found += result.findings.length;
  }
  t.equal(pairs, 36);
  t.ok(alarms <= 3 && found <= 3, `${alarms} of ${pairs} pairs, ${found} findings of conditions`);
});
