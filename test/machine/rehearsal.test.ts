/** A client of short slots goes through a handshake with itself first, once per program. Its counterpart: no-rehearsal.test.ts. */
import t from "tap";
import { rehearseHandshake } from "../../lib/handshake/rehearsal.js";
import { Pair, REHEARSED } from "../../lab/fake/tunnel-pair.js";

t.test("a client of short slots rehearses, and connects", async (t) => {
  const wire = { length: 500, interval: "100us" };
  const pair = new Pair({ pollMode: "spinny" });
  await pair.up({ up: wire, down: wire });
  t.equal(pair.client.state, "connected");
  await pair.down();
  t.equal(rehearseHandshake(REHEARSED), false, "it did so before");
});
