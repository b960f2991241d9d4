/** A client's machine on a shorter length than the configured one: what it does to climb back. */
import t from "tap";
import type { ClientPath, Paths } from "../../lib/session/client-paths.js";
import { ClientBench as Bench, SERVER, up } from "../../lab/fake/client-bench.js";

const CLIMB_MS = 60_000;
const ATTEMPT_MS = 5400;

/** The schedule from the start, on this length now. */
const onLength = (datagramLength: number) => ({ ...up, datagramLength, firstDeadlineNs: null, endpoint: SERVER });

/** Two lengths; the second is taken once a session was lost. */
class TwoPaths implements Paths {
  climbs = 0;
  readonly #long: ClientPath;
  readonly #short: ClientPath;

  constructor(only: ClientPath) {
    this.#long = { ...only };
    this.#short = { ...only, up: { ...only.up, datagramLength: 300 } };
  }
  next(): ClientPath {
    return this.#short;
  }
  answered(path: ClientPath): number | null {
    return path === this.#short ? CLIMB_MS : null;
  }
  climb(): ClientPath {
    this.climbs += 1;
    return this.#long;
  }
  shorten(): boolean {
    return false;
  }
}

/** Lost and up again on the shorter length, with all of it looked at already. */
function shortBench(): { bench: Bench; paths: TwoPaths } {
  let paths!: TwoPaths;
  const bench = new Bench((only) => (paths = new TwoPaths(only)));
  bench.connect();
  bench.machine.handle({ type: "silent", forNs: 10_000_000_000n });
  bench.respond();
  bench.addon.changes();
  bench.around.reports.length = 0;
  return { bench, paths };
}

t.test("silent: the next path before the next offer; heard: back to the session's", async (t) => {
  const bench = new Bench((only) => new TwoPaths(only));
  bench.connect();
  bench.machine.handle({ type: "silent", forNs: 10_000_000_000n });
  const { offer, ...changes } = bench.addon.changes();
  t.same(changes, { schedule: onLength(300), stamps: [bench.stamps[1]] });
  t.equal(offer?.stamp, bench.stamps[1], "cut for that length");
  bench.machine.handle({ type: "heard" });
  t.same(bench.addon.changes(), { schedule: onLength(472), stamps: [], offer: null });
});

t.test("in vain: one attempt, then the session goes on as if nothing had been", async (t) => {
  const { bench, paths } = shortBench();
  await bench.around.time.pass(CLIMB_MS - 1);
  t.equal(paths.climbs, 0);
  await bench.around.time.pass(1);
  const { offer, ...changes } = bench.addon.changes();
  t.same(changes, { schedule: onLength(472), stamps: bench.stamps.slice(-1) });
  t.equal(offer?.stamp, bench.stamps.at(-1));
  await bench.around.time.pass(ATTEMPT_MS);
  t.same(bench.addon.changes(), { schedule: onLength(300), stamps: [], offer: null });
  t.same(bench.around.reports, [], "nobody has to know");
  await bench.around.time.pass(CLIMB_MS);
  t.equal(paths.climbs, 2);
});

t.test("answered: the new session takes the old one's place on the longer length", async (t) => {
  const { bench, paths } = shortBench();
  await bench.around.time.pass(CLIMB_MS);
  t.same(bench.addon.changes().schedule, onLength(472));
  bench.respond();
  t.same(
    bench.around.reports.map(([name]) => name),
    ["disconnected", "connected"],
  );
  await bench.around.time.pass(CLIMB_MS);
  t.equal(paths.climbs, 1, "there is nothing above");
  t.notOk("schedule" in bench.addon.changes(), "nor is it left again");
});

t.test("silence while it climbs is silence: the ladder's turn", async (t) => {
  const { bench } = shortBench();
  await bench.around.time.pass(CLIMB_MS);
  t.same(bench.addon.inForce.schedule, onLength(472));
  bench.machine.handle({ type: "silent", forNs: 10_000_000_000n });
  t.same(bench.around.reports, [["silent", 10_000]]);
  t.same(bench.addon.inForce.schedule, onLength(300));
  t.equal(bench.addon.inForce.offer?.stamp, bench.stamps.at(-1));
});

t.test("a rekey's answer ends a climb, and the next one comes later", async (t) => {
  const { bench, paths } = shortBench();
  await bench.around.time.pass(CLIMB_MS);
  await bench.around.time.pass(ATTEMPT_MS);
  // The rekey is due at 120 s, the second climb 60 s after the first was given up.
  await bench.around.time.pass(CLIMB_MS);
  t.same([paths.climbs, bench.rekeys.length], [2, 1]);
  t.same(bench.addon.inForce.schedule, onLength(472));
  bench.control(2, 2);
  t.same(bench.around.reports.at(-1), ["rekeyed", null]);
  t.same(bench.addon.inForce.schedule, onLength(300));
  await bench.around.time.pass(CLIMB_MS);
  t.equal(paths.climbs, 3);
});

t.test("a session that is lost doesn't climb", async (t) => {
  const { bench, paths } = shortBench();
  bench.control(2, 4);
  t.same(bench.around.reports, [["disconnected", "peerClosed"]]);
  await bench.around.time.pass(2 * CLIMB_MS);
  t.equal(paths.climbs, 0);
});
