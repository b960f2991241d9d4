/** A server by its name: it moves while the resolver lies behind the tunnel. And by a link-local address. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { CaptureRun } from "../../lab/host/capture.js";
import { end, i405, INNER, node, PORT, skip, Stage, tunFlags } from "./support.js";

/** Of the resolver, beyond the cable (TEST-NET-1). */
const RESOLVER = "192.0.2.53";
const NAME = "home.test";

/** Answers for every name with the address that its file has; writes the name that it was asked for. */
const NAME_SERVER = `
  import { createSocket } from "node:dgram";
  import { readFileSync } from "node:fs";
  import { createRequire } from "node:module";
  const [file, resolver, root] = process.argv.slice(1);
  const { decode, encode } = createRequire(root)("dns-packet");
  const socket = createSocket("udp4");
  socket.on("message", (bytes, from) => {
    const { id, questions } = decode(bytes);
    const [{ name, type }] = questions;
    const answers = type === "A" ? [{ type, name, ttl: 1, data: readFileSync(file, "utf8").trim() }] : [];
    socket.send(encode({ type: "response", id, flags: 0x180, questions, answers }), from.port, from.address);
    console.log(JSON.stringify({ event: "asked", name }));
  });
  socket.bind(53, resolver, () => console.log(JSON.stringify({ event: "ready" })));
`;

t.test("promise: lookups-outside: a server that moved is found past a dead default route", { skip }, async (t) => {
  const stage = new Stage(t, { peer: `${NAME}:${PORT}` });
  const { a, b } = stage;
  const etc = `/etc/netns/${a.name}`;
  mkdirSync(etc, { recursive: true });
  t.teardown(() => rmSync(etc, { recursive: true, force: true }));
  writeFileSync(join(etc, "resolv.conf"), `nameserver ${RESOLVER}\noptions timeout:1 attempts:1\n`);
  writeFileSync(join(etc, "hosts"), "127.0.0.1 localhost\n");
  writeFileSync(join(etc, "nsswitch.conf"), "hosts: files dns\n");
  b.ip([`address add ${RESOLVER}/32 dev lo`, "address add 10.201.0.7/24 dev wire0"]);
  a.ip([`route add default via ${b.ipv4}`]);
  const file = join(stage.folder, "address");
  writeFileSync(file, b.ipv4);
  const names = node(b, ["--input-type=module", "-e", NAME_SERVER, file, RESOLVER, import.meta.url]);
  await names.event("ready");
  const capture = await CaptureRun.start(b);
  const server = await stage.server();
  const client = stage.client(["--route", "default", "--client-timeout", "2s", "--server-timeout", "2s"]);
  await Promise.all([client.event("connected"), client.event("routes")]);
  t.match(
    a.exec(["ip", "route", "get", RESOLVER]),
    / dev tun0 /,
    "for everybody else the resolver is behind the tunnel",
  );
  t.equal((await end(server)).code, 0);
  writeFileSync(file, "10.201.0.7");
  const from = client.events.length;
  const moved = i405(b, [
    ...["server", "--json", "--listen-addr", `10.201.0.7:${PORT}`, "--no-sched-fifo", ...tunFlags("server")],
    ...["--password-file", join(stage.folder, "password")],
  ]);
  const { endpoint } = await client.event<{ endpoint: string }>("connected", from);
  t.equal(endpoint, `10.201.0.7:${PORT}`);
  t.same([...new Set(names.events.filter(({ event }) => event === "asked").map(({ name }) => name))], [NAME]);
  const { packets } = await capture.stop();
  const questions = packets.filter(({ destination, direction }) => direction === "in" && destination === RESOLVER);
  t.ok(questions.length > 0);
  t.same(
    [...new Set(questions.map(({ source }) => source))],
    [a.ipv4],
    "from the outer address, none from the inner one",
  );
  for (const each of [client, moved]) t.equal((await end(each)).code, 0);
  await names.stop();
});

t.test("a link-local server, by the zone's name and number, with routes beside it", { skip }, async (t) => {
  const stage = new Stage(t);
  const { a, b } = stage;
  // Names with a dash are what bridges have.
  a.ip(["link set wire0 down", "link set wire0 name br-lan", "link set br-lan up"]);
  a.ip(["address add fe80::a/64 dev br-lan nodad"]);
  b.ip(["address add fe80::b/64 dev wire0 nodad"]);
  const secret = ["--json", "--no-sched-fifo", "--password-file", join(stage.folder, "password")];
  const server = i405(b, ["server", ...secret, "--listen-addr", `[fe80::b%wire0]:${PORT}`, ...tunFlags("server")]);
  const { localAddress } = await server.event<{ localAddress: string }>("listening");
  t.match(localAddress, /^\[fe80::b%\d+\]:1405$/);
  const index = (JSON.parse(a.exec(["ip", "-json", "link", "show", "br-lan"])) as { ifindex: number }[])[0]!.ifindex;
  for (const [zone, more] of [
    ["br-lan", ["--route", "2001:db8::/32"]],
    [String(index), []],
  ] as const) {
    const peer = `[fe80::b%${zone}]:${PORT}`;
    const client = i405(a, ["client", ...secret, "--peer", peer, ...tunFlags("client"), ...more]);
    const { endpoint } = await client.event<{ endpoint: string }>("connected");
    t.equal(endpoint, `[fe80::b%${index}]:${PORT}`);
    t.equal((await end(client)).code, 0);
  }
  t.equal((await end(server)).code, 0);
});

const LISTEN = `require("net").createServer().listen(9405, "::", () => console.log('{"event":"ready"}'))`;
/** Asks; the status, or 0 where nobody answers. */
const ASK = `fetch(process.argv[1]).then((got) => got.status, () => 0).then((status) => console.log(status))`;

t.test("metrics at the tunnel's inner addresses, also on an interface that was made again", { skip }, async (t) => {
  for (const address of [INNER.server4, `[${INNER.server6}]`]) {
    const stage = new Stage(t);
    const { b } = stage;
    const server = await stage.server(["--keep-capabilities", "net-admin", "--metrics", `${address}:9405`]);
    t.match(await server.event("metrics"), { address: `${address}:9405` });
    const ask = () =>
      b.exec(["env", "-u", "NODE_OPTIONS", process.execPath, "-e", ASK, `http://${address}:9405/healthz`]);
    t.equal(ask().trim(), "200");
    b.ip(["link del tun0"]);
    await server.until("I405_TUN_REMADE", () => server.events.find(({ code }) => code === "I405_TUN_REMADE"));
    t.equal(ask().trim(), "200", "and again");
    t.notMatch(JSON.stringify(server.events), /I405_METRICS_EXPOSED/);
    t.equal((await end(server)).code, 0);
    // Somebody else has the port, at every address: that shows when there is an address to bind to.
    const other = node(b, ["-e", LISTEN]);
    await other.event("ready");
    const refused = i405(b, [
      ...["server", "--json", "--no-sched-fifo", "--password-file", join(stage.folder, "password")],
      ...["--listen-addr", stage.endpoint, ...tunFlags("server"), "--metrics", `${address}:9405`],
    ]);
    t.equal((await refused.exit).code, 3);
    const told = refused.events.find(({ event }) => event === "error");
    t.match(told, { code: "ERR_I405_METRICS" }, "told");
    t.notOk(b.interfaces().includes("tun0"), "and nothing is left half open");
    await other.stop();
  }
});
