/** Programs with tunnels inside, as good guests: what they do to their process, and what it does to them. No privilege. */
import { fileURLToPath } from "node:url";
import t from "tap";
import { here, type Program } from "../../lab/host/program.js";
import { node } from "./support.js";

function programFile(name: string): string {
  return fileURLToPath(new URL(`programs/${name}.mjs`, import.meta.url));
}

function program(name: string, ...args: string[]): Program {
  return node(here, [programFile(name), ...args]);
}

/** Starts a program that may have a hundred descriptors. */
const FEW_DESCRIPTORS = ["sh", "-c", 'ulimit -n 100 && exec "$@"', "sh"];

t.test("promise: own-schedule: an event loop that stands still for two seconds costs no slots", async (t) => {
  const running = program("blocked");
  interface Blocked {
    expected: number;
    ends: { sent: number; missed: number }[];
  }
  const { expected, ends } = await running.event<Blocked>("blocked");
  t.equal(ends.length, 2);
  for (const [index, { sent, missed }] of ends.entries()) {
    const what = `${index === 0 ? "client" : "server"}: ${sent} sent, ${missed} missed of ${expected.toFixed(1)}`;
    // A thread that is kept from its core when the counters are read counts what it missed only afterwards, and these are
    // ordinary threads: half a second of that is allowed.
    t.ok(Math.abs(sent + missed - expected) <= 0.25 * expected, what);
    // Were the event loop needed there would be none. What a busy machine takes away for itself is not the loop's doing:
    // the timing bench counts to the slot, in its condition `blocked`.
    t.ok(sent >= 0.5 * expected, what);
  }
  t.match(await running.event("after"), { intact: true, states: ["connected", "connected"] });
  t.match(await running.exit, { code: 0, signal: null });
  t.equal(running.stderr, "");
});

t.test("several tunnels in one program, and in worker threads", async (t) => {
  const running = program("many");
  const { here, workers, exits } = await running.event("done");
  t.same({ here, workers, exits }, { here: [true, true, true, true], workers: [true, true], exits: [0, 0] });
  t.match(await running.exit, { code: 0, signal: null });
  t.equal(running.stderr, "");
});

t.test("what was closed has no descriptor left, whether the collector came by or not", async (t) => {
  const marks = [3, 6, 30];
  // Five descriptors were left of each pair, until the collector came by.
  const running = node(here, [programFile("pairs"), ...marks.map(String)], FEW_DESCRIPTORS);
  t.match(await running.exit, { code: 0, signal: null });
  t.equal(running.stderr, "");
  const reached = running.events as unknown as { pairs: number; descriptors: number }[];
  t.same(
    reached.map(({ pairs }) => pairs),
    marks,
  );
  // Node itself opens one or two when it first needs them.
  const counts = reached.map(({ descriptors }) => descriptors);
  t.ok(Math.max(...counts) - Math.min(...counts) < 5, `not even one pair's: ${counts.join(", ")}`);
});

t.test("out of descriptors: opening fails, and leaves none behind", async (t) => {
  const running = node(here, [programFile("exhausted")], FEW_DESCRIPTORS);
  interface Exhausted {
    codes: string[];
    before: number;
    after: number;
  }
  const { codes, before, after } = await running.event<Exhausted>("exhausted");
  t.ok(codes.length > 3, "it failed at each of several steps");
  t.same([...new Set(codes)], ["ERR_I405_SYSTEM"]);
  t.equal(after, before);
  t.match(await running.exit, { code: 0, signal: null });
  t.equal(running.stderr, "");
});

for (const [how, code] of [
  ["exit", 7],
  ["exit while connecting", 7],
  ["exit in a listener", 7],
  ["exit in a stream's listener", 7],
  ["throw", 1],
  ["unref", 0],
  ["terminate", 0],
] as const) {
  t.test(`a program that ends without close(): ${how}`, async (t) => {
    const running = program("leaves", how);
    await running.event("leaving");
    t.same(await running.exit, { code, signal: null });
    if (how === "throw") t.match(running.stderr, /Error: on purpose/);
    else t.equal(running.stderr, "");
    t.equal(
      running.events.some(({ event }) => event === "closed"),
      how === "terminate",
    );
  });
}
