/** The client's machine alone: what it has the addon do, and when. */
import t, { type Test } from "tap";
import type { NativeEvent } from "../../lib/native/events.js";
import { I405Error } from "../../lib/common/errors.js";
import { fragmentCount } from "../../lib/session/times.js";
import { ClientBench as Bench, keys, SERVER, up, wire } from "../../lab/fake/client-bench.js";

/** 5 s + 4 x (4 fragments x 10 ms + 3 fragments x 20 ms). */
const ATTEMPT_MS = 5400;

/** Generation 1 is over, and an attempt takes its place. What else has changed. */
function lost(t: Test, bench: Bench): object {
  const { installed, sending, silenceNs, stamps, offer, ...others } = bench.addon.changes();
  t.strictSame({ installed, sending, silenceNs }, { installed: [], sending: null, silenceNs: null });
  t.same([stamps, offer?.stamp], [bench.stamps.slice(-1), bench.stamps.at(-1)]);
  return others;
}

t.test("start: the schedule at once, then the carousel", async (t) => {
  const { machine, around, addon, stamps } = new Bench();
  const wallMs = around.clock.wallMs();
  machine.start();
  t.same(addon.changes(), {
    schedule: { ...up, firstDeadlineNs: null, endpoint: SERVER },
    schedules: 1,
    stamps: [wallMs],
    offer: { kind: 1, version: 1, stamp: wallMs, message: Uint8Array.of(0), every: 1, endpoint: SERVER },
  });
  t.same(around.reports, [], `nothing to report with ${stamps.length} attempts`);
});

t.test("attempts: their length, their stamps, the two newest", async (t) => {
  t.equal(fragmentCount(472, 1344), 4);
  const bench = new Bench();
  const { around } = bench;
  bench.machine.start();
  await around.time.pass(ATTEMPT_MS - 1);
  t.equal(bench.attempts.length, 1);
  await around.time.pass(1);
  t.equal(bench.attempts.length, 2);
  t.same(around.reports, [["warning", "I405_NO_ANSWER"]]);
  await around.time.pass(2 * ATTEMPT_MS);
  t.equal(bench.attempts.length, 4);
  t.same(bench.addon.inForce.stamps, bench.stamps.slice(2));
  t.equal(bench.addon.inForce.offer?.stamp, bench.stamps[3]);
  t.same(
    bench.attempts.map(({ destroyed }) => destroyed),
    [true, true, false, false],
  );
  t.equal(around.reports.length, 1, "warned once");
  const [first = 0, second = 0] = bench.stamps;
  t.equal(second - first, ATTEMPT_MS + 1, "wall clock, or last + time passed + 1");
});

t.test("promise: clock-set-back: stamps grow while the wall clock goes back or stands still", async (t) => {
  const bench = new Bench();
  bench.machine.start();
  bench.around.time.wallBaseMs -= 3_600_000;
  bench.around.time.suspend(60_000);
  await bench.around.time.pass(ATTEMPT_MS);
  const [first = 0, second = 0] = bench.stamps;
  t.equal(second - first, ATTEMPT_MS + 60_000 + 1);
});

t.test("stamps follow a wall clock that goes on", async (t) => {
  const bench = new Bench();
  bench.machine.start();
  bench.around.time.wallBaseMs += 1_000_000;
  await bench.around.time.pass(ATTEMPT_MS);
  const [first = 0, second = 0] = bench.stamps;
  t.equal(second - first, ATTEMPT_MS + 1_000_000);
});

t.test("accepted: the new key opens and is sent under, and the carousel ends", async (t) => {
  const bench = new Bench();
  const session = keys(7);
  bench.outcome = () => ({ verdict: "accepted", session });
  bench.machine.start();
  bench.addon.changes();
  bench.respond();
  t.same(bench.addon.changes(), {
    installed: [1],
    sending: { generation: 1, announce: bench.stamps[0] },
    stamps: [],
    offer: null,
    silenceNs: 10e9,
  });
  t.match(bench.addon.sessions.get(1), { aead: 1, receiveLength: 472, receiveIntervalNs: 20e6 });
  t.same(session.up.key, new Uint8Array(32), "our copy of the keys is zeroed");
  t.same(bench.around.reports, [["connected", { endpoint: SERVER, wire, cipher: "aes-256-gcm" }]]);
  await bench.around.time.pass(60_000);
  t.equal(bench.attempts.length, 1, "no further attempt");
});

t.test("the older of two attempts may be answered", async (t) => {
  const bench = new Bench();
  bench.machine.start();
  await bench.around.time.pass(ATTEMPT_MS);
  bench.respond(bench.stamps[0]);
  t.same(bench.addon.inForce.sending, { generation: 1, announce: bench.stamps[0] });
  t.ok(bench.attempts[1]?.destroyed);
});

t.test("what doesn't authenticate or isn't ours changes nothing", async (t) => {
  const bench = new Bench();
  bench.machine.start();
  bench.addon.changes();
  bench.respond(1234);
  bench.outcome = () => {
    throw new I405Error("ERR_I405_HANDSHAKE", "does not authenticate");
  };
  bench.respond();
  bench.opened(1);
  const control = (kind: number): NativeEvent => ({ type: "control", generation: 1, kind, body: new Uint8Array(0) });
  bench.machine.handle(control(4));
  bench.machine.handle({ type: "silent", forNs: 10n });
  bench.machine.handle({ type: "heard" });
  bench.machine.handle({ type: "exhausted", generation: 1 });
  t.same(bench.addon.changes(), {});
  t.same(bench.around.reports, []);
  bench.outcome = () => ({ verdict: "accepted", session: keys(1) });
  bench.respond();
  t.equal(bench.around.reports[0]?.[0], "connected", "and a later copy still counts");
});

t.test("a refusal is fatal and names the figure", async (t) => {
  const cases = [
    ["length", 1200, /length: at most 1200 bytes/],
    ["interval", 1_500_000, /interval: at least 1\.5ms/],
    ["bandwidth", 102_400, /bandwidth: at most 100KiB\/s/],
    ["notUnderstood", 0, /did not understand/],
  ] as const;
  for (const [verdict, limit, message] of cases) {
    const bench = new Bench();
    bench.outcome = () => ({ verdict, limit });
    bench.machine.start();
    bench.respond();
    t.match(bench.around.reports, [["failed", { code: "ERR_I405_REFUSED", message }]]);
  }
  const bench = new Bench();
  bench.outcome = () => {
    throw new I405Error("ERR_I405_RESPONSE", "an AEAD that nobody offered");
  };
  bench.machine.start();
  bench.respond();
  t.match(bench.around.reports, [["failed", { code: "ERR_I405_RESPONSE" }]]);
});

t.test("a length that is refused later: a shorter one, and further copies of the refusal are for nobody", async (t) => {
  const shorten = { shorten: () => true, answered: () => null };
  const bench = new Bench((only) => ({ ...shorten, next: () => only, climb: () => only }));
  bench.machine.start();
  await bench.around.time.pass(ATTEMPT_MS);
  bench.around.reports.length = 0;
  const [older, refused] = bench.stamps;
  const refuse = (stamp: number) => {
    bench.outcome = () => ({ verdict: "length", limit: 1400 });
    bench.respond(stamp);
    // What a handshake that is over has to say.
    bench.outcome = () => {
      throw new I405Error("ERR_I405_NOISE", "This HandshakeState is destroyed");
    };
    bench.addon.changes();
    bench.respond(stamp);
    t.same([bench.around.reports, bench.addon.changes()], [[], {}]);
  };
  refuse(refused!);
  t.equal(bench.stamps.length, 3);
  refuse(older!);
  t.equal(bench.stamps.length, 4);
  bench.outcome = () => ({ verdict: "accepted", session: keys(1) });
  bench.respond(bench.stamps[2]);
  t.equal(bench.around.reports[0]?.[0], "connected", "the attempts since are still good");
});

t.test("another version: both are named", async (t) => {
  const bench = new Bench();
  bench.machine.start();
  const told = (stamp: number): NativeEvent => ({
    type: "handshake",
    kind: 3,
    version: 3,
    stamp,
    message: Uint8Array.of(2, 3),
    source: SERVER,
    datagramLength: 472,
    receivedNs: 0n,
  });
  bench.machine.handle(told(1));
  t.same(bench.around.reports, [], "not for a stamp of ours");
  bench.machine.handle(told(bench.stamps[0]!));
  const message = /versions 2 to 3 .* this client version 1/;
  t.match(bench.around.reports, [["failed", { code: "ERR_I405_PROTOCOL_VERSION", message }]]);
});

t.test("silence: a carousel beside the old keys, ended by a datagram that opens", async (t) => {
  const bench = new Bench();
  bench.connect();
  bench.machine.handle({ type: "silent", forNs: 10_000_000_000n });
  const { stamps, offer, ...others } = bench.addon.changes();
  t.same([stamps, offer?.stamp], [bench.stamps.slice(1), bench.stamps[1]]);
  t.same(others, {}, "no key is forgotten");
  t.same(bench.around.reports.splice(0), [["silent", 10_000]]);
  bench.machine.handle({ type: "heard" });
  t.same(bench.addon.changes(), { stamps: [], offer: null });
  t.same(bench.around.reports.splice(0), [["heard", null]]);
  bench.respond();
  t.same(bench.addon.changes(), {}, "a late response is not for us any more");
  await bench.around.time.pass(30_000);
  t.equal(bench.attempts.length, 2, "one for each carousel");
});

t.test("silence: a new session replaces the old one, whose key opens for a while", async (t) => {
  const bench = new Bench();
  bench.connect();
  bench.machine.handle({ type: "silent", forNs: 10_000_000_000n });
  bench.around.reports.length = 0;
  bench.addon.changes();
  bench.respond();
  t.same(
    bench.around.reports.map(([name]) => name),
    ["disconnected", "connected"],
  );
  t.equal(bench.around.reports[0]?.[1], "replaced");
  t.equal(bench.addon.inForce.sending?.generation, 2);
  t.same(bench.addon.inForce.installed, [1, 2]);
  await bench.around.time.pass(20_000);
  t.same(bench.addon.inForce.installed, [1, 2], "not before the new key is in use over there");
  bench.opened(2);
  await bench.around.time.pass(9_999);
  t.same(bench.addon.inForce.installed, [1, 2]);
  await bench.around.time.pass(2);
  t.same(bench.addon.inForce.installed, [2]);
});

t.test("promise: sessions-expire: 1.5 x 120 s after the initiation was made, by CLOCK_BOOTTIME", async (t) => {
  const bench = new Bench();
  bench.machine.start();
  await bench.around.time.pass(1000);
  bench.respond();
  bench.around.reports.length = 0;
  await bench.around.time.pass(178_990);
  t.same(bench.around.reports, []);
  t.not(bench.addon.inForce.control, null, "a rekey is under way");
  bench.addon.changes();
  await bench.around.time.pass(20);
  t.same(bench.around.reports, [["disconnected", "expired"]]);
  t.same(lost(t, bench), { control: null }, "the rekey was in vain");
  bench.respond();
  t.same(bench.addon.inForce.installed, [2], "generations only rise");
});

t.test("expiry: a suspended machine's sessions age all the same", async (t) => {
  const bench = new Bench();
  bench.connect();
  await bench.around.time.pass(10_000);
  bench.around.time.suspend(3_600_000);
  await bench.around.time.pass(5001);
  t.same(bench.around.reports, [["disconnected", "expired"]]);
});

t.test("expiry: an answer that is read after a long sleep begins nothing but another attempt", async (t) => {
  const bench = new Bench();
  const session = keys(7);
  bench.outcome = () => ({ verdict: "accepted", session });
  bench.machine.start();
  bench.around.time.suspend(200_000);
  bench.addon.changes();
  bench.respond();
  const { stamps, offer, ...others } = bench.addon.changes();
  t.same([stamps, offer?.stamp, others], [bench.stamps.slice(1), bench.stamps[1], {}]);
  t.same(session.up.key, new Uint8Array(32), "its keys are zeroed");
  t.equal(bench.attempts.length, 2);
  bench.outcome = () => ({ verdict: "accepted", session: keys(8) });
  bench.respond();
  t.same(
    bench.around.reports.map(([name]) => name),
    ["connected"],
  );
});

t.test("exhausted, and closed by the server: a fresh handshake on the same schedule", async (t) => {
  const events: [NativeEvent, string][] = [
    [{ type: "exhausted", generation: 1 }, "exhausted"],
    [{ type: "control", generation: 1, kind: 4, body: new Uint8Array(0) }, "peerClosed"],
  ];
  for (const [event, reason] of events) {
    const bench = new Bench();
    bench.connect();
    bench.machine.handle(event);
    bench.machine.handle(event);
    t.same(bench.around.reports, [["disconnected", reason]]);
    t.same(lost(t, bench), {}, "the schedule goes on");
  }
});

t.test("an event of an older session doesn't touch the newer", async (t) => {
  const bench = new Bench();
  bench.connect();
  bench.machine.handle({ type: "silent", forNs: 1n });
  bench.respond();
  bench.addon.changes();
  bench.around.reports.length = 0;
  bench.machine.handle({ type: "control", generation: 1, kind: 4, body: new Uint8Array(0) });
  bench.machine.handle({ type: "exhausted", generation: 1 });
  t.same(bench.addon.changes(), {});
  t.same(bench.around.reports, []);
});

t.test("stop: nothing is left running, nothing is reported", async (t) => {
  const bench = new Bench();
  bench.machine.start();
  t.same(bench.machine.stop(), { timing: up, session: false });
  bench.respond();
  await bench.around.time.pass(60_000);
  t.equal(bench.attempts.length, 1);
  t.ok(bench.attempts[0]?.destroyed);
  t.same(bench.around.reports, []);

  const running = new Bench();
  running.connect();
  t.same(running.machine.stop(), { timing: up, session: true });
  await running.around.time.pass(600_000);
  t.same(running.around.reports, []);
});
