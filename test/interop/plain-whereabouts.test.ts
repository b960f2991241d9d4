/** Whom the plain server believes, against the plain client: that the text can be followed. The real one has the same cases. */
import t, { type Test } from "tap";
import { keyPairing } from "./ends.js";
import { PlainServer } from "../../lab/plain/server.js";
import { CHACHA } from "../../lab/plain/wire.js";
import { CASES, type Serve } from "./sources-cases.js";

t.setTimeout(300_000);
// Each waits far more than it works.
t.jobs = 4;

const pairing = keyPairing(false);

const serve: Serve = async (t: Test) => {
  const server = new PlainServer(pairing.plain.server, () => ({ verdict: 0, aeadId: CHACHA, limit: 0 }));
  const port = await server.open();
  t.teardown(() => server.close());
  const read: Buffer[] = [];
  return {
    port,
    problems: server.problems,
    endpoint: () => server.believed.at(-1) ?? null,
    write: (packet) => server.write(packet),
    packets: () => {
      read.push(...(server.channel?.reader.packets.splice(0) ?? []));
      return read;
    },
  };
};

for (const { name, run } of CASES) {
  t.test(name, { buffered: true }, async (t) => await run(t, pairing, serve));
}
