/** Paths of a client's attempts: lookups, interfaces, lengths, and when a longer one is tried again. */
import t from "tap";
import { ClientPaths, type PathParts } from "../../lib/session/client-paths.js";
import type { SocketAddress } from "../../lib/names/resolve.js";
import { SimulatedTime, turn } from "../../lab/fake/time.js";

const direction = { length: 1500, intervalNs: 10e6, jitterNs: 5e6, jitterShape: "cos4" as const };
const wire = { up: direction, down: { ...direction, length: 1300, intervalNs: 20e6 } };
const V4: SocketAddress = { address: "192.0.2.1", family: 4, port: 1405 };
const V6: SocketAddress = { address: "2001:db8::1", family: 6, port: 1405 };

function paths(more: Partial<PathParts> = {}): ClientPaths {
  return new ClientPaths({
    clock: new SimulatedTime().clock(),
    addresses: [V4],
    wire,
    routeMtu: () => 1500,
    lookUp: null,
    attemptNs: (up, down) => up.datagramLength + down.datagramLength,
    initiate: () => {
      throw new Error("not asked for");
    },
    ...more,
  });
}

t.test("a path: lengths cut, intervals as they were, UDP lengths by family", async (t) => {
  const two = paths({ addresses: [V4, V6] });
  t.match(two.first(), {
    endpoint: "192.0.2.1:1405",
    wire,
    up: { datagramLength: 1472, intervalNs: 10e6, jitterNs: 5e6, shape: "cos4" },
    attemptNs: 1472 + 1272,
  });
  t.match(two.next("unanswered"), { endpoint: "[2001:db8::1]:1405", up: { datagramLength: 1452 } });
  two.next("unanswered");
  two.next("unanswered");
  t.match(two.next("unanswered"), { wire: { up: { length: 1492 }, down: { length: 1300 } } });
  const narrow = paths({ routeMtu: () => 1280 });
  t.match(narrow.first(), {
    wire: { up: { length: 1280, intervalNs: 10e6 }, down: { length: 1280, intervalNs: 20e6 } },
  });
});

t.test("names: looked up while nobody answers, one lookup at a time, and nobody waits for it", async (t) => {
  const answers: ((addresses: SocketAddress[] | null) => void)[] = [];
  const looked = paths({
    lookUp: () =>
      new Promise((resolve, reject) => {
        answers.push((addresses) => {
          if (addresses === null) reject(new Error("no answer"));
          else resolve(addresses);
        });
      }),
  });
  const first = looked.first();
  looked.answered(first);
  t.equal(answers.length, 0, "not before it is needed");
  t.equal(looked.next("lost").endpoint, "192.0.2.1:1405");
  t.equal(looked.next("unanswered").endpoint, "192.0.2.1:1405");
  t.equal(answers.length, 1);
  answers[0]!(null);
  await turn();
  t.equal(looked.next("unanswered").endpoint, "192.0.2.1:1405", "the old address is better than none");
  t.equal(answers.length, 2);
  answers[1]!([{ ...V4, address: "198.51.100.9" }]);
  await turn();
  t.match(looked.next("unanswered"), { endpoint: "198.51.100.9:1405", wire: { up: { length: 1500 } } });
});

t.test("without any route an attempt proves nothing and costs no length", async (t) => {
  let mtu: number | null = 1500;
  const routed = paths({
    routeMtu: () => {
      if (mtu === null) throw new Error("Network is unreachable");
      return mtu;
    },
  });
  const first = routed.first();
  routed.answered(first);
  mtu = null;
  routed.next("lost");
  for (let attempts = 0; attempts < 20; attempts += 1) t.equal(routed.next("unanswered").wire.up.length, 1500);
  mtu = 1400;
  t.equal(routed.next("unanswered").wire.up.length, 1400);
});

t.test("climbing: after 10 minutes, then twice as long each time, at most a day", async (t) => {
  const time = new SimulatedTime();
  const climbing = paths({ clock: time.clock() });
  t.equal(climbing.answered(climbing.first()), null, "nothing to climb to");
  climbing.next("lost");
  climbing.next("unanswered");
  const short = climbing.next("unanswered");
  t.equal(short.wire.up.length, 1492);
  const minutes: number[] = [];
  for (let tries = 0; tries < 10; tries += 1) {
    minutes.push((climbing.answered(short) ?? 0) / 60_000);
    t.match(climbing.climb(), { endpoint: "192.0.2.1:1405", wire });
  }
  t.same(minutes, [10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440]);
  t.equal(climbing.answered(climbing.climb()), null);
  t.equal((climbing.answered(short) ?? 0) / 60_000, 10, "from the start");

  time.suspend(4 * 60_000);
  t.equal(climbing.next("lost").wire.up.length, 1492, "a lost session begins with what was answered last");
  t.equal((climbing.answered(short) ?? 0) / 60_000, 6, "another session doesn't put it off");
  time.suspend(6 * 60_000);
  t.equal(climbing.next("lost").wire.up.length, 1500, "and takes the chance if it is time");
});

t.test("a limit that a server names counts only where it granted more before", async (t) => {
  const limited = paths();
  const first = limited.first();
  t.notOk(limited.shorten(1400));
  limited.answered(first);
  t.ok(limited.shorten(1400));
  t.equal(limited.next("lost").wire.up.length, 1400);
});
