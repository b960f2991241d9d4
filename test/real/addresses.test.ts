/** A server that listens on all addresses answers from the one that was asked, and stays with it. */
import t from "tap";
import { CaptureRun } from "../../lab/host/capture.js";
import { pingsAnswered } from "../../lab/host/traffic.js";
import { end, INNER, PORT, skip, Stage } from "./support.js";

const WIRE = ["--up-packet-interval", "5ms", "--down-packet-interval", "5ms"];
/** Of the cable, a second one there, and one on `lo`. */
const ADDRESSES = {
  4: ["10.201.0.2", "10.201.0.3", "10.203.0.1"],
  6: ["fd00:1405::2", "fd00:1405::3", "fd00:1406::1"],
} as const;

for (const [listen, families] of [
  ["0.0.0.0", [4]],
  ["[::]", [6, 4]],
] as const) {
  t.test(`a server on ${listen}, at each of its addresses`, { skip }, async (t) => {
    const stage = new Stage(t, { client: WIRE });
    const { a, b } = stage;
    b.ip([
      `address add ${ADDRESSES[4][1]}/24 dev ${b.device}`,
      `address add ${ADDRESSES[4][2]}/32 dev lo`,
      `address add ${ADDRESSES[6][1]}/64 dev ${b.device} nodad`,
      `address add ${ADDRESSES[6][2]}/128 dev lo`,
    ]);
    a.ip([`route add ${ADDRESSES[4][2]} via ${b.ipv4}`, `route add ${ADDRESSES[6][2]} via ${b.ipv6}`]);
    const server = await stage.serverAt(`${listen}:${PORT}`);
    for (const address of families.flatMap((family) => ADDRESSES[family])) {
      const from = server.events.length;
      const capture = await CaptureRun.start(a, { udpPort: PORT, snap: 0, incoming: true });
      const client = stage.clientOf(address.includes(":") ? `[${address}]:${PORT}` : `${address}:${PORT}`);
      await client.event("connected");
      const ping = await pingsAnswered(a, { to: INNER.server4, length: 100, count: 10, meanMs: 20 });
      t.match(ping, { received: 10, corrupt: 0 }, address);
      t.equal((await end(client)).code, 0);
      await server.event("disconnected", from);
      const { packets } = await capture.stop();
      t.same([...new Set(packets.map(({ source }) => source))], [address], "one source address");
      t.ok(packets.length > 20);
    }
    t.equal((await end(server)).code, 0);
  });
}
