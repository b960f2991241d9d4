/** From records of both ends to what an observer has seen. */
import t from "tap";
import { CONDITION_NAMES, planOf } from "../../lib/audit/live/conditions.js";
import { arrivalsOf, seenIn, type Span } from "../../lib/audit/live/joining.js";
import type { Records } from "../../lib/audit/live/series.js";
import { numbers } from "./simulate.js";

const MS = 1e6;
const NO_SESSION = 0xffffffff;

interface Row {
  generation?: number;
  counter: number;
  timeNs: number;
  missed?: number;
}

function records(rows: Row[]): Records {
  const column = (of: (row: Row) => number) => Float64Array.from(rows, of);
  return {
    generation: column(({ generation }) => generation ?? 1),
    counter: column(({ counter }) => counter),
    timeNs: column(({ timeNs }) => timeNs),
    missed: column(({ missed }) => missed ?? 0),
  };
}

function span(fromMs: number, toMs: number): Span {
  return { label: "quiet", fromNs: fromMs * MS, toNs: toMs * MS, from: 1, to: 2 };
}

const many = (count: number, row: (at: number) => Row) => records(Array.from({ length: count }, (_, at) => row(at)));

t.test("datagrams find their slots by counter, whatever generations are called at the other end", (t) => {
  const slots = many(100, (at) => ({ generation: at < 60 ? 7 : 8, counter: at % 60, timeNs: at * MS }));
  const arrivals = many(100, (at) => ({
    generation: at < 60 ? 70_000 % 65_536 : 9,
    counter: at % 60,
    timeNs: at * MS + 5,
  }));
  t.same(
    [...arrivalsOf(slots, arrivals)],
    Array.from({ length: 100 }, (_, at) => at * MS + 5),
  );
  t.end();
});

t.test("a rekey at the edge may show at one end only", (t) => {
  // The first generation's datagrams came before the other end began to look.
  const slots = many(100, (at) => ({
    generation: at < 3 ? 7 : 8,
    counter: at < 3 ? 900 + at : at - 3,
    timeNs: at * MS,
  }));
  const late = many(97, (at) => ({ generation: 2, counter: at, timeNs: (at + 3) * MS + 5 }));
  const found = arrivalsOf(slots, late);
  t.same([...found.slice(0, 4)], [NaN, NaN, NaN, 3 * MS + 5]);
  // And the other way: the last one's were not sent yet.
  const early = many(97, (at) => ({ generation: 2, counter: at, timeNs: at * MS + 5 }));
  const sent = many(100, (at) => ({ generation: at < 97 ? 7 : 8, counter: at % 97, timeNs: at * MS }));
  t.same([...arrivalsOf(sent, early).slice(95, 99)], [95 * MS + 5, 96 * MS + 5, NaN, NaN]);
  t.end();
});

t.test("what was lost, missed, or sent under no session is a gap and no error", (t) => {
  const slots = records([
    { counter: 0, timeNs: 0 },
    { counter: 1, timeNs: MS, missed: 2 },
    { counter: 2, timeNs: 4 * MS },
    { generation: NO_SESSION, counter: 3, timeNs: 5 * MS },
    { counter: 3, timeNs: 6 * MS },
  ]);
  const arrivals = records([
    { counter: 0, timeNs: 10 },
    { counter: 1, timeNs: MS + 20 },
    { counter: 3, timeNs: 6 * MS + 30 },
  ]);
  const sights = arrivalsOf(slots, arrivals);
  const seen = seenIn(slots, sights, span(0, 100), { twoClocks: false, local: "deadlines" });
  t.same([...seen.errorsNs!], [10, 20, NaN, NaN, NaN, NaN, 30]);
  t.same([...seen.timesNs], [10, MS + 20, 6 * MS + 30]);
  t.end();
});

t.test("only the slots of the stretch count, in the order of their deadlines", (t) => {
  const slots = records([2, 0, 1, 3, 4].map((at) => ({ counter: at, timeNs: at * MS })));
  const seen = seenIn(
    slots,
    slots.timeNs.map((at) => at + 7),
    span(1, 4),
    { twoClocks: false, local: "deadlines" },
  );
  t.same([...seen.timesNs], [MS + 7, 2 * MS + 7, 3 * MS + 7]);
  t.same([...seen.errorsNs!], [7, 7, 7]);
  t.end();
});

t.test("another machine's clock is taken out, its drift too, and stalls don't bend the line", (t) => {
  const next = numbers(3);
  const error = () => 1000 * (next() - 0.5);
  const errors = Array.from({ length: 5000 }, (_, at) => (at % 500 === 0 ? 40 * MS : error()));
  const slots = many(5000, (at) => ({ counter: at, timeNs: at * MS }));
  // 60 parts in a million fast, and from another origin.
  const theirs = (at: number) => 123_456_789 + 1.00006 * at * MS;
  const arrivals = many(5000, (at) => ({ counter: at, timeNs: theirs(at) + errors[at]! }));
  for (const local of ["deadlines", "sights"] as const) {
    const place = local === "deadlines" ? span(0, 5000) : span(123, 5130);
    const seen = seenIn(slots, arrivalsOf(slots, arrivals), place, { twoClocks: true, local });
    t.equal(seen.errorsNs!.length, 5000);
    const off = [...seen.errorsNs!].map((value, at) => value - errors[at]!).sort((one, other) => one - other);
    t.ok(off.at(-1)! - off[0]! < 100, `within 100 ns of what was put in, to a constant: ${off.at(-1)! - off[0]!}`);
  }
  t.end();
});

t.test("a plan has every condition, quiet between them, in an order that the seed decides", (t) => {
  const { order, stretchS } = planOf(CONDITION_NAMES, 600, null, 5);
  for (const name of CONDITION_NAMES) t.ok(order.filter((each) => each === name).length >= 4, name);
  t.ok(stretchS >= 2 && stretchS <= 30);
  t.ok(order.length * (stretchS + 2.5) <= 600, "and takes no longer than it may");
  t.same(planOf(CONDITION_NAMES, 600, null, 5).order, order);
  t.notSame(planOf(CONDITION_NAMES, 600, null, 6).order, order);
  const short = planOf(["saturated-up"], 10, 1, 1);
  t.same([...new Set(short.order)].sort(), ["quiet", "saturated-up"]);
  t.equal(planOf(["bursts"], 10, 60, 1).order.length, 2, "once each, however long that takes");
  t.end();
});
