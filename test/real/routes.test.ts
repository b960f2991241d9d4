/** Routes through the tunnel: a default route doesn't swallow the tunnel's own datagrams, and everything is taken back. */
import { existsSync } from "node:fs";
import t from "tap";
import { CaptureRun, flows } from "../../lab/host/capture.js";
import { NetnsPair, type Netns } from "../../lab/host/netns.js";
import { pingsAnswered, tcpSink, tcpSource } from "../../lab/host/traffic.js";
import { DEFAULT_FWMARK } from "../../lib/cli/tunnel-settings.js";
import { end, PORT, skip, Stage } from "./support.js";

/** Addresses of the server's beyond the cable, which only the tunnel leads to (TEST-NET-1, documentation prefix). */
const BEYOND = { v4: "192.0.2.1", v6: "2001:db8::1" };

function state(place: Netns): object[] {
  const look = (...args: string[]) => JSON.parse(place.exec(["ip", "-json", ...args]) || "[]") as object;
  return [4, 6].flatMap((family) => [look(`-${family}`, "rule"), look(`-${family}`, "route", "show", "table", "all")]);
}

for (const family of [4, 6] as const) {
  t.test(`a default route through a tunnel over IPv${family}`, { skip }, async (t) => {
    const stage = new Stage(t, { family });
    const { a, b } = stage;
    b.ip([`address add ${BEYOND.v4}/32 dev lo`, `address add ${BEYOND.v6}/128 dev lo nodad`]);
    // A way out of the machine that the tunnel's route has to go before, and that its own datagrams have to keep.
    a.ip([`route add default via ${b.ipv4}`, `route add default via ${b.ipv6}`]);
    const server = await stage.server();
    const before = state(a);
    const capture = await CaptureRun.start(b);
    const client = stage.client(["--route", "default"]);
    await Promise.all([client.event("routes"), client.event("connected"), server.event("connected")]);
    const way = (...args: string[]) => a.exec(["ip", "route", "get", ...args]);
    t.match(way(BEYOND.v4), / dev tun0 /, "everything goes into the tunnel");
    t.match(way(BEYOND.v4, "mark", String(DEFAULT_FWMARK)), / dev wire0 /, "but for what carries the mark");
    for (const to of [BEYOND.v4, BEYOND.v6]) {
      t.match(
        await pingsAnswered(a, { to, length: [84, 1400], count: 20, meanMs: 10 }),
        { received: 20, corrupt: 0 },
        to,
      );
    }
    const sink = await tcpSink(b, { listen: `${BEYOND.v4}:5001` });
    tcpSource(a, { to: sink.local, bytes: 500_000 });
    t.match(await sink.finished(), { bytes: 500_000, intact: true });
    const { code, stats } = await end(client);
    t.equal(code, 0);
    const { packets } = await capture.stop();
    const outside = packets.filter(
      ({ direction, protocol }) => direction === "in" && protocol !== 0 && protocol !== 58,
    );
    const up = flows(outside);
    t.equal(up.length, 1, "nothing left the client but the tunnel");
    t.match(up[0]!.packets[0], { destinationPort: PORT, protocol: 17 });
    t.equal(up[0]!.packets.length, stats.slots.sent);
    t.equal(stats.slots.sendErrors, 0);
    t.same(state(a), before, "rules and routes are as they were");
    t.equal((await end(server)).code, 0);
  });
}

t.test("prefixes through the tunnel, and a command that is killed", { skip }, async (t) => {
  const stage = new Stage(t);
  const { a, b } = stage;
  b.ip([`address add ${BEYOND.v4}/32 dev lo`, `address add ${BEYOND.v6}/128 dev lo nodad`]);
  const server = await stage.server();
  const before = state(a);
  const routes = ["--route", "192.0.2.0/24", "--route", "2001:db8::/32"];
  const client = stage.client(routes);
  await Promise.all([client.event("connected"), client.event("routes")]);
  for (const to of [BEYOND.v4, BEYOND.v6]) {
    t.match(await pingsAnswered(a, { to, count: 5, meanMs: 10 }), { received: 5 }, to);
  }
  // What goes the other way: the server's side routes too.
  t.equal((await end(client)).code, 0);
  t.same(state(a), before);

  const from = server.events.length;
  const killed = stage.client(["--route", "default", "--fwmark", "77"]);
  await Promise.all([killed.event("routes"), server.event("connected", from)]);
  t.match(a.exec(["ip", "rule"]), /not from all fwmark 0x4d lookup 77/);
  killed.kill("SIGKILL");
  await killed.exit;
  // What rules outlive a kill lead nowhere: the main table decides as before. The next run takes them over.
  t.match(a.exec(["ip", "route", "get", b.ipv4]), / dev wire0 /);
  const later = server.events.length;
  const next = stage.client(["--route", "default", "--fwmark", "77"]);
  await Promise.all([next.event("routes"), server.event("connected", later)]);
  t.match(await pingsAnswered(a, { to: BEYOND.v4, count: 5, meanMs: 10 }), { received: 5 });
  t.equal((await end(next)).code, 0);
  t.same(state(a), before, "and takes them back");
  t.equal((await end(server)).code, 0);
});

/** Makes packets of the tunnel leave through `device` under its own address, with the tool at hand; null without one. */
function natTool(): ((place: Netns, device: string) => void) | null {
  const has = (tool: string) => (process.env.PATH ?? "").split(":").some((folder) => existsSync(`${folder}/${tool}`));
  if (has("nft")) {
    return (place, device) => {
      place.exec(["nft", "add table ip i405"]);
      place.exec(["nft", "add chain ip i405 nat { type nat hook postrouting priority 100; }"]);
      place.exec(["nft", `add rule ip i405 nat ip saddr 10.140.5.0/24 oifname "${device}" masquerade`]);
    };
  }
  if (!has("iptables")) return null;
  const rule = ["-t", "nat", "-A", "POSTROUTING", "-s", "10.140.5.0/24"];
  return (place, device) => void place.exec(["iptables", ...rule, "-o", device, "-j", "MASQUERADE"]);
}

/** The project itself needs neither of the tools. */
const nat = natTool();
const noNat = nat === null ? "neither nft nor iptables" : false;

t.test("an exit node with NAT", { skip: skip || noNat }, async (t) => {
  const stage = new Stage(t);
  const { a, b } = stage;
  // The network behind the exit: another cable, one end of which moves to the server's namespace.
  const outside = new NetnsPair();
  t.teardown(() => outside.close());
  const internet = outside.b;
  outside.a.ip([`link set ${outside.a.device} netns ${b.name} name wire1`]);
  b.ip(["link set wire1 up", "address add 203.0.113.1/24 dev wire1"]);
  internet.ip([`address flush dev ${internet.device}`, `address add 203.0.113.2/24 dev ${internet.device}`]);
  b.exec(["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
  nat!(b, "wire1");

  const server = await stage.server();
  const client = stage.client(["--route", "default"]);
  await Promise.all([client.event("routes"), client.event("connected")]);
  const capture = await CaptureRun.start(internet);
  t.match(await pingsAnswered(a, { to: "203.0.113.2", length: [84, 1400], count: 20, meanMs: 10 }), { received: 20 });
  const sink = await tcpSink(internet, { listen: "203.0.113.2:5001" });
  tcpSource(a, { to: sink.local, bytes: 500_000 });
  t.match(await sink.finished(), { bytes: 500_000, intact: true, from: /^203\.0\.113\.1:/ });
  const { packets } = await capture.stop();
  const sources = new Set(
    packets.filter(({ version, direction }) => version === 4 && direction === "in").map(({ source }) => source),
  );
  t.same([...sources], ["203.0.113.1"], "the world sees the exit's address");
  t.equal((await end(client)).code, 0);
  t.equal((await end(server)).code, 0);
});
