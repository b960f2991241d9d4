/** What outlives a program: the file, stamps that grow whatever the clock does, a floor that is on disk first. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import t from "tap";
import { FloorKeeper } from "../../lib/handshake/floor.js";
import { StampSource } from "../../lib/handshake/stamps.js";
import { StateFile, type SavedState } from "../../lib/handshake/state-file.js";
import { Tunnel } from "../../lib/tunnel/tunnel.js";
import { SimulatedTime } from "../../lab/fake/time.js";
import { CONNECT, LISTEN, Pair, record, SERVER } from "../../lab/fake/tunnel-pair.js";

const YEAR_MS = 365 * 86_400_000;
const ERROR = "ERR_I405_STATE_FILE";

t.test("what was written is read, and nothing else is left in the folder", async (t) => {
  const folder = t.testdir();
  const file = join(folder, "tunnel.state");
  const state = new StateFile(file, "client");
  t.equal(state.read(), null);
  for (const stampMs of [1, 2 ** 48 - 2, 1_700_000_000_123]) {
    state.write({ stampMs, boottimeMs: 77 });
    t.same(new StateFile(file, "client").read(), { stampMs, boottimeMs: 77 });
  }
  t.same(readdirSync(folder), ["tunnel.state"]);
  t.equal(statSync(file).mode & 0o777, 0o600);
});

t.test("files that can't be trusted are refused, and left as they are", async (t) => {
  const folder = t.testdir();
  const good = `{"i405":"state","version":1,"role":"server","stampMs":5,"boottimeMs":6}\n`;
  const cases: [string, RegExp][] = [
    ["", /holds no state/],
    ["\0\0\0\0", /holds no state/],
    ["null", /holds no state/],
    ["[]", /holds no state/],
    [good.slice(0, 30), /holds no state/],
    [good.replace("state", "else"), /holds no state/],
    [good.replace('"version":1', '"version":2'), /holds no state/],
    [good.replace(":5,", ":-5,"), /holds no state/],
    [good.replace(":5,", ":5.5,"), /holds no state/],
    [good.replace(":5,", ":281474976710656,"), /holds no state/],
    [good.replace(":5,", ":281474976710655,"), /the greatest stamp that there is, 281474976710655\. .*remove the file/],
    [good + " ".repeat(5000), /holds no state/],
    [good.replace("server", "client"), /belongs to a client, this is a server/],
  ];
  const file = join(folder, "state");
  for (const [text, message] of cases) {
    writeFileSync(file, text, { mode: 0o600 });
    t.throws(() => new StateFile(file, "server").read(), { code: ERROR, option: "stateFile", message });
    t.equal(readFileSync(file, "utf8"), text);
  }
  writeFileSync(file, good);
  for (const mode of [0o620, 0o602, 0o666]) {
    chmodSync(file, mode);
    t.throws(() => new StateFile(file, "server").read(), { code: ERROR, message: /other users .*chmod 600/ });
  }
  chmodSync(file, 0o644);
  t.same(new StateFile(file, "server").read(), { stampMs: 5, boottimeMs: 6 }, "it is no secret");
  symlinkSync(file, join(folder, "link"));
  mkdirSync(join(folder, "folder"));
  // A pipe that nobody writes into would be waited for.
  t.equal(spawnSync("mkfifo", [join(folder, "pipe")]).status, 0);
  for (const name of ["link", "folder", "pipe"]) {
    t.throws(() => new StateFile(join(folder, name), "server").read(), { code: ERROR, message: /no ordinary file/ });
  }
  const nowhere = new StateFile(join(folder, "missing", "state"), "server");
  t.equal(nowhere.read(), null);
  t.throws(() => nowhere.write({ stampMs: 1, boottimeMs: 1 }), { code: ERROR, message: /can't be written/ });
});

const cannotGiveAway = process.geteuid?.() === 0 ? false : "only root can give files away";

t.test("a file of another user's is refused, unless the folder is his as well", { skip: cannotGiveAway }, async (t) => {
  const folder = t.testdir();
  const file = join(folder, "state");
  const state = new StateFile(file, "server");
  state.write({ stampMs: 5, boottimeMs: 6 });
  const other = 65534;
  chownSync(file, other, other);
  const message = /belongs to another user \(uid 65534\)\. Look at it, and run: chown 0 /;
  t.throws(() => state.read(), { code: ERROR, option: "stateFile", message });
  // As after `--user`: he could have taken it away.
  chownSync(folder, other, other);
  t.same(state.read(), { stampMs: 5, boottimeMs: 6 });
  chownSync(file, 0, 0);
  t.same(state.read(), { stampMs: 5, boottimeMs: 6 });
});

/** A store in memory; `broken` while it can't be written. */
class Store {
  state: SavedState | null = null;
  writes = 0;
  broken = false;
  read(): SavedState | null {
    return this.state;
  }
  write(state: SavedState): void {
    if (this.broken) throw new Error("no space left");
    this.writes += 1;
    this.state = state;
  }
}

t.test(
  "promise: clock-set-back: stamps grow over restarts and reboots, with a clock set back or forward by years",
  async (t) => {
    const time = new SimulatedTime();
    const store = new Store();
    const stamps: number[] = [];
    const next = (source = new StampSource(time.clock(), store)) => stamps.push(source.next().stamp);
    next();
    time.wallBaseMs -= 10 * YEAR_MS;
    await time.pass(5000);
    next();
    t.equal(stamps[1]! - stamps[0]!, 5001, "the time that has passed, by the other clock");
    const source = new StampSource(time.clock(), store);
    next(source);
    next(source);
    // A reboot: CLOCK_BOOTTIME begins anew, the battery of the clock is empty.
    const rebooted = new SimulatedTime();
    rebooted.wallBaseMs = 0;
    stamps.push(new StampSource(rebooted.clock(), store).next().stamp);
    rebooted.wallBaseMs = 1_700_000_000_000 + 20 * YEAR_MS;
    stamps.push(new StampSource(rebooted.clock(), store).next().stamp);
    t.equal(stamps.at(-1), rebooted.clock().wallMs(), "and follow a clock that is ahead");
    rebooted.wallBaseMs -= 20 * YEAR_MS;
    stamps.push(new StampSource(rebooted.clock(), store).next().stamp);
    t.same(
      stamps,
      [...new Set(stamps)].sort((one, other) => one - other),
    );
    t.equal(store.state?.stampMs, stamps.at(-1), "kept before it is used");
  },
);

t.test("without a store a restart forgets, and a store that fails is told", async (t) => {
  const time = new SimulatedTime();
  const first = new StampSource(time.clock()).next().stamp;
  time.wallBaseMs -= YEAR_MS;
  t.ok(new StampSource(time.clock()).next().stamp < first);
  const store = new Store();
  store.broken = true;
  const source = new StampSource(time.clock(), store);
  const { stamp, failure } = source.next();
  t.match(failure, { message: "no space left" });
  t.ok(source.next().stamp > stamp);
});

t.test("a floor begins 5 s before the start, or where it was", async (t) => {
  const time = new SimulatedTime();
  const store = new Store();
  const begun = new FloorKeeper(time.clock(), store);
  t.equal(begun.floorMs, time.clock().wallMs() - 5000);
  t.equal(store.state?.stampMs, begun.floorMs, "what can't be written shows at the start");
  t.equal(begun.raise(begun.floorMs + 100), null);
  time.wallBaseMs -= YEAR_MS;
  t.equal(new FloorKeeper(time.clock(), store).floorMs, begun.floorMs);
  time.wallBaseMs += 5 * YEAR_MS;
  t.equal(new FloorKeeper(time.clock(), store).floorMs, begun.floorMs, "not above what was acted on either");
  t.equal(begun.raise(3), null);
  t.equal(store.state?.stampMs, begun.floorMs, "never down");
  const full = Object.assign(new Store(), { broken: true });
  t.throws(() => new FloorKeeper(new SimulatedTime().clock(), full), /no space left/);
});

t.test("what a client says in each datagram is written once a second at most", async (t) => {
  const time = new SimulatedTime();
  const store = new Store();
  const floor = new FloorKeeper(time.clock(), store);
  const begin = floor.floorMs;
  for (let each = 1; each <= 300; each += 1) {
    floor.raiseLater(begin + Math.floor(each / 2));
    await time.pass(10);
  }
  t.equal(store.writes, 1 + 2);
  t.equal(floor.floorMs, begin + 150);
  t.equal(floor.flush(), null);
  t.equal(store.state?.stampMs, begin + 150);
  await time.pass(5000);
  t.equal(store.writes, 1 + 3, "and nothing is left to write");
});

/** A server that listens with this state file, and what became of a recorded handshake that somebody sent to it. */
async function replayTo(pair: Pair, stateFile: string | undefined, recorded: Pair["simulation"]["network"]["sent"]) {
  const { simulation } = pair;
  const server = new Tunnel({}, simulation.parts());
  await server.listen({ ...LISTEN, ...(stateFile === undefined ? {} : { stateFile }) });
  const before = simulation.network.sent.length;
  for (const datagram of recorded) simulation.network.deliver({ ...datagram, from: "127.0.0.1:6666" });
  await simulation.time.pass(10_000);
  const sent = simulation.network.sent.length - before;
  const closing = server.close();
  await simulation.time.pass(1000);
  await closing;
  return sent;
}

t.test(
  "promise: state-file: an initiation replayed after a restart starts nothing where the floor was kept",
  async (t) => {
    for (const kept of [true, false]) {
      const stateFile = kept ? join(t.testdir(), "server.state") : undefined;
      const pair = new Pair();
      await pair.up({}, stateFile === undefined ? {} : { stateFile });
      const { sent } = pair.simulation.network;
      const recorded = sent.filter(({ to, content }) => to === SERVER && content.type === "handshake");
      await pair.down();
      // The clock went back: without the file, the recording is from the future and good.
      pair.simulation.time.wallBaseMs -= YEAR_MS;
      const answered = await replayTo(pair, stateFile, recorded);
      if (kept) t.equal(answered, 0);
      else t.ok(answered > 0, "which is what the file is for");
    }
  },
);

t.test("a client whose clock was set back gets in again with its file, and not without", async (t) => {
  for (const kept of [true, false]) {
    const stateFile = kept ? join(t.testdir(), "client.state") : undefined;
    const connect = stateFile === undefined ? {} : { stateFile };
    const pair = new Pair();
    await pair.up(connect);
    const closing = pair.client.close();
    await pair.simulation.time.pass(2000);
    await closing;
    pair.simulation.time.wallBaseMs -= YEAR_MS;
    const client = new Tunnel({}, pair.simulation.parts());
    const connecting = client.connect({ ...CONNECT, ...connect });
    connecting.catch(() => undefined);
    await pair.simulation.time.until(() => client.state === "connected", 15_000);
    t.equal(client.state, kept ? "connected" : "connecting");
    const ends = [client.close(), pair.server.close()];
    await pair.simulation.time.pass(2000);
    await Promise.allSettled(ends);
  }
});

t.test("a server that can't keep its floor lets nobody in, and says why", async (t) => {
  const folder = t.testdir({ inside: {} });
  const stateFile = join(folder, "inside", "state");
  const pair = new Pair();
  const listening = pair.server.listen({ ...LISTEN, stateFile });
  const seen = record(pair.server);
  await pair.simulation.time.pass(100);
  await listening;
  rmSync(join(folder, "inside"), { recursive: true });
  const connecting = pair.client.connect(CONNECT);
  await pair.simulation.time.pass(4000);
  t.equal(pair.simulation.network.sent.filter(({ from }) => from === SERVER).length, 0);
  t.match(seen, [["warning", { code: "I405_STATE_FILE", message: /can't be written/ }]]);
  mkdirSync(join(folder, "inside"));
  await pair.simulation.time.until(() => pair.server.state === "connected", 15_000);
  t.equal(pair.server.state, "connected", "as soon as it can");
  await connecting;
  await pair.down();

  const early = new Pair();
  const failing = early.server.listen({ ...LISTEN, stateFile: join(folder, "nowhere", "state") });
  await t.rejects(failing, { code: ERROR, option: "stateFile" });
  t.equal(early.simulation.tunnels.length, 0, "nothing was opened");
});
