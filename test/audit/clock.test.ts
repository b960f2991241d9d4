/** The capturing machine's clock: steps are said, and are no leak; disorder is put in order, and is no step. */
import t from "tap";
import { audit } from "../../lib/audit/index.js";
import { agree, orderOf } from "../../lib/audit/capture/clock.js";
import { randomSource } from "../../lab/random.js";
import { codes, counts, folderOf } from "./audited.js";
import { pcap, type FakePacket } from "./capture-files.js";
import { datagrams, plain, START_S, twoStretches } from "./outer-packets.js";

const folder = folderOf(t);
const MS = 1e6;
const SECONDS = 16;
const ALL = datagrams(SECONDS, 4 * MS, 3).map(plain);
const STRETCHES = twoStretches(SECONDS);
const START_NS = BigInt(START_S) * 1_000_000_000n;
/** Three quarters: in the middle of "busy". */
const MIDDLE_NS = START_NS + BigInt(0.75 * SECONDS * 1e9);

/** From a moment on, stamps are those of a clock that was set. */
const set = (packets: readonly FakePacket[], byMs: number, fromNs = MIDDLE_NS): FakePacket[] =>
  packets.map(({ atNs, bytes }) => ({ bytes, atNs: atNs < fromNs ? atNs : atNs + BigInt(byMs) * 1_000_000n }));
const write = (packets: readonly FakePacket[]) => pcap(packets, { linkType: 1 });
const whole = folder.collect(write(ALL), STRETCHES);

for (const backMs of [25, 100, 500, 2000]) {
  t.test(`set back by ${backMs} ms in a stretch`, async (t) => {
    const { report } = await audit({ pcap: folder.file(write(set(ALL, -backMs))), stretches: STRETCHES });
    t.same(
      report.warnings.map(({ code }) => code),
      ["I405_AUDIT_CLOCK"],
    );
    const said = Number(
      /set back by about ([\d.]+)ms/.exec(
        report.warnings[0]!.message.replace(/([\d.]+)s /, (_, s) => `${1000 * Number(s)}ms `),
      )?.[1],
    );
    t.ok(Math.abs(said - backMs) < 15, `${report.warnings[0]?.message}`);
    t.same(
      [report.leaks, report.verdict, report.untold],
      [false, "nothing-found", []],
      JSON.stringify(report.findings),
    );
  });
}

t.test("set back to before the capture began, and before a stretch's edge", async (t) => {
  const hour = folder.collect(write(set(ALL, -3_600_000)), STRETCHES);
  t.same(codes(hour), ["I405_AUDIT_CLOCK"]);
  // Back over the edge between the two stretches: those times came twice, and nobody knows of which stretch they are.
  const edge = folder.collect(write(set(ALL, -500, START_NS + BigInt((SECONDS / 2) * 1e9 + 0.2e9))), STRETCHES);
  t.same(codes(edge), ["I405_AUDIT_CLOCK"]);
  t.match(edge.warnings[0]?.message, /\d+ datagrams whose stretch is uncertain were left out/);
  for (const { seen } of edge.observations) {
    for (const { timesNs } of seen) {
      t.ok(
        timesNs.every((time, at) => at === 0 || time - timesNs[at - 1]! > 0.2 * MS || time === timesNs[at - 1]),
        "no two streams in one",
      );
    }
  }
});

t.test("set back twice, and forward again", async (t) => {
  const quarter = (part: number) => START_NS + BigInt(part * SECONDS * 1e9);
  const twice = set(set(ALL, -300, quarter(0.2)), -300, quarter(0.7));
  t.same(codes(folder.collect(write(twice), STRETCHES)), ["I405_AUDIT_CLOCK", "I405_AUDIT_CLOCK"]);
});

t.test("set forward: both directions are silent, and go on", async (t) => {
  const { report } = await audit({ pcap: folder.file(write(set(ALL, 700))), stretches: STRETCHES });
  t.match(report.warnings, [{ code: "I405_AUDIT_CLOCK", message: /for 7\d\d.*neither direction has a packet/ }]);
  t.notOk(report.leaks, JSON.stringify(report.findings));
  t.same(
    report.directions.map(({ conditions }) => conditions.map(({ skipped }) => skipped)),
    [
      [0, 0],
      [0, 0],
    ],
  );
});

t.test("a stall of one direction is the sender's, and stays in the figures", async (t) => {
  const until = MIDDLE_NS + 700_000_000n;
  // The source port tells the direction.
  const up = ({ bytes }: FakePacket) => bytes.readUInt16BE(14 + 20) === 40_000;
  const stalled = ALL.filter((packet) => !up(packet) || packet.atNs < MIDDLE_NS || packet.atNs > until);
  const found = await audit({ pcap: folder.file(write(stalled)), stretches: STRETCHES });
  t.same(found.report.warnings, []);
  t.match(found.report.directions[0]?.conditions, [{ skipped: 0 }, { skipped: 1 }]);
});

t.test("a little out of order is put in order, and is no step", async (t) => {
  const random = randomSource(11);
  // Blocks of 1 to 12 packets change places with the next one: queues that are emptied in turns.
  const disordered: FakePacket[] = [];
  for (let at = 0; at < ALL.length;) {
    const [one, other] = [1 + Math.floor(12 * random()), 1 + Math.floor(12 * random())];
    const swap = random() < 0.2;
    const [first, second] = [ALL.slice(at, at + one), ALL.slice(at + one, at + one + other)];
    disordered.push(...(swap ? [...second, ...first] : [...first, ...second]));
    at += one + other;
  }
  const found = folder.collect(write(disordered), STRETCHES);
  t.same(codes(found), ["I405_AUDIT_ORDER"]);
  t.same(counts(found), counts(whole));
  t.same(
    found.observations.map(({ seen }) => seen.map(({ timesNs }) => [...timesNs])),
    whole.observations.map(({ seen }) => seen.map(({ timesNs }) => [...timesNs])),
  );
});

t.test("equal times are no disorder", async (t) => {
  const coarse = ALL.map(({ atNs, bytes }) => ({ bytes, atNs: atNs - (atNs % 4_000_000n) }));
  const found = folder.collect(write(coarse), STRETCHES);
  t.same([codes(found), counts(found)], [[], counts(whole)]);
});

t.test("steps of any size at any place are found in both lists, and time goes on", async (t) => {
  const random = randomSource(23);
  for (let round = 0; round < 200; round += 1) {
    const steps = 1 + Math.floor(3 * random());
    const places = Array.from({ length: steps }, (_, step) => 300 + 700 * step + Math.floor(300 * random()));
    const back = places.map(() => 12 + 1000 * random() ** 3);
    const lists = [0, 1].map(() => {
      let time = 0;
      return Float64Array.from({ length: 2800 }, () => {
        time += 0.5 + random();
        return time - places.reduce((sum, place, step) => sum + (time >= place ? back[step]! : 0), 0) + 5000;
      });
    });
    const ordered = lists.map((timesNs) => ({ timesNs, order: orderOf(timesNs) }));
    const agreed = agree(ordered);
    if (agreed.length !== steps) t.fail(`round ${round}: ${agreed.length} of ${steps} steps`);
    for (const { timesNs, order } of ordered) {
      let [era, latest] = [0, -Infinity];
      timesNs.forEach((time, index) => {
        while (era < order.steps.length && index >= order.steps[era]!.index) era += 1;
        const corrected = time + agreed.slice(0, era).reduce((sum, { addNs }) => sum + addNs, 0);
        if (corrected <= latest) t.fail(`round ${round}: back at ${index}`);
        latest = corrected;
      });
    }
  }
  t.pass("200 rounds");
});
