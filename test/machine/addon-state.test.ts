/** What the fake of the addon keeps of commands, and which it refuses. */
import t from "tap";
import { AddonState } from "../../lab/fake/addon-state.js";
import type { NativeSession } from "../../lib/native/tunnel.js";
import { keys, SERVER, up } from "../../lab/fake/client-bench.js";

const SCHEDULE = { ...up, firstDeadlineNs: null, endpoint: SERVER };
const OFFER = { kind: 1, version: 1, stamp: 5, message: Uint8Array.of(0), every: 1, endpoint: SERVER } as const;
const CONTROL = { kind: 1, body: Uint8Array.of(0), everyNs: 200e6 };

function session(generation: number, from = keys(7)): NativeSession {
  return { generation, aead: 1, ...from.forRole("client"), receiveLength: 472, receiveIntervalNs: 20e6 };
}

function begun(): AddonState {
  const addon = new AddonState();
  addon.startSchedule(SCHEDULE);
  addon.changes();
  return addon;
}

t.test("a command that changes nothing is no change; what begins again is one", (t) => {
  const addon = begun();
  addon.stopOffer();
  addon.endAt(null);
  addon.expectStamps([]);
  addon.watchSilence(null);
  addon.repeatControl(null);
  t.same(addon.changes(), {});
  addon.offer(OFFER);
  addon.watchSilence(1e9);
  t.same(addon.changes(), { offer: OFFER, silenceNs: 1e9 });
  addon.offer(OFFER);
  addon.watchSilence(1e9);
  t.same(addon.changes(), { offer: OFFER, silenceNs: 1e9 });
  addon.startSchedule(SCHEDULE);
  t.same(addon.changes(), { schedules: 2 });
  t.end();
});

t.test("a schedule: an end from before is the old one's; a redirected one is the same, and its carousel empty", (t) => {
  const addon = begun();
  addon.endAt(9n);
  addon.startSchedule(SCHEDULE);
  t.equal(addon.inForce.endNs, null);
  addon.endAt(10n);
  addon.offer(OFFER);
  addon.redirect("192.0.2.9:1", 300);
  const schedule = { ...SCHEDULE, endpoint: "192.0.2.9:1", datagramLength: 300 };
  t.match(addon.inForce, { schedule, schedules: 2, endNs: 10n, offer: null });
  addon.scheduleEnded();
  addon.endAt(11n);
  t.match(addon.inForce, { schedule: null, endNs: null });
  t.end();
});

t.test("a generation: forgotten while it is sent under, a throwaway key takes over", (t) => {
  const addon = begun();
  const given = keys(7);
  addon.install(session(1, given));
  given.destroy();
  t.same(addon.sessions.get(1)?.send.key, new Uint8Array(32).fill(7), "it has copies of its own");
  addon.sendUnder(1, 5);
  addon.ask(1, SERVER);
  addon.opened(1);
  t.same(addon.inForce.sending, { generation: 1, announce: null });
  addon.believed(null, SERVER);
  t.equal(addon.inForce.asked, null);
  addon.install(session(2));
  addon.forget(1);
  t.match(addon.inForce, { sending: null });
  t.same(addon.inForce.installed, [2]);
  t.end();
});

t.test("refused: orders that don't come to the same", (t) => {
  const refused: [RegExp, (addon: AddonState) => void][] = [
    [/sendUnder: generation 1 is not installed/, (addon) => addon.sendUnder(1, null)],
    [/ask: generation 1 is not installed/, (addon) => addon.ask(1, SERVER)],
    [/forget: generation 1 was never installed/, (addon) => addon.forget(1)],
    [/offer: there is no schedule/, () => new AddonState().offer(OFFER)],
    [/redirect: there is no schedule/, () => new AddonState().redirect(SERVER, 300)],
    [/repeatControl: there is no schedule/, () => new AddonState().repeatControl(CONTROL)],
    [
      /install: generation 1 is not above 1/,
      (addon) => {
        addon.install(session(1));
        addon.forget(1);
        addon.install(session(1));
      },
    ],
    [
      /install: generation 4 would push out 1/,
      (addon) => {
        for (const generation of [1, 2, 3, 4]) addon.install(session(generation));
      },
    ],
    [
      /install: the keys of generation 1 are zeroed/,
      (addon) => {
        const given = keys(7);
        const zeroed = session(1, given);
        given.destroy();
        addon.install(zeroed);
      },
    ],
    [
      /sendUnder: .* already sent under/,
      (addon) => {
        addon.install(session(1));
        addon.sendUnder(1, null);
        addon.sendUnder(1, null);
      },
    ],
    [
      /sendUnder: generation 1 would repeat a control block/,
      (addon) => {
        addon.install(session(1));
        addon.repeatControl(CONTROL);
        addon.sendUnder(1, null);
      },
    ],
  ];
  for (const [message, act] of refused) {
    t.throws(
      () => {
        act(begun());
      },
      { code: "ERR_I405_ARGUMENT", message },
    );
  }
  t.end();
});
