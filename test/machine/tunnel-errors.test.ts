/** The public class over the fake addon: what is refused, what fails, and how either is told. */
import t from "tap";
import { I405Error } from "../../lib/common/errors.js";
import { Tunnel } from "../../lib/tunnel/tunnel.js";
import { CLIENT_KEYS, CONNECT, innerPacket, LISTEN, Pair, record, SERVER } from "../../lab/fake/tunnel-pair.js";

const coded = (code: string) => ({ name: "I405Error", code });

t.test("a tunnel connects or listens once", async (t) => {
  const pair = new Pair();
  await pair.up();
  await t.rejects(pair.client.connect(CONNECT), coded("ERR_I405_STATE"));
  await t.rejects(pair.server.listen(LISTEN), coded("ERR_I405_STATE"));
  t.equal(pair.client.state, "connected", "which leaves it as it was");
  await pair.down();
  await t.rejects(pair.client.connect(CONNECT), coded("ERR_I405_STATE"));
});

t.test("a bad option leaves the tunnel as it was", async (t) => {
  const pair = new Pair();
  await t.rejects(pair.client.connect({ ...CONNECT, peer: "nowhere" }), { code: "ERR_I405_OPTION", option: "peer" });
  const twisted = { ...CLIENT_KEYS, peerPublicKey: "AAAA" };
  await t.rejects(pair.client.connect({ ...CONNECT, key: twisted }), {
    code: "ERR_I405_KEY",
    option: "key.peerPublicKey",
  });
  t.equal(pair.client.state, "new");
  await pair.up();
  await pair.down();
});

t.test("what the route forbids closes the tunnel", async (t) => {
  const pair = new Pair();
  pair.simulation.network.routeMtu = 1400;
  const failed = pair.client.connect({ ...CONNECT, down: { length: 1450 } });
  await t.rejects(failed, { code: "ERR_I405_OPTION", option: "down.length", message: /1400, the MTU of the route/ });
  t.equal(pair.client.state, "closed");
  t.equal(pair.simulation.tunnels.length, 0, "nothing was opened");
  await pair.client.close();
});

t.test("a wrong key: silence, one warning, and a timeout that says what to check", async (t) => {
  const pair = new Pair();
  const atServer = record(pair.server);
  const atClient = record(pair.client);
  const wrong = { ...CLIENT_KEYS, presharedKey: CLIENT_KEYS.privateKey };
  const { listening, connecting } = pair.begin({ key: wrong, connectTimeout: "30s" });
  await listening;
  await pair.simulation.time.pass(29_000);
  t.same(
    atClient.map(([name, value]) => [name, value.code]),
    [["warning", "I405_NO_ANSWER"]],
  );
  t.match(atClient[0]?.[1].remedy, /wrong key or password/);
  t.equal(pair.client.state, "connecting");
  await pair.simulation.time.pass(2000);
  await t.rejects(connecting, { code: "ERR_I405_CONNECT_TIMEOUT", message: /30000 ms/ });
  t.equal(pair.client.state, "closed");
  t.equal(
    pair.simulation.tunnels.some((each) => each.running),
    false,
    "the schedule ended",
  );
  t.same(atServer, [], "nothing reached the server");
  t.equal(
    pair.simulation.network.sent.some(({ from }) => from === SERVER),
    false,
    "and it sent nothing",
  );
  await pair.down();
});

t.test("a refusal names the limit and its figure", async (t) => {
  const cases = [
    [{ limits: { maxLength: 400 } }, /the length: at most 400 bytes/],
    [{ limits: { minInterval: "25ms" } }, /the interval: at least 25ms/],
    [{ limits: { maxRateUp: "10KiB/s" } }, /the bandwidth: at most 10KiB\/s \(10240 bytes\/s\)/],
  ] as const;
  for (const [listen, message] of cases) {
    const pair = new Pair();
    const errors = record(pair.client);
    const { connecting } = pair.begin({}, listen);
    await pair.simulation.time.until(() => pair.client.state === "closed", 20_000);
    await t.rejects(connecting, { code: "ERR_I405_REFUSED", message });
    t.same(
      errors.map(([name]) => name),
      ["error", "close"],
    );
    t.equal(pair.server.state, "listening");
    await pair.simulation.time.pass(10_000);
    t.equal(
      pair.simulation.tunnels.some((each) => each.running),
      false,
      "the refused schedule ended too",
    );
    await pair.client.close();
    await pair.down();
  }
});

t.test("an error that nobody listens to is kept for close()", async (t) => {
  const pair = new Pair();
  await pair.up();
  const [server] = pair.simulation.tunnels;
  server?.emit({ type: "failed", code: "ERR_I405_THREAD", detail: "the dispatcher died" });
  await pair.simulation.time.pass(100);
  t.equal(pair.server.state, "closed");
  await t.rejects(pair.server.close(), { code: "ERR_I405_THREAD", message: /dispatcher died/ });
  await t.resolves(pair.server.close(), "told once");
  await pair.down();
});

t.test("an error that somebody heard is not told again", async (t) => {
  const pair = new Pair();
  await pair.up();
  const heard = record(pair.server);
  pair.simulation.tunnels[0]?.emit({ type: "failed", code: "ERR_I405_THREAD", detail: "gone" });
  await pair.simulation.time.pass(100);
  t.same(
    heard.map(([name, value]) => [name, value.code]),
    [
      ["error", "ERR_I405_THREAD"],
      ["close", undefined],
    ],
  );
  await t.resolves(pair.server.close());
  await pair.down();
});

t.test("closing before and while connecting", async (t) => {
  const unused = new Pair();
  await unused.client.close();
  t.equal(unused.client.state, "closed");
  await unused.client[Symbol.asyncDispose]();

  const early = new Pair();
  const { connecting } = early.begin();
  const closing = early.client.close();
  await t.rejects(connecting, coded("ERR_I405_CLOSED"));
  await closing;
  t.equal(early.simulation.tunnels.filter((each) => each.options.role === "client").length, 0, "nothing was opened");
  await early.down();

  const later = new Pair();
  const under = later.client.connect(CONNECT);
  await later.simulation.time.pass(500);
  t.equal(later.client.state, "connecting");
  const end = later.client.close();
  await later.simulation.time.pass(100);
  await t.rejects(under, coded("ERR_I405_CLOSED"));
  await end;
  t.equal(later.simulation.tunnels[0]?.state.inForce.closed, false, "without a session there is nothing to close");
});

t.test("an AbortSignal ends the attempt, and later the tunnel", async (t) => {
  const before = new Pair();
  const reason = new Error("enough");
  await t.rejects(before.client.connect({ ...CONNECT, signal: AbortSignal.abort(reason) }), {
    code: "ERR_I405_ABORTED",
    cause: reason,
  });
  t.equal(before.client.state, "closed");

  const during = new Pair();
  const controller = new AbortController();
  const connecting = during.client.connect({ ...CONNECT, signal: controller.signal });
  await during.simulation.time.pass(300);
  controller.abort();
  await during.simulation.time.pass(100);
  await t.rejects(connecting, coded("ERR_I405_ABORTED"));
  t.equal(during.client.state, "closed");

  const after = new Pair();
  const late = new AbortController();
  const errors = record(after.client);
  await after.up({ signal: late.signal });
  late.abort();
  await after.simulation.time.pass(1000);
  t.equal(after.client.state, "closed");
  t.same(
    errors.map(([name]) => name),
    ["connected", "close"],
  );
  t.equal(after.server.state, "listening", "the server was told");
  await after.down();
});

t.test("a listener that throws doesn't break the tunnel", async (t) => {
  const pair = new Pair();
  const thrown = new Error("a listener's own");
  const caught: unknown[] = [];
  process.once("uncaughtException", (error) => caught.push(error));
  pair.client.on("connected", () => {
    throw thrown;
  });
  const others = record(pair.client);
  await pair.up();
  await pair.simulation.time.pass(100);
  t.same(caught, [thrown], "it is thrown again, outside");
  t.same(
    others.map(([name]) => name),
    ["connected"],
    "the other listeners were called",
  );
  t.equal(pair.client.write(innerPacket(60)), true);
  await pair.down();
});

t.test("an addon that throws ends its tunnel and not the program", async (t) => {
  const pair = new Pair();
  await pair.up();
  const heard = record(pair.client);
  const native = pair.simulation.tunnels.find((each) => each.options.role === "client")!;
  native.repeatControl = () => {
    throw new Error("a panic");
  };
  // A rekey is begun by a timer.
  await pair.simulation.time.pass(200_000);
  t.same(
    heard.map(([name, value]) => [name, value.code]),
    [
      ["error", "ERR_I405_INTERNAL"],
      ["close", undefined],
    ],
  );
  await pair.down();
});

t.test("a server without a route to its client for a moment goes on", async (t) => {
  const pair = new Pair();
  const addon = pair.simulation.addon();
  const server = new Tunnel(
    {},
    pair.simulation.parts({
      ...addon,
      routeMtu: () => {
        throw new I405Error("ERR_I405_ROUTE", "no route");
      },
    }),
  );
  await server.listen(LISTEN);
  const connecting = pair.client.connect(CONNECT);
  await pair.simulation.time.until(() => server.state === "connected", 5000);
  t.equal((await connecting).endpoint, SERVER);
  const closing = server.close();
  await pair.simulation.time.pass(500);
  await closing;
  await pair.down();
});

t.test("warnings of the addon: what happened, and what to do", async (t) => {
  const pair = new Pair();
  await pair.up();
  const heard = record(pair.server);
  const warning = {
    code: "I405_UNHEARD_OF",
    message: "SCHED_FIFO was refused. It matters",
    remedy: "Give node CAP_SYS_NICE. Or say schedFifo: false",
  };
  pair.simulation.tunnels[0]?.emit({ type: "warning", ...warning });
  await pair.simulation.time.pass(10);
  t.same(heard[0]?.[1], warning);
  await pair.down();
});

t.test("two spinny tunnels on one core are refused", async (t) => {
  const spinny = { pollMode: "spinny", cpu: 1 } as const;
  const pair = new Pair(spinny);
  const listening = pair.server.listen(LISTEN);
  await t.rejects(pair.client.connect(CONNECT), { code: "ERR_I405_CPU_IN_USE", option: "cpu", message: /core 1/ });
  await listening;
  const elsewhere = new Tunnel({ ...spinny, cpu: 0 }, pair.simulation.parts());
  const sleepy = new Tunnel({ cpu: 1 }, pair.simulation.parts());
  await elsewhere.listen({ ...LISTEN, address: "127.0.0.1:1406" });
  await sleepy.listen({ ...LISTEN, address: "127.0.0.1:1407" });
  const closing = [pair.server.close(), elsewhere.close(), sleepy.close()];
  await pair.simulation.time.pass(10);
  await Promise.all(closing);
  const again = new Tunnel(spinny, pair.simulation.parts());
  await t.resolves(again.listen(LISTEN), "the core is free again");
  const end = again.close();
  await pair.simulation.time.pass(10);
  await end;
});

t.test("an address in use", async (t) => {
  const pair = new Pair();
  await pair.server.listen(LISTEN);
  await t.rejects(pair.client.listen(LISTEN), coded("ERR_I405_ADDRESS_IN_USE"));
  t.equal(pair.client.state, "closed");
  await pair.down();
});

t.test("write: what it refuses", async (t) => {
  const pair = new Pair();
  t.throws(() => pair.client.write(innerPacket(60)), coded("ERR_I405_STATE"));
  t.throws(() => pair.client.write("text" as any), { code: "ERR_I405_OPTION", option: "packet" });
  const tun = new Tunnel({ device: { tun: { name: "tun-i405" } } }, pair.simulation.parts());
  t.throws(() => tun.write(innerPacket(60)), coded("ERR_I405_DEVICE"));
  t.throws(() => tun.stream(), coded("ERR_I405_DEVICE"));
  t.throws(() => tun[Symbol.asyncIterator](), coded("ERR_I405_DEVICE"));
  await tun.listen(LISTEN);
  t.equal(tun.deviceName, "tun-i405");
  const closing = tun.close();
  await pair.simulation.time.pass(10);
  await closing;
});
