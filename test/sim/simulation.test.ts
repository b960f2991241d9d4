/** Both ends in virtual time, with the machines of lib/ and the core of crates/: what holds whatever happens to them. */
import t from "tap";
import { simulate, simulateTimetable, type Outcome, type RunOptions } from "../../lab/simulation/simulate.js";
import { loadSimulator, PLANTS, type Plant } from "../../lab/simulation/simulator.js";

const simulator = loadSimulator();

/** A run's figures without what only tells how it went. */
function run(seed: number, seconds: number, more: Omit<RunOptions, "seed" | "seconds"> = {}): Outcome {
  return simulate(simulator, { seed, seconds, ...more });
}

/** Lets finalizers of what is collected run. */
async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

/** Datagrams that were too long, steps down the ladder, and processes that ended for want of a route or of length. */
const LENGTHS = { tooLong: 0, downs: 0, ends: 0 };

t.test("no invariant breaks under faults of every kind", async (t) => {
  const sum = { restarts: 0, moves: 0, forged: 0, heals: 0, missed: 0, silences: 0, packets: 0, ...LENGTHS };
  for (let seed = 1; seed <= 20; seed += 1) {
    const outcome = run(seed, 120);
    t.equal(outcome.broken, null, `seed ${seed}: node bench/run.mjs simulate --minutes 2 --seed ${seed} --trace on`);
    sum.restarts += outcome.restarts;
    sum.moves += outcome.moves;
    sum.forged += outcome.forged;
    sum.heals += outcome.heals;
    sum.missed += outcome.missed;
    sum.silences += outcome.silences;
    sum.tooLong += outcome.tooLong;
    sum.downs += outcome.downs;
    sum.ends += outcome.ends;
    sum.packets += outcome.packetsUp + outcome.packetsDown;
    await turn();
  }
  for (const [what, count] of Object.entries(sum)) t.ok(count > 0, `${what}: ${count}`);
  t.ok(sum.heals >= 20, "in each of them the ends found each other");
});

t.test("in a quiet network nothing is lost, no slot missed, and keys are changed unnoticed", (t) => {
  const outcome = run(7, 300, { faults: false, wire: "short" });
  t.equal(outcome.broken, null);
  t.match(outcome, { missed: 0, astray: 0, restarts: 0, forged: 0, silences: 0, connections: 2, rekeys: 4 });
  t.ok(outcome.data > 0.99 * outcome.slots, "data from the handshake on");
  t.end();
});

t.test("a seed is one run, bit for bit", (t) => {
  const [first, again, other] = [run(3, 60), run(3, 60), run(4, 60)];
  t.same(again, first);
  t.not(other.digest, first.digest);
  t.end();
});

/** With new keys in it: the first are changed after two minutes. */
const QUIET = { seconds: 150, faults: false, wire: "short" } as const;

/** Long enough for a client that went down the ladder to climb again, which it tries after ten minutes. */
const LADDER = { seconds: 720, faults: false, wire: "rare" } as const;

t.test("where long datagrams vanish, a client goes down the ladder, and nothing is lost when it climbs", async (t) => {
  // By seed: up, down, the client's interface, the server's; and down, where the server begins by itself.
  for (const seed of [1, 2, 3, 4, 7]) {
    const outcome = run(seed, LADDER.seconds, { ...LADDER, path: "narrow" });
    t.match(outcome, { broken: null, descents: 1, climbs: 0, ends: 0 }, `seed ${seed}: down`);
    t.ok(outcome.tooLong > 0 && outcome.downs > 1 && outcome.ups === 1, "a climb in vain, and back");
    await turn();
  }
  const outcome = run(7, LADDER.seconds, { ...LADDER, path: "widens" });
  t.match(outcome, { broken: null, descents: 1, climbs: 1, ends: 0 }, "down and up");
});

t.test("what is carried has no part in lengths, and lengths have none in the client's deadlines", async (t) => {
  const wide = simulateTimetable(simulator, { ...LADDER, seed: 5, path: "wide", load: "nothing" });
  t.match(wide.outcome, { broken: null, tooLong: 0, downs: 0 });
  const more = { ...LADDER, seed: 5, path: "widens", paced: wide.timetable } as const;
  const idle = simulateTimetable(simulator, { ...more, load: "nothing" });
  t.match(idle.outcome, { broken: null, packetsUp: 0, packetsDown: 0, climbs: 1 });
  for (const end of ["client", "server"] as const) {
    t.ok(new Set(idle.timetable[end].lengths.values()).size > 1, `the ${end} had several lengths`);
  }
  const { outcome, timetable } = simulateTimetable(simulator, { ...more, load: "full", like: idle.timetable });
  t.match(outcome, { broken: null, climbs: 1 });
  t.same(timetable, idle.timetable, "neither one more nor one less");
  t.ok(outcome.packetsUp > 0 && outcome.packetsDown > 0);
});

t.test(
  "promise: traffic-moves-no-slot: the same slots whether there is nothing to send or more than fits",
  async (t) => {
    // The server is started by its client, or by itself.
    for (const seed of [9, 14]) {
      for (const waking of ["punctual", "late"] as const) {
        const idle = simulateTimetable(simulator, { ...QUIET, seed, waking, load: "nothing" });
        t.match(idle.outcome, { broken: null, packetsUp: 0, packetsDown: 0 });
        for (const load of ["usual", "full"] as const) {
          const { outcome, timetable } = simulateTimetable(simulator, {
            ...QUIET,
            seed,
            waking,
            load,
            like: idle.timetable,
          });
          t.equal(outcome.broken, null, `${load}, ${waking}, seed ${seed}`);
          t.same(timetable, idle.timetable, "neither one more nor one less");
          t.ok(outcome.packetsUp > 0 && outcome.packetsDown > 0 && outcome.rekeys > 0);
        }
        await turn();
      }
    }
  },
);

t.test(
  "promise: lateness-moves-no-deadline: those of dispatchers that are late are those of punctual ones",
  async (t) => {
    // The server is started by itself: its client's first slots, which would start it, are late as well.
    for (const seed of [14, 23]) {
      const punctual = simulateTimetable(simulator, { ...QUIET, seed, waking: "punctual" });
      t.match(punctual.outcome, { broken: null, missed: 0 });
      const late = run(seed, QUIET.seconds, { ...QUIET, waking: "late", like: punctual.timetable });
      t.equal(late.broken, null, `seed ${seed}`);
      t.ok(late.missed > 20, `${late.missed} missed`);
      t.equal(late.slots + late.missed, punctual.outcome.slots, "none is made up for");
      await turn();
    }
  },
);

/** Mistakes that show where the way is narrow. */
const OF_LADDER: readonly Plant[] = [
  "movedByLength",
  "lengthByTraffic",
  "strayLength",
  "lostRedirect",
  "restartedSchedule",
  "oneRung",
];

const FOUND: Record<(typeof PLANTS)[number], RegExp> = {
  doubleDatagram: /a slot sent 2 datagrams/,
  reusedCounter: /counter \d+ of key \d+ was used a second time/,
  shortDatagram: /a datagram of 171 bytes left, and 172 were in force/,
  duplicateDelivery: /came twice/,
  alteredPacket: /came altered/,
  swappedPackets: /came after \d+, of the same key/,
  lostPacket: /was lost, and the network lost nothing/,
  skippedSlot: /a slot sent 0 datagrams/,
  lateSlot: /between two deadlines|for deadlines that had passed/,
  movedByTraffic: /deadline \d+ of the client was moved by 1 ns/,
  movedByLateness: /deadline \d+ of the client was moved by \d+ ns/,
  movedByLength: /deadline \d+ of the client was moved by 1 ns/,
  lengthByTraffic: /slot \d+ of the client had 1471 bytes, not 1472/,
  strayLength: /the client goes on with 1\d\d\d bytes, which is no rung/,
  lostRedirect: /a datagram of 1472 bytes left, and 1\d\d\d were in force/,
  restartedSchedule: /a datagram of 1472 bytes left, and 1\d\d\d were in force/,
  oneRung: /not connected \d+ s after the network healed/,
  unaskedSchedule: /nobody has asked it/,
  neverHeals: /not connected \d+ s after the network healed/,
  lostSession: /lost its session in a quiet network/,
};

t.test("mistakes that are put in are found", async (t) => {
  const usual = { seed: 11, seconds: 120, faults: false, wire: "short" } as const;
  const { timetable: like } = simulateTimetable(simulator, usual);
  const wide = { seed: 5, seconds: 120, faults: false, wire: "rare" } as const;
  const { timetable: paced } = simulateTimetable(simulator, wide);
  const narrow = { ...wide, path: "narrow", paced } as const;
  const { timetable: narrowLike } = simulateTimetable(simulator, narrow);
  for (const plant of PLANTS) {
    const more = OF_LADDER.includes(plant) ? { ...narrow, like: narrowLike } : { ...usual, like };
    const { broken } = simulate(simulator, { ...more, plant });
    t.match(broken ?? "nothing found", FOUND[plant], plant);
    await turn();
  }
});
