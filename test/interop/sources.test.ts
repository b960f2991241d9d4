/** Whom the real server believes: a plain client, those who copy what it sends, and those who forge its source. */
import t, { type Test } from "tap";
import { keyPairing, realServer } from "./ends.js";
import { CASES, type Serve } from "./sources-cases.js";

t.setTimeout(300_000);
// Each waits far more than it works.
t.jobs = 4;

const pairing = keyPairing(false);

const serve: Serve = async (t: Test) => {
  const { server, port } = await realServer(pairing);
  t.teardown(() => server.tunnel.close());
  return {
    port,
    problems: [],
    endpoint: () => {
      const [address, own] = server.tunnel.connection?.endpoint.split(":") ?? [];
      return own === undefined ? null : { address: address!, port: Number(own) };
    },
    write: (packet) => server.write(packet),
    packets: () => server.packets,
  };
};

for (const { name, promises, run } of CASES) {
  t.test(`promise: ${promises}: ${name}`, { buffered: true }, async (t) => await run(t, pairing, serve));
}
