/** A client of longer slots, or one that sleeps, goes through no handshake with itself. In a program of its own. */
import t from "tap";
import { rehearseHandshake } from "../../lib/handshake/rehearsal.js";
import { Pair, REHEARSED } from "../../lab/fake/tunnel-pair.js";

t.test("a client that sleeps or has time rehearses nothing", async (t) => {
  for (const [pollMode, interval] of [
    ["sleepy", "100us"],
    ["dozy", "1ms"],
    ["spinny", "250us"],
  ] as const) {
    const wire = { length: 500, interval };
    const pair = new Pair({ pollMode });
    await pair.up({ up: wire, down: wire });
    t.equal(pair.client.state, "connected", `${pollMode}, ${interval}`);
    await pair.down();
  }
  t.equal(rehearseHandshake(REHEARSED), true, "nobody did so before");
  t.equal(rehearseHandshake(REHEARSED), false, "once per program");
});
