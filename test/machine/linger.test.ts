/** How long cover goes on: what is taken, and that a random end is anywhere within its range. */
import t from "tap";
import { drawLinger, parseLinger } from "../../lib/options/linger.js";
import { Pair, SERVER } from "../../lab/fake/tunnel-pair.js";

t.test("fixed, and drawn from a range", async (t) => {
  t.same(parseLinger("linger", 0), { leastNs: 0, mostNs: 0 });
  t.same(parseLinger("linger", "3s"), { leastNs: 3e9, mostNs: 3e9 });
  t.same(parseLinger("linger", "5min..30min"), { leastNs: 300e9, mostNs: 1800e9 });
  t.same(parseLinger("linger", "0 .. 24h"), { leastNs: 0, mostNs: 86_400e9 });
  t.equal(drawLinger({ leastNs: 3e9, mostNs: 3e9 }), 3e9);
  const drawn = Array.from({ length: 2000 }, () => drawLinger({ leastNs: 1e9, mostNs: 2e9 }));
  t.ok(drawn.every((ns) => Number.isInteger(ns) && ns >= 1e9 && ns <= 2e9));
  // Each tenth of the range is missed with a chance of 10^-91.
  t.equal(new Set(drawn.map((ns) => Math.min(9, Math.floor((ns - 1e9) / 1e8)))).size, 10);
  t.ok(drawLinger({ leastNs: 0, mostNs: 86_400e9 }) <= 86_400e9);
});

t.test("a server whose client is gone goes on for a time within the range, another one each time", async (t) => {
  const pair = new Pair();
  await pair.up({ linger: "1s..2s" });
  const slots = () => pair.simulation.network.sent.filter(({ from }) => from !== SERVER).length;
  const closing = pair.client.close();
  const before = slots();
  await pair.simulation.time.pass(5000);
  await closing;
  // 8 close slots of 10 ms, and the cover.
  const lingered = slots() - before - 8;
  t.ok(lingered >= 98 && lingered <= 202, `${lingered} slots of 10 ms`);
  await pair.down();
});
