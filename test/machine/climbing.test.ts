/** A client's machine on a shorter length than the configured one: what it does to climb back. */
import t from "tap";
import type { ClientPath, Paths } from "../../lib/session/client-paths.js";
import { ClientBench as Bench, SERVER } from "../../lab/fake/client-bench.js";

const CLIMB_MS = 60_000;
const ATTEMPT_MS = 5400;

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

/** Lost and up again on the shorter length, with nothing of it left in the logs. */
function shortBench(): { bench: Bench; paths: TwoPaths } {
  let paths!: TwoPaths;
  const bench = new Bench((only) => (paths = new TwoPaths(only)));
  bench.connect();
  bench.machine.handle({ type: "silent", forNs: 10_000_000_000n });
  bench.respond();
  bench.around.commands.take();
  bench.around.reports.length = 0;
  return { bench, paths };
}

t.test("silent: the next path before the next offer; heard: back to the session's", async (t) => {
  const bench = new Bench((only) => new TwoPaths(only));
  bench.connect();
  bench.machine.handle({ type: "silent", forNs: 10_000_000_000n });
  const log = bench.around.commands.take();
  t.same(log[0], ["redirect", SERVER, 300]);
  t.same(
    log.map(([name]) => name),
    ["redirect", "expectStamps", "offer"],
  );
  bench.machine.handle({ type: "heard" });
  const back = bench.around.commands.take();
  t.same(
    back.map(([name]) => name),
    ["expectStamps", "stopOffer", "redirect"],
  );
  t.same(back[2], ["redirect", SERVER, 472]);
});

t.test("in vain: one attempt, then the session goes on as if nothing had been", async (t) => {
  const { bench, paths } = shortBench();
  await bench.around.time.pass(CLIMB_MS - 1);
  t.equal(paths.climbs, 0);
  await bench.around.time.pass(1);
  t.same(bench.around.commands.take()[0], ["redirect", SERVER, 472]);
  await bench.around.time.pass(ATTEMPT_MS);
  t.same(bench.around.commands.take(), [["expectStamps", []], ["stopOffer"], ["redirect", SERVER, 300]]);
  t.same(bench.around.reports, [], "nobody has to know");
  await bench.around.time.pass(CLIMB_MS);
  t.equal(paths.climbs, 2);
});

t.test("answered: the new session takes the old one's place on the longer length", async (t) => {
  const { bench, paths } = shortBench();
  await bench.around.time.pass(CLIMB_MS);
  bench.respond();
  t.same(
    bench.around.reports.map(([name]) => name),
    ["disconnected", "connected"],
  );
  t.equal(bench.around.commands.log.filter(([name]) => name === "redirect").length, 1);
  await bench.around.time.pass(CLIMB_MS);
  t.equal(paths.climbs, 1, "there is nothing above");
});

t.test("silence while it climbs is silence: the ladder's turn", async (t) => {
  const { bench } = shortBench();
  await bench.around.time.pass(CLIMB_MS);
  bench.around.commands.take();
  bench.machine.handle({ type: "silent", forNs: 10_000_000_000n });
  t.same(bench.around.reports, [["silent", 10_000]]);
  t.same(bench.around.commands.last("redirect"), SERVER);
  t.equal(bench.around.commands.take().find(([name]) => name === "redirect")?.[2], 300);
});

t.test("a rekey's answer ends a climb, and the next one comes later", async (t) => {
  const { bench, paths } = shortBench();
  await bench.around.time.pass(CLIMB_MS);
  await bench.around.time.pass(ATTEMPT_MS);
  // The rekey is due at 120 s, the second climb 60 s after the first was given up.
  await bench.around.time.pass(CLIMB_MS);
  t.same([paths.climbs, bench.rekeys.length], [2, 1]);
  bench.around.commands.take();
  bench.control(2, 2);
  t.same(bench.around.reports.at(-1), ["rekeyed", null]);
  t.same(
    bench.around.commands.take().find(([name]) => name === "redirect"),
    ["redirect", SERVER, 300],
  );
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
