/**
 * Nothing of the inside shows outside: neither a far end that forges sources nor a neighbour makes this machine speak from or
 * for its inner addresses on the outer wire, and a tunnel that is killed leaves nothing behind that does.
 */
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { CaptureRun, type Capture, type WirePacket } from "../../lab/host/capture.js";
import type { Netns } from "../../lab/host/netns.js";
import type { Program } from "../../lab/host/program.js";
import { icmpPing, tcpSink, tcpSource, udpEcho, udpPing, udpSend } from "../../lab/host/traffic.js";
import { end, INNER, node, passwordFile, PORT, seconds, skip, Stage } from "./support.js";

/** Whom the far end pretends to be: its own inner address, somebody far away, somebody on the outer network. */
const FORGED = {
  own: [INNER.server4, INNER.server6],
  far: ["198.51.100.99", "2001:db8::99"],
  near: ["10.201.0.77", "fd00:1405::77"],
};
const SOURCES = [...FORGED.own, ...FORGED.far, ...FORGED.near];
/** Where a program answers at every address of the machine. */
const OPEN = 7000;
const ROUNDS = 25;
const INSIDE = new Set([INNER.client4, INNER.client6]);
const RP_FILTERS = [0, 1, 2];

interface Asked {
  asked: number;
  round: number;
  answers: Record<string, number>;
}

const asked = (program: Program) => program.events.filter(({ event }) => event === "asked").at(-1) as Asked | undefined;

function setRpFilter(place: Netns, value: number): void {
  const files = ["all", "default", place.device, "tun0"].map((name) => `/proc/sys/net/ipv4/conf/${name}/rp_filter`);
  place.exec(["sh", "-c", `for file in ${files.join(" ")}; do echo ${value} > $file; done`]);
}

/** What left the client by the cable and is neither the tunnel's nor the cable's own (neighbours, groups). */
function strays({ packets }: Capture): WirePacket[] {
  return packets.filter(
    ({ direction, protocol, destinationPort }) =>
      direction === "in" && protocol !== 0 && protocol !== 58 && !(protocol === 17 && destinationPort === PORT),
  );
}

/** Also of ICMPv6, which the cable itself speaks: what is from an inner address. */
function inner({ packets }: Capture): WirePacket[] {
  return packets.filter(({ direction, source }) => direction === "in" && INSIDE.has(source));
}

/** A client of a server that forges, with somewhere else to send answers to, under each `rp_filter` in turn. */
async function underForgery(t: Test, flags: readonly string[], rpFilters = RP_FILTERS) {
  const stage = new Stage(t);
  const { a, b } = stage;
  a.ip([`route add default via ${b.ipv4}`, `route add default via ${b.ipv6}`]);
  // Who is on the cable is known, so that nothing stays away for want of a neighbour.
  const [{ address: hardware }] = JSON.parse(b.exec(["ip", "-json", "link", "show", b.device])) as [
    { address: string },
  ];
  a.ip([b.ipv4, b.ipv6, ...FORGED.near].map((each) => `neighbour replace ${each} lladdr ${hardware} dev ${a.device}`));
  const secret = passwordFile(stage.folder);
  const program = fileURLToPath(new URL("programs/forger.mjs", import.meta.url));
  const forger = node(b, [program, stage.endpoint, secret, INNER.client4, INNER.client6, ...SOURCES]);
  t.teardown(() => forger.stop());
  await forger.event("listening");
  const client = stage.client(flags);
  await Promise.all([forger.event("connected"), client.event("connected")]);
  const echo = await udpEcho(a, `[::]:${OPEN}`);
  const captures: Capture[] = [];
  for (const rpFilter of rpFilters) {
    setRpFilter(a, rpFilter);
    const capture = await CaptureRun.start(b);
    const from = asked(forger)?.round ?? 0;
    await forger.until("rounds", () => ((asked(forger)?.round ?? 0) >= from + ROUNDS ? true : undefined));
    captures.push(await capture.stop());
  }
  await echo.stop();
  const told = asked(forger)!;
  const { stats } = await end(client);
  const codes = client.events.filter(({ event }) => event === "warning").map(({ code }) => code);
  return { captures, told, stats, codes };
}

const WAYS = {
  "no route": [],
  "routed networks": ["--route", "192.0.2.0/24", "--route", "2001:db8:1::/48"],
  "a default route": ["--route", "default"],
};

for (const [way, flags] of Object.entries(WAYS)) {
  for (const any of [[], ["--allowed-ips", "any"]]) {
    const title = `promise: strong-host: a far end that forges, ${way}${any.length > 0 ? ", any source" : ""}`;
    t.test(title, { skip }, async (t) => {
      const { captures, told, stats, codes } = await underForgery(t, [...flags, ...any]);
      for (const [index, capture] of captures.entries()) {
        const outside = strays(capture).map(({ source, destination, protocol }) => ({ source, destination, protocol }));
        t.same(outside, [], `rp_filter ${RP_FILTERS[index]!}: nothing in the clear`);
        t.equal(inner(capture).length, 0);
        t.ok(capture.packets.length > 0);
      }
      t.ok(told.asked > 3 * ROUNDS * SOURCES.length, `${told.asked} were asked`);
      for (const own of FORGED.own)
        t.ok(told.answers[own]! > 0, `${told.answers[own]!} answers to ${own}, by the tunnel`);
      for (const near of FORGED.near) t.equal(told.answers[near], 0, near);
      const limited = way !== "a default route" && any.length === 0;
      t.equal(stats.inner.notAllowed! > 0, limited);
      t.equal(codes.includes("I405_NOT_ALLOWED"), limited);
      for (const far of FORGED.far) t.equal(told.answers[far]! > 0, way === "a default route", far);
    });
  }
}

t.test("without the rules a far end hears in the clear whatever it asks for", { skip }, async (t) => {
  const { captures, codes } = await underForgery(t, ["--no-strong-host", "--allowed-ips", "any"], [0]);
  const spoken = (version: number) =>
    new Set(
      inner(captures[0]!)
        .filter((packet) => packet.version === version)
        .map(({ protocol }) => protocol),
    );
  t.same([...spoken(4)].sort(), [1, 6], "echo replies and unreachable ports, resets");
  t.same([...spoken(6)].sort(), [58, 6]);
  const programs = strays(captures[0]!).filter(({ sourcePort }) => sourcePort === OPEN);
  t.same([...new Set(programs.map(({ version }) => version))].sort(), [4, 6], "and a program's answers");
  t.notOk(codes.includes("I405_STRONG_HOST"));
});

/** A neighbour who knows the inner addresses and has the machine as the way there. */
async function neighbour(t: Test, flags: readonly string[]) {
  const stage = new Stage(t);
  const { a, b } = stage;
  const secret = passwordFile(stage.folder);
  const program = fileURLToPath(new URL("programs/forger.mjs", import.meta.url));
  const server = node(b, [program, stage.endpoint, secret, INNER.client4, INNER.client6, INNER.server4]);
  t.teardown(() => server.stop());
  await server.event("listening");
  const client = stage.client(flags);
  await client.event("connected");
  const echo = await udpEcho(a, `[::]:${OPEN}`);
  const sinks = await Promise.all([
    tcpSink(a, { listen: `${INNER.client4}:5001`, connections: 20, seconds: 60 }),
    tcpSink(a, { listen: `[${INNER.client6}]:5001`, connections: 20, seconds: 60 }),
  ]);
  const results: { answers: number; connected: number; arp: string }[] = [];
  const capture = await CaptureRun.start(b);
  for (const rpFilter of RP_FILTERS) {
    setRpFilter(a, rpFilter);
    // By way of the machine, and as if the address were on the cable itself.
    for (const via of [`via ${a.ipv4}`, ""]) {
      b.ip([
        `route replace ${INNER.client4}/32 ${via} dev wire0`,
        `route replace ${INNER.client6}/128 via ${a.ipv6} dev wire0`,
      ]);
      let answers = 0;
      for (const [address, host] of [
        [INNER.client4, INNER.client4],
        [INNER.client6, `[${INNER.client6}]`],
      ] as const) {
        const few = { count: 5, meanMs: 5, timeoutMs: 200 };
        for (const port of [OPEN, 9]) {
          const { received, refused } = await udpPing(b, { to: `${host}:${port}`, ...few });
          answers += received + refused;
        }
        const { received } = await icmpPing(b, { to: address, ...few });
        answers += received;
      }
      const sources = [tcpSource(b, { to: sinks[0].local, bytes: 1 }), tcpSource(b, { to: sinks[1].local, bytes: 1 })];
      await seconds(0.5);
      const connected = sources.filter(({ events }) => events.length > 0).length;
      await Promise.all(sources.map((source) => source.stop("SIGKILL")));
      const arp = b.exec(["ip", "neigh", "show", INNER.client4]);
      results.push({ answers, connected, arp });
      b.ip(["neigh flush all"]);
    }
  }
  const captured = await capture.stop();
  await Promise.all([echo, ...sinks].map(({ program: each }) => each.stop()));
  await end(client);
  return { results, captured };
}

for (const [way, flags] of Object.entries(WAYS)) {
  t.test(`promise: strong-host: a neighbour gets no answer from an inner address, ${way}`, { skip }, async (t) => {
    const { results, captured } = await neighbour(t, flags);
    for (const { answers, connected, arp } of results) {
      t.same({ answers, connected }, { answers: 0, connected: 0 });
      t.notMatch(arp, /lladdr/, "nor the address of the interface that has it");
    }
    t.equal(inner(captured).length, 0);
    t.same(strays(captured), []);
  });
}

t.test("without the rules a neighbour gets them all", { skip }, async (t) => {
  const { results, captured } = await neighbour(t, ["--no-strong-host"]);
  const [viaMachine, onCable] = results;
  t.ok(viaMachine!.answers > 0);
  t.equal(viaMachine!.connected, 2);
  t.match(onCable!.arp, /lladdr/);
  t.ok(inner(captured).length > 0);
});

/** Programs that go on sending from the inner addresses of a client that ends so. */
async function afterTheEnd(t: Test, how: NodeJS.Signals, flags: readonly string[] = []) {
  const stage = new Stage(t);
  const { a, b } = stage;
  a.ip([`route add default via ${b.ipv4}`, `route add default via ${b.ipv6}`]);
  const server = await stage.server();
  const client = stage.client(flags);
  await Promise.all([server.event("connected"), client.event("connected")]);
  const capture = await CaptureRun.start(b);
  const sinks = await Promise.all([
    tcpSink(b, { listen: `${INNER.server4}:5001`, connections: 20, seconds: 60 }),
    tcpSink(b, { listen: `[${INNER.server6}]:5001`, connections: 20, seconds: 60 }),
  ]);
  const sources = sinks.map((sink) => tcpSource(a, { to: sink.local, seconds: 30 }));
  const lasting = { length: 100, pps: 100, seconds: 8 };
  const datagrams = [
    udpSend(a, { to: `${INNER.server4}:9`, bind: `${INNER.client4}:0`, ...lasting }),
    udpSend(a, { to: `[${INNER.server6}]:9`, bind: `[${INNER.client6}]:0`, ...lasting }),
  ];
  await seconds(1);
  if (how === "SIGKILL") {
    client.kill(how);
    await client.exit;
  } else {
    await end(client, how);
  }
  t.same(a.interfaces(), ["lo", "wire0"]);
  await seconds(5);
  const captured = await capture.stop();
  await Promise.all(sources.map((source) => source.stop("SIGKILL")));
  await Promise.allSettled(datagrams);
  await Promise.all(sinks.map(({ program }) => program.stop()));
  await end(server);
  return inner(captured);
}

for (const how of ["SIGKILL", "SIGTERM"] as const) {
  t.test(`promise: strong-host: within 5 s after ${how} nothing is sent from an inner address`, { skip }, async (t) => {
    t.equal((await afterTheEnd(t, how)).length, 0);
  });
}

t.test("without the rules IPv6 goes on in the clear", { skip }, async (t) => {
  const packets = await afterTheEnd(t, "SIGKILL", ["--no-strong-host"]);
  t.ok(packets.some(({ protocol }) => protocol === 17) && packets.some(({ protocol }) => protocol === 6));
});

t.test("the rules follow the interface and its addresses, and go with the tunnel", { skip }, async (t) => {
  const stage = new Stage(t);
  const { a, b } = stage;
  a.ip([`route add default via ${b.ipv4}`]);
  const server = await stage.server(["--allowed-ips", "any"]);
  const client = stage.client(["--allowed-ips", "any", "--keep-capabilities", "net-admin"]);
  await Promise.all([server.event("connected"), client.event("connected")]);
  const added = "10.99.0.1";
  b.ip([`route add ${added}/32 via ${a.ipv4} dev wire0`]);
  const heard = async () => (await icmpPing(b, { to: added, count: 5, meanMs: 5, timeoutMs: 200 })).received;
  a.ip([`address add ${added}/32 dev wire0`]);
  t.equal(await heard(), 5, "any other interface's address is as it was");
  a.ip([`address del ${added}/32 dev wire0`, `address add ${added}/32 dev tun0`]);
  await seconds(0.5);
  t.equal(await heard(), 0, "one that is added by hand is the tunnel's");
  a.ip([`address del ${added}/32 dev tun0`, `address add ${added}/32 dev wire0`]);
  await seconds(0.5);
  t.equal(await heard(), 5, "and no more when it has moved");
  const from = client.events.length;
  a.ip(["link del tun0"]);
  await client.until("the interface", () => client.events.slice(from).find(({ code }) => code === "I405_TUN_REMADE"));
  t.match(await icmpPing(b, { to: INNER.client4, count: 5, meanMs: 20 }), { received: 5 }, "made anew, it is heard");
  b.ip([`route add ${INNER.client4}/32 via ${a.ipv4} dev wire0`]);
  t.match(await icmpPing(b, { to: INNER.client4, count: 5, meanMs: 5, timeoutMs: 200 }), { received: 0 });
  t.equal((await end(client)).code, 0);
  a.ip([`address add ${INNER.client4}/32 dev wire0`, `address add ${INNER.client6}/128 dev wire0 nodad`]);
  t.match(await icmpPing(b, { to: INNER.client4, count: 5, meanMs: 5 }), { received: 5 }, "the addresses are free");
  b.ip([`route add ${INNER.client6}/128 via ${a.ipv6} dev wire0`]);
  await end(server);
  t.match(await icmpPing(b, { to: INNER.client6, count: 5, meanMs: 5 }), { received: 5 });
});

t.test("two tunnels of one machine, with the same addresses and with an interface's own", { skip }, async (t) => {
  const stage = new Stage(t);
  const { a, b, endpoint } = stage;
  const secret = ["--password-file", passwordFile(stage.folder)];
  const server = await stage.server();
  const client = stage.client();
  await Promise.all([server.event("connected"), client.event("connected")]);
  // A second pair, whose client has the first one's addresses.
  const other = endpoint.replace(/\d+$/, String(PORT + 1));
  const plain = ["--json", "--no-sched-fifo", ...secret, "--tun-name", "tun1"];
  const otherServer = node(b, mainOf("server", ...plain, "--listen-addr", other, "--tun-ipv4", "10.140.6.1/24"));
  await otherServer.event("listening");
  const same = ["--tun-ipv4", `${INNER.client4}/32`, "--tun-ipv6", `${INNER.client6}/128`];
  const otherClient = node(a, mainOf("client", ...plain, "--peer", other, ...same, "--route", "10.140.6.0/24"));
  await Promise.all([otherClient.event("routes"), otherClient.event("connected")]);
  b.ip([`route add ${INNER.client4}/32 dev tun0 table 7`, "rule add iif tun0 lookup 7"]);
  t.match(await icmpPing(a, { to: INNER.server4, count: 5, meanMs: 10 }), { received: 5 });
  const codes = (program: Program) => program.events.flatMap(({ code }) => (code === undefined ? [] : [code]));
  t.same(codes(otherClient), []);
  t.equal((await end(otherClient)).code, 0);
  // And one whose inner address is the cable's: it can't be kept to the tunnel, and the cable goes on.
  const shared = node(a, mainOf("client", ...plain, "--peer", other, "--tun-ipv4", `${a.ipv4}/32`));
  await shared.event("connected");
  t.same(codes(shared), ["I405_STRONG_HOST"]);
  t.match(await icmpPing(b, { to: a.ipv4, count: 5, meanMs: 5 }), { received: 5 });
  for (const program of [shared, client, otherServer, server]) t.equal((await end(program)).code, 0);
});

function mainOf(...args: string[]): string[] {
  return [fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url)), ...args];
}
