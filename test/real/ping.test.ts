/** Pings of every size inside, over both families inside and outside. */
import t from "tap";
import { pingsAnswered, udpEcho, udpPing } from "../../lab/host/traffic.js";
import { end, INNER, skip, Stage } from "./support.js";

/** Smallest packets, one slot's worth and around it, and what takes many slots. */
const SIZES = [48, 49, 84, 500, 1279, 1420, 1449, 1450, 1451, 1500, 2900, 4321, 8999, 9000];

for (const family of [4, 6] as const) {
  t.test(`pings through a tunnel over IPv${family}`, { skip }, async (t) => {
    const stage = new Stage(t, { family, tunMtu: 9000 });
    const { server, client } = await stage.connect();
    for (const [inside, to, sizes] of [
      [4, INNER.server4, [28, 29, ...SIZES]],
      [6, INNER.server6, SIZES],
    ] as const) {
      const count = sizes.length * 8;
      const pinged = await pingsAnswered(stage.a, { to, length: [...sizes], count, meanMs: 10, timeoutMs: 5000 });
      t.match(pinged, { sent: count, received: count, lost: 0, duplicates: 0, corrupt: 0 }, `IPv${inside} inside`);
    }
    const back = await pingsAnswered(stage.b, { to: INNER.client4, length: [28, 1420, 9000], count: 30, meanMs: 10 });
    t.match(back, { received: 30, corrupt: 0 }, "from the server");
    const echo = await udpEcho(stage.b, `[${INNER.server6}]:7`);
    const answered = await udpPing(stage.a, { to: echo.local, length: 9000, count: 20, meanMs: 20, timeoutMs: 5000 });
    t.ok(answered.received > 0 && answered.corrupt === 0, `${answered.received} of 20 UDP of 9000 bytes`);
    await echo.stop();
    for (const program of [client, server]) {
      const { code, stats } = await end(program);
      t.equal(code, 0);
      t.match(stats.inner, { malformed: 0, deviceErrors: 0 });
    }
  });
}
