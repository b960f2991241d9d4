/** A tunnel in a program that makes mistakes, or does what is unusual: what it may call when, and what ends with it. */
import t, { type Test } from "tap";
import type { NativeTunnel } from "../../lib/native/tunnel.js";
import { I405Error } from "../../lib/common/errors.js";
import type { Parts } from "../../lib/tunnel/parts.js";
import { Tunnel } from "../../lib/tunnel/tunnel.js";
import { Simulation, turn } from "../../lab/fake/addon.js";
import { CONNECT, innerPacket, LISTEN, Pair, record } from "../../lab/fake/tunnel-pair.js";

const coded = (code: string) => ({ name: "I405Error", code });

/** Rejections that nobody handles, for as long as the test runs. */
function unhandled(t: Test): unknown[] {
  const seen: unknown[] = [];
  const listener = (reason: unknown): void => void seen.push(reason);
  process.on("unhandledRejection", listener);
  t.teardown(() => process.off("unhandledRejection", listener));
  return seen;
}

/** Parts whose tunnels tell how often they were closed; `opened` is called as the addon has opened one. */
function watched(simulation: Simulation, opened: () => void = () => undefined) {
  const closes: number[] = [];
  const parts: Parts = {
    ...simulation.parts(),
    loadAddon: () => {
      const addon = simulation.addon();
      const open = addon.open.bind(addon);
      addon.open = (options, onEvents): NativeTunnel => {
        const native = open(options, onEvents);
        const at = closes.push(0) - 1;
        const close = native.close.bind(native);
        native.close = () => {
          closes[at]! += 1;
          close();
        };
        opened();
        return native;
      };
      return Promise.resolve(addon);
    },
  };
  return { parts, closes };
}

t.test("a listener of any event may close the tunnel", async (t) => {
  const seen = unhandled(t);
  for (const name of ["connected", "warning", "deviation", "packet", "drain", "disconnected"] as const) {
    const pair = new Pair({ deviationInterval: "100ms" });
    const { client, simulation } = pair;
    const events = record(client);
    client.once(name, () => void client.close());
    pair.begin();
    await simulation.time.pass(1000);
    const native = simulation.tunnels.find(({ options }) => options.role === "client")!;
    native.emit({ type: "warning", code: "I405_UNHEARD_OF", message: "something", remedy: "nothing" });
    native.emit({ type: "packets", packets: [innerPacket(60)] });
    native.emit({ type: "drain" });
    await simulation.time.pass(10);
    if (name === "disconnected") void pair.server.close();
    await simulation.time.pass(5000);
    t.equal(client.state, "closed", name);
    t.equal(events.filter(([event]) => event === "close").length, 1);
    t.equal(events.at(-1)?.[0], "close", "nothing is told after the end");
    await pair.down();
  }
  t.same(seen, []);
});

t.test("a listener of error or close may close the tunnel and begin another", async (t) => {
  const seen = unhandled(t);
  const pair = new Pair();
  await pair.up();
  const { server, simulation } = pair;
  const again = new Tunnel({}, simulation.parts());
  const told: string[] = [];
  server.on("error", ({ code }) => {
    told.push(code);
    void server.close();
    t.throws(() => server.write(innerPacket(60)), coded("ERR_I405_CLOSED"));
    t.equal(server.stats().state, "closing");
    server.ref().unref();
  });
  server.on("close", () => {
    told.push("close");
    void server.close();
    // The address is free by now.
    again.listen(LISTEN).then(
      () => told.push("again"),
      (error: unknown) => t.fail(String(error)),
    );
  });
  simulation.tunnels[0]?.emit({ type: "failed", code: "ERR_I405_THREAD", detail: "gone" });
  await simulation.time.pass(100);
  t.same(told, ["ERR_I405_THREAD", "close", "again"]);
  t.same(seen, [], "an error that was heard is not in a promise as well");
  const closing = again.close();
  await simulation.time.pass(10);
  await closing;
  await pair.down();
});

t.test("a fatal error that nobody awaits ends no program, and whoever awaits it has it", async (t) => {
  const seen = unhandled(t);
  const pair = new Pair();
  await pair.up();
  pair.simulation.tunnels[0]?.emit({ type: "failed", code: "ERR_I405_THREAD", detail: "gone" });
  await pair.simulation.time.pass(100);
  const closing = pair.server.close();
  await turn();
  t.same(seen, []);
  await t.rejects(closing, coded("ERR_I405_THREAD"));
  await pair.down();
});

t.test("closed or aborted at any step of the opening: the addon's side goes too", async (t) => {
  const seen = unhandled(t);
  for (const how of ["close", "abort"] as const) {
    for (const delay of [0, 1, 2, 3, 4, 5, 6]) {
      for (const role of ["client", "server"] as const) {
        const simulation = new Simulation();
        const controller = new AbortController();
        const end = () => {
          if (how === "abort") controller.abort();
          else void tunnel.close();
        };
        const later = (turns: number): void => (turns === 0 ? end() : queueMicrotask(() => later(turns - 1)));
        const { parts, closes } = watched(simulation, () => queueMicrotask(() => later(delay)));
        const tunnel = new Tunnel({}, parts);
        const events = record(tunnel);
        const { signal } = controller;
        const opening =
          role === "client" ? tunnel.connect({ ...CONNECT, signal }) : tunnel.listen({ ...LISTEN, signal });
        await simulation.time.pass(3000);
        // A server that listened before it was closed has said so.
        await opening.catch((error: unknown) => {
          t.match(error, { code: how === "abort" ? "ERR_I405_ABORTED" : "ERR_I405_CLOSED" });
        });
        t.equal(tunnel.state, "closed", `${how} ${role} after ${delay}`);
        t.equal(closes.length, 1);
        t.ok(closes[0]! > 0, "it was closed");
        t.equal(simulation.tunnels[0]?.running, false);
        t.equal(events.filter(([event]) => event === "close").length, 1);
      }
    }
  }
  t.same(seen, []);
});

t.test("an opening that fails behind the addon's leaves nothing open", async (t) => {
  const simulation = new Simulation();
  const { parts, closes } = watched(simulation, () => {
    simulation.tunnels[0]!.localAddress = () => {
      throw new I405Error("ERR_I405_SYSTEM", "out of memory");
    };
  });
  const tunnel = new Tunnel({}, parts);
  await t.rejects(tunnel.listen(LISTEN), coded("ERR_I405_SYSTEM"));
  await simulation.time.pass(10);
  t.equal(tunnel.state, "closed");
  t.same(closes, [1]);
});

t.test("a second connect is refused and harms nothing, whatever the first has come to", async (t) => {
  const pair = new Pair();
  const first = pair.begin().connecting;
  await t.rejects(pair.client.connect(CONNECT), coded("ERR_I405_STATE"));
  await t.rejects(pair.client.listen(LISTEN), coded("ERR_I405_STATE"));
  await pair.simulation.time.pass(1000);
  await first;
  t.equal(pair.client.state, "connected");
  await pair.down();
  t.equal(pair.client.ref(), pair.client);
  t.equal(pair.client.unref(), pair.client);
  t.equal(pair.client.state, "closed");
});

t.test("await using: closed at the end of the block, also by an exception", async (t) => {
  const pair = new Pair();
  await pair.up();
  const using = (async () => {
    await using tunnel = pair.client;
    t.equal(tunnel.state, "connected");
    throw new Error("the block's own");
  })();
  const failed = t.rejects(using, /the block's own/);
  await pair.simulation.time.pass(2000);
  await failed;
  t.equal(pair.client.state, "closed");
  await pair.down();
});

t.test("a monitor of errors hears of them, and is no listener", async (t) => {
  const { errorMonitor } = await import("node:events");
  const pair = new Pair();
  await pair.up();
  const heard: string[] = [];
  (pair.server as unknown as NodeJS.EventEmitter).on(errorMonitor, ({ code }: I405Error) => heard.push(code));
  pair.simulation.tunnels[0]?.emit({ type: "failed", code: "ERR_I405_THREAD", detail: "gone" });
  await pair.simulation.time.pass(100);
  t.same(heard, ["ERR_I405_THREAD"]);
  await t.rejects(pair.server.close(), coded("ERR_I405_THREAD"), "nobody was told");
  await pair.down();
});

t.test("a closed tunnel that is kept keeps its figures and asks for no others", async (t) => {
  const pair = new Pair();
  await pair.up();
  pair.client.write(innerPacket(60));
  await pair.simulation.time.pass(200);
  await pair.down();
  const stats = pair.client.stats();
  t.equal(stats.inner.packetsSent, 1n);
  for (const native of pair.simulation.tunnels) native.stats = () => t.fail("asked again") as never;
  t.same(pair.client.stats(), stats);
});
