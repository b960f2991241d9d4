/** Whatever happens to interfaces, addresses and the path: the client's schedule goes on, and traffic comes back. */
import t, { type Test } from "tap";
import { cutCable, moveClient, narrowCable, newCable } from "../../lab/host/cable.js";
import { Program, type ProgramEvent } from "../../lab/host/program.js";
import { Relay } from "../../lab/host/relay.js";
import { testkit } from "../../lab/host/testkit.js";
import { pingsAnswered } from "../../lab/host/traffic.js";
import { end, INNER, PORT, seconds, skip, Stage, type TunnelSetup } from "./support.js";

const TIMEOUTS = ["--client-timeout", "1s", "--server-timeout", "1s"];
const WIRE = ["--up-packet-interval", "4ms", "--down-packet-interval", "4ms", ...TIMEOUTS];
const RELAY_PORT = 1406;

interface Connected extends ProgramEvent {
  wire: { up: { length: number; intervalNs: number }; down: { length: number } };
}

async function up(t: Test, setup: TunnelSetup = {}) {
  const stage = new Stage(t, { client: WIRE, ...setup });
  const both = await stage.connect();
  t.match(await ping(stage), { received: 10, corrupt: 0 }, "before");
  return { stage, ...both };
}

const ping = (stage: Stage, length = 84) =>
  pingsAnswered(stage.a, { to: INNER.server4, length, count: 10, meanMs: 20, timeoutMs: 3000 });

/** A warning of this code, from the `from`-th event on. */
const warning = (program: Program, code: string, from = 0) =>
  program.until(code, () =>
    program.events.slice(from).find((event) => event.event === "warning" && event.code === code),
  );

/** Ends both. The client's schedule lasted from its first to its last slot: nothing but single slots is missing. */
async function finish(t: Test, client: Program, server: Program, startMs: number): Promise<number> {
  const elapsedMs = performance.now() - startMs;
  const { code, stats } = await end(client);
  t.equal(code, 0);
  const slots = elapsedMs / 4;
  t.ok(stats.slots.sent + stats.slots.missed > 0.9 * slots, `${stats.slots.sent} slots of ${slots.toFixed(0)}`);
  t.equal((await end(server)).code, 0);
  return stats.slots.sendErrors;
}

t.test("a TUN interface that somebody deletes is made again, with its routes", { skip }, async (t) => {
  const kept = ["--keep-capabilities", "net-admin"];
  const stage = new Stage(t, { client: [...WIRE, "--route", "10.77.0.0/16", "--persistent"], server: kept });
  const { server, client } = await stage.connect();
  const startMs = performance.now();
  const routed = () => stage.a.exec(["ip", "route", "show", "10.77.0.0/16"]);
  t.match(routed(), /dev tun0/);
  for (const round of [1, 2]) {
    const from = client.events.length;
    stage.a.ip(["link delete tun0"]);
    await warning(client, "I405_TUN_REMADE", from);
    await client.event("routes", from);
    t.match(routed(), /dev tun0/, `round ${round}`);
    t.match(stage.a.exec(["ip", "address", "show", "tun0"]), /mtu 1420[^]*10\.140\.5\.2\/24[^]*fd00:140::2\/64/);
    t.match(await ping(stage), { received: 10, corrupt: 0 });
  }
  stage.b.ip(["link delete tun0"]);
  await warning(server, "I405_TUN_REMADE");
  t.match(await ping(stage), { received: 10, corrupt: 0 }, "the server's too");
  t.notOk(client.events.some(({ event }) => event === "silent"));
  t.equal(await finish(t, client, server, startMs), 0);
});

t.test("promise: comes-back: the network is gone for a while, interface and addresses", { skip }, async (t) => {
  const { stage, client, server } = await up(t);
  const startMs = performance.now();
  const from = client.events.length;
  cutCable(stage.pair);
  await client.event("silent", from);
  await seconds(1);
  newCable(stage.pair);
  const { wire } = await client.event<Connected>("connected", from);
  t.equal(wire.up.length, 1500, "no network is no reason for shorter datagrams");
  t.match(await ping(stage), { received: 10, corrupt: 0 });
  t.ok((await finish(t, client, server, startMs)) > 0, "slots that the kernel refused, counted");
});

t.test("the client's address changes", { skip }, async (t) => {
  const { stage, client, server } = await up(t);
  const startMs = performance.now();
  const from = server.events.length;
  moveClient(stage.pair, "10.201.0.77");
  // Whichever comes first: it follows the session, or a new one comes from there.
  const { endpoint } = await server.until("the new address", () =>
    server.events.slice(from).find(({ event }) => event === "roamed" || event === "connected"),
  );
  t.match(endpoint, /^10\.201\.0\.77:/);
  t.match(await ping(stage), { received: 10, corrupt: 0 });
  await finish(t, client, server, startMs);
});

t.test("an address of its own that is gone for a while", { skip }, async (t) => {
  const { stage, client, server } = await up(t, { client: [...WIRE, "--local-addr", "10.201.0.1:0"] });
  const startMs = performance.now();
  const from = client.events.length;
  stage.a.ip(["address delete 10.201.0.1/24 dev wire0", "address add 10.201.0.77/24 dev wire0"]);
  await client.event("silent", from);
  await warning(client, "I405_SEND_FAILED", from);
  stage.a.ip(["address add 10.201.0.1/24 dev wire0"]);
  await client.event("connected", from);
  t.match(await ping(stage), { received: 10, corrupt: 0 });
  t.ok((await finish(t, client, server, startMs)) > 0, "slots that the kernel refused, counted");
});

t.test("interfaces that carry 1280 bytes only", { skip }, async (t) => {
  const { stage, client, server } = await up(t);
  const startMs = performance.now();
  const from = client.events.length;
  narrowCable(stage.pair, 1280);
  const { wire } = await client.event<Connected>("connected", from);
  t.match(wire, { up: { length: 1280, intervalNs: 4_000_000 }, down: { length: 1280 } });
  t.match(await ping(stage, 1400), { received: 10, corrupt: 0 });
  await finish(t, client, server, startMs);
});

t.test("a path that swallows what is longer than 1280 bytes", { skip }, async (t) => {
  const stage = new Stage(t, { client: WIRE, peer: `10.201.0.1:${RELAY_PORT}` });
  const relay = await Relay.start(stage.a, { listen: `10.201.0.1:${RELAY_PORT}`, to: stage.endpoint });
  const { server, client } = await stage.connect();
  const startMs = performance.now();
  const from = client.events.length;
  await relay.set("both", { longest: 1280 });
  const { wire } = await client.event<Connected>("connected", from);
  t.match(wire, { up: { length: 1280, intervalNs: 4_000_000 }, down: { length: 1280 } });
  t.match(await ping(stage, 1400), { received: 10, corrupt: 0 });
  await finish(t, client, server, startMs);
  await relay.stop();
});

t.test("a process that is stopped for longer than its timeout", { skip }, async (t) => {
  const { stage, client, server } = await up(t);
  const from = [client.events.length, server.events.length];
  client.kill("SIGSTOP");
  await server.event("disconnected", from[1]);
  client.kill("SIGCONT");
  await server.event("connected", from[1]);
  t.match(await ping(stage), { received: 10, corrupt: 0 });
  t.equal((await end(client)).code, 0);
  t.equal((await end(server)).code, 0);
});

t.test("promise: icmp-ignored: ICMP from a stranger changes no length, now or later", { skip }, async (t) => {
  const { stage, client, server } = await up(t);
  const startMs = performance.now();
  const listed = stage.a.exec(["ss", "-Hnua"]);
  const port = /:(\d+)\s+0\.0\.0\.0:\*/.exec(listed)?.[1] ?? "0";
  const lie = ["--victim", `10.201.0.1:${port}`, "--peer", `10.201.0.2:${PORT}`, "--mtu", "600"];
  const liar = new Program(stage.b, [testkit("icmp-too-big"), ...lie]);
  await liar.event("done");
  t.match(stage.a.exec(["ip", "route", "get", "10.201.0.2"]), /mtu 600/, "the kernel believes it");
  t.match(await ping(stage, 1400), { received: 10, corrupt: 0 });
  t.equal(await finish(t, client, server, startMs), 0);

  const again = await stage.server();
  const next = stage.client();
  const { wire } = await next.event<Connected>("connected");
  t.match(stage.a.exec(["ip", "route", "get", "10.201.0.2"]), /mtu 600/);
  t.equal(wire.up.length, 1500, "the default of a new client");
  await end(next);
  await end(again);
});
