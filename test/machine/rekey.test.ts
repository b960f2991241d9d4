/** Rekeys at each machine alone: what it has the addon do, and what ends one. */
import t from "tap";
import { I405Error } from "../../lib/common/errors.js";
import { expiryNs, leastRekeyNs, rekeyNs } from "../../lib/session/times.js";
import { resolveRekeyNs } from "../../lib/session/wire-settings.js";
import { ClientBench, keys, REKEY_MS, REPEAT_NS, wire } from "../../lab/fake/client-bench.js";
import { ServerBench, wireOf } from "../../lab/fake/server-bench.js";

const INITIATION = 1;
const RESPONSE = 2;
const forgery = (): never => {
  throw new I405Error("ERR_I405_HANDSHAKE", "does not authenticate");
};

t.test("client: the initiation at the age, repeated; then the new key, beside the old one for a while", async (t) => {
  const bench = new ClientBench();
  bench.connect();
  await bench.around.time.pass(REKEY_MS - 1);
  t.same(bench.addon.changes(), {});
  await bench.around.time.pass(1);
  const told = { kind: INITIATION, body: Uint8Array.of(100), everyNs: REPEAT_NS };
  t.same(bench.addon.changes(), { control: told });
  bench.control(1, RESPONSE);
  t.strictSame(bench.addon.changes(), { installed: [1, 2], control: null, sending: { generation: 2, announce: null } });
  t.match(bench.addon.sessions.get(2), { aead: 1, receiveLength: 472 });
  t.same(bench.around.reports, [["rekeyed", null]]);
  t.ok(bench.rekeys[0]?.destroyed);
  await bench.around.time.pass(11_000);
  t.same(bench.addon.inForce.installed, [1, 2], "the server may still send under the old key");
  bench.opened(2);
  await bench.around.time.pass(9_999);
  t.same(bench.addon.inForce.installed, [1, 2]);
  await bench.around.time.pass(2);
  t.same(bench.addon.inForce.installed, [2]);
});

t.test("client: ages are counted from each initiation, and each rekey goes on from the session before", async (t) => {
  const bench = new ClientBench();
  bench.connect();
  const marks = [7, 8, 9, 10];
  for (const generation of [1, 2, 3]) {
    await bench.around.time.pass(REKEY_MS - (generation === 1 ? 0 : 5000) - 1);
    t.equal(bench.rekeys.length, generation - 1);
    await bench.around.time.pass(1);
    t.equal(bench.rekeys.length, generation);
    t.equal(bench.rekeys.at(-1)?.root.chain[0], marks[generation - 1]);
    await bench.around.time.pass(5000);
    bench.rekeyed = () => keys(marks[generation] ?? 0);
    bench.control(generation, RESPONSE);
    t.equal(bench.rekeys.at(-1)?.root.chain[0], 0, "zeroed with the session");
  }
  t.same(bench.around.reports, Array(3).fill(["rekeyed", null]));
  t.equal(bench.attempts.length, 1, "no fresh handshake");
});

t.test("client: suspended past the age, it rekeys as soon as it looks; past the expiry, it handshakes", async (t) => {
  const bench = new ClientBench();
  bench.connect();
  // So long a sleep is silence too, and the warning that nobody answers follows.
  const sessions = () => bench.around.reports.filter(([name]) => name !== "silent" && name !== "warning");
  bench.around.time.suspend(150_000);
  await bench.around.time.pass(5001);
  t.equal(bench.rekeys.length, 1);
  bench.around.time.suspend(150_000);
  await bench.around.time.pass(5001);
  t.same(sessions(), [["disconnected", "expired"]]);
  t.ok(bench.rekeys[0]?.destroyed);
  bench.control(1, RESPONSE);
  t.equal(sessions().length, 1, "its answer comes too late");
});

t.test("client: an answer that doesn't authenticate ends the rekey, and the session at its expiry", async (t) => {
  const bench = new ClientBench();
  bench.connect();
  bench.control(1, RESPONSE);
  t.same(bench.addon.changes(), {}, "none is under way");
  await bench.around.time.pass(REKEY_MS);
  bench.addon.changes();
  bench.control(1, INITIATION);
  bench.control(7, RESPONSE);
  t.same(bench.addon.changes(), {}, "neither a server's, nor another session's");
  bench.rekeyed = forgery;
  bench.control(1, RESPONSE);
  t.same(bench.addon.changes(), { control: null });
  bench.rekeyed = () => keys(1);
  bench.control(1, RESPONSE);
  t.same(bench.addon.changes(), {}, "it is not listened to again");
  await bench.around.time.pass(60_000);
  t.same(bench.around.reports, [["disconnected", "expired"]]);
});

t.test("client: what ends a session ends its rekey", async (t) => {
  const ends: ((bench: ClientBench) => void)[] = [
    (bench) => bench.control(1, 4, new Uint8Array(0)),
    (bench) => bench.machine.handle({ type: "exhausted", generation: 1 }),
    (bench) => bench.machine.stop(),
    (bench) => {
      bench.machine.handle({ type: "silent", forNs: 1n });
      bench.respond();
    },
  ];
  for (const end of ends) {
    const bench = new ClientBench();
    bench.connect();
    await bench.around.time.pass(REKEY_MS);
    t.not(bench.addon.inForce.control, null);
    end(bench);
    t.ok(bench.rekeys[0]?.destroyed);
    t.equal(bench.addon.inForce.control, null);
    bench.around.reports.length = 0;
    bench.control(1, RESPONSE);
    t.same(bench.around.reports, []);
  }
});

t.test("client: an answer in the middle of a silence ends the carousel", async (t) => {
  const bench = new ClientBench();
  bench.connect();
  await bench.around.time.pass(REKEY_MS);
  bench.machine.handle({ type: "silent", forNs: 1n });
  bench.around.reports.length = 0;
  bench.control(1, RESPONSE);
  t.same(bench.around.reports.splice(0), [
    ["rekeyed", null],
    ["heard", null],
  ]);
  t.ok(bench.attempts.at(-1)?.destroyed);
  bench.machine.handle({ type: "heard" });
  bench.respond();
  t.same(bench.around.reports, [], "told once, and the attempt's answer is none any more");
});

/** A server whose session is old enough for a rekey. */
async function dueBench(): Promise<ServerBench> {
  const bench = new ServerBench();
  await bench.connect();
  await bench.around.time.pass(400);
  return bench;
}

t.test("promise: rekey-flood: a server answers none under a key younger than 0.9 of the least age", async (t) => {
  const bench = new ServerBench();
  await bench.connect();
  // The response was made 600 ms ago.
  await bench.around.time.pass(299);
  bench.control(1, INITIATION);
  bench.control(1, INITIATION, Uint8Array.of(0xff));
  t.same([bench.rekeys.length, bench.addon.changes()], [0, {}], "as if it had not come");
  await bench.around.time.pass(1);
  bench.control(1, INITIATION);
  t.equal(bench.rekeys.length, 1, "and comes again");
  bench.opened(2);
  await bench.around.time.pass(899);
  bench.control(2, INITIATION);
  t.equal(bench.rekeys.length, 1);
  await bench.around.time.pass(1);
  bench.control(2, INITIATION);
  t.equal(bench.rekeys.length, 2, "the next key's age counts from its own response");

  const slow = new ServerBench();
  slow.settings = { ...slow.settings, wire: wireOf(100e6) };
  await slow.connect();
  await slow.around.time.pass(0.9 * 6400 - 601);
  slow.control(1, INITIATION);
  t.equal(slow.rekeys.length, 0);
  await slow.around.time.pass(1);
  slow.control(1, INITIATION);
  t.equal(slow.rekeys.length, 1, "64 intervals of the slower direction");
});

t.test("server: installed, answered until something opens under it, then sent under; the endpoint stays", async (t) => {
  const bench = await dueBench();
  bench.control(1, INITIATION);
  const told = { kind: RESPONSE, body: Uint8Array.of(2), everyNs: 200e6 };
  t.same(bench.addon.changes(), { installed: [1, 2], control: told }, "and not sent under");
  t.match(bench.addon.sessions.get(2), { aead: 1, receiveLength: 472, receiveIntervalNs: 10e6 });
  bench.control(1, INITIATION);
  bench.control(1, INITIATION, Uint8Array.of(5));
  t.same(bench.addon.changes(), {}, "one initiation in a session");
  t.equal(bench.rekeys.length, 1);
  bench.opened(2, "203.0.113.9:1");
  t.strictSame(bench.addon.changes(), { control: null, sending: { generation: 2, announce: null } });
  t.same(bench.around.reports, [["rekeyed", null]]);
  await bench.around.time.pass(9_999);
  t.same(bench.addon.inForce.installed, [1, 2]);
  await bench.around.time.pass(2);
  t.same(bench.addon.inForce.installed, [2]);
  t.same(bench.rekeys[0]?.chain, new Uint8Array(32), "the old chain is zeroed");
  bench.control(2, INITIATION);
  t.equal(bench.rekeys.length, 2, "and again from the new session");
});

t.test("server: an initiation counts only under the current key, and only if it authenticates", async (t) => {
  const bench = await dueBench();
  bench.control(2, INITIATION);
  bench.control(1, RESPONSE);
  t.same(bench.addon.changes(), {});
  bench.control(1, INITIATION, Uint8Array.of(0xff));
  bench.control(1, INITIATION);
  t.same(bench.addon.changes(), {}, "it is not listened to again");
  await bench.around.time.pass(180_000);
  t.same(bench.around.reports, [["disconnected", "expired"]]);
  await bench.connect().catch(() => undefined);
  bench.control(1, INITIATION);
  t.same(bench.rekeys, []);
});

t.test("server: what replaces or ends a session ends its rekey", async (t) => {
  const fresh = await dueBench();
  fresh.control(1, INITIATION);
  fresh.initiate();
  fresh.opened(3);
  t.match(fresh.addon.inForce, { sending: { generation: 3 }, offer: null, control: null });
  t.same(fresh.addon.inForce.installed, [1, 3]);
  fresh.opened(2);
  t.same(
    fresh.around.reports.map(([name]) => name),
    ["disconnected", "connected"],
  );

  const closed = await dueBench();
  closed.control(1, INITIATION);
  closed.control(1, 4, new Uint8Array(0));
  closed.opened(2);
  t.same(closed.around.reports, [["disconnected", "peerClosed"]]);
  const stopped = await dueBench();
  stopped.control(1, INITIATION);
  stopped.machine.stop();
  t.equal(stopped.addon.inForce.control, null);
  t.same(stopped.addon.inForce.installed, [1], "what was pending is forgotten");
});

t.test("server: a rekey ends attempts that nobody goes on with", async (t) => {
  const bench = await dueBench();
  bench.control(1, INITIATION);
  bench.initiate();
  t.same(bench.addon.inForce.installed, [1, 2, 3]);
  bench.addon.changes();
  bench.opened(2);
  t.strictSame(bench.addon.changes(), {
    installed: [1, 2],
    sending: { generation: 2, announce: null },
    offer: null,
    control: null,
  });
  await bench.traffic(20_000);
  t.same(bench.addon.changes(), { installed: [2] }, "the schedule goes on");
  t.same(bench.around.reports, [["rekeyed", null]]);
});

t.test(
  "ages: 120 s, 4,096 slots of the slower direction, 2^26 slots of the faster; an expiry that doesn't change",
  async (t) => {
    const at = (up: number, down: number) => ({
      up: { ...wire.up, intervalNs: up },
      down: { ...wire.down, intervalNs: down },
    });
    t.equal(rekeyNs(at(10e6, 20e6)), 120e9);
    t.equal(rekeyNs(at(10e6, 1e9)), 4096e9);
    t.equal(rekeyNs(at(10e3, 10e3)), 120e9);
    t.equal(rekeyNs(at(1e9, 10e3)), 2 ** 26 * 10e3);
    t.equal(expiryNs(at(1e9, 10e3)), 1.5 * 4096e9);
    t.equal(resolveRekeyNs(null, wire), 120e9);
    t.equal(resolveRekeyNs(2e9, wire), 2e9);
    t.equal(leastRekeyNs(at(10e6, 20e6)), 1.28e9);
    t.equal(leastRekeyNs(at(10e3, 1e6)), 1e9);
    t.throws(() => resolveRekeyNs(1e9, wire), {
      code: "ERR_I405_OPTION",
      message: /at least 1s and 64 intervals, "1.28s"/,
    });
    t.throws(() => resolveRekeyNs(121e9, wire), { code: "ERR_I405_OPTION", message: /at most "2min"|at most "120s"/ });
  },
);
