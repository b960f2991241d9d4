/** A client of short slots goes through a handshake with itself first, once per program. */
import t from "tap";
import { rehearseHandshake } from "../lib/handshake/rehearsal.js";
import { Pair } from "./tunnel-pair.js";

const SETTINGS = {
  aeads: 1,
  clientTimeoutMs: 10_000,
  serverTimeoutMs: 10_000,
  wire: { up: direction(), down: direction() },
};

function direction() {
  return { length: 1500, intervalNs: 1_000_000, jitterNs: 0, jitterShape: "cos4" as const };
}

t.test("a client of short slots rehearses, and connects", async (t) => {
  const wire = { length: 500, interval: "100us" };
  for (const pollMode of ["dozy", "spinny"] as const) {
    const pair = new Pair({ pollMode });
    await pair.up({ up: wire, down: wire });
    t.equal(pair.client.state, "connected", pollMode);
    await pair.down();
  }
  t.notOk(rehearseHandshake(SETTINGS), "it did so before");
});
