/** What can't be had: a message of one or two lines with a stable code, an exit code, and nothing left behind. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { EXIT_MACHINE, EXIT_PEER, EXIT_USAGE } from "../../lib/cli/exit-codes.js";
import { CaptureRun, flows } from "../../lab/host/capture.js";
import type { Netns } from "../../lab/host/netns.js";
import { end, FAST, i405, passwordFile, skip, Stage, tunFlags } from "./support.js";

interface Refusal {
  code: number;
  /** `ERR_I405_...` */
  error: string;
  message: RegExp;
}

/** Runs a command that has to be refused: what it says, and that its namespace is as it was. */
async function refused(t: Test, place: Netns, args: string[], expected: Refusal): Promise<void> {
  const name = args.join(" ");
  const before = place.exec(["ip", "-json", "address"]);
  const program = i405(place, args);
  t.same(await program.exit, { code: expected.code, signal: null }, name);
  const lines = program.stderr.trimEnd().split("\n");
  t.match(lines[0], new RegExp(`^i405 ${args[0]!}: .*\\(${expected.error}\\)$`));
  t.match(lines[0], expected.message);
  t.ok(lines.length <= 2, "two lines at most");
  t.same(JSON.parse(place.exec(["ip", "-json", "address"])), JSON.parse(before), "nothing is left behind");
}

t.test("what is in use, and what isn't there", { skip }, async (t) => {
  const stage = new Stage(t);
  const { server, client } = await stage.connect();
  const { a, b, endpoint } = stage;
  const secret = ["--password-file", passwordFile(stage.folder)];
  const listen = ["server", ...secret, "--no-sched-fifo", "--listen-addr"];
  const connect = ["client", ...secret, "--no-sched-fifo", "--peer"];
  const otherPort = endpoint.replace(/\d+$/, "1406");
  a.ip(["tuntap add taken0 mode tap"]);

  await refused(t, b, [...listen, endpoint, ...tunFlags("server", 1420, "tun1")], {
    code: EXIT_MACHINE,
    error: "ERR_I405_ADDRESS_IN_USE",
    message: /--listen-addr: .*10\.201\.0\.2:1405/,
  });
  await refused(t, b, [...listen, otherPort, ...tunFlags("server")], {
    code: EXIT_MACHINE,
    error: "ERR_I405_TUN_IN_USE",
    message: /--tun-name: .*tun0/,
  });
  await refused(t, b, [...listen, "10.201.0.77:1405", ...tunFlags("server", 1420, "tun1")], {
    code: EXIT_MACHINE,
    error: "ERR_I405_ADDRESS",
    message: /--listen-addr: .*10\.201\.0\.77:1405/,
  });
  for (const name of ["wire0", "taken0"]) {
    await refused(t, a, [...connect, endpoint, ...tunFlags("client", 1420, name)], {
      code: EXIT_MACHINE,
      error: "ERR_I405_TUN_IN_USE",
      message: new RegExp(`--tun-name: .*${name} exists already`),
    });
  }
  await refused(t, a, [...connect, "192.0.2.1:1405", ...tunFlags("client", 1420, "tun1")], {
    code: EXIT_MACHINE,
    error: "ERR_I405_ROUTE",
    message: /--peer: .*192\.0\.2\.1/,
  });
  await refused(t, a, [...connect, endpoint, ...tunFlags("client", 1420, "tun1"), "--local-addr", `${a.ipv4}:99999`], {
    code: EXIT_USAGE,
    error: "ERR_I405_OPTION",
    message: /--local-addr: /,
  });
  await refused(t, a, [...connect, endpoint, ...tunFlags("client", 1420, "tun1"), "--up-packet-length", "1501"], {
    code: EXIT_USAGE,
    error: "ERR_I405_OPTION",
    message: /--up-packet-length: .*1501.*1500/,
  });
  await refused(t, a, [...connect, endpoint, "--device", "fd:9"], {
    code: EXIT_MACHINE,
    error: "ERR_I405_DEVICE_FD",
    message: /--device: .*9/,
  });
  await refused(t, a, [...connect, endpoint, ...tunFlags("client", 1420, "tun1"), "--cpu", "4095"], {
    code: EXIT_MACHINE,
    error: "ERR_I405_CPU",
    message: /--cpu: .*4095/,
  });
  await refused(t, a, [...connect, endpoint, ...tunFlags("client", 1420, "tun1"), "--route", "10.201.0.0/24"], {
    code: EXIT_USAGE,
    error: "ERR_I405_OPTION",
    message: /--route: .*10\.201\.0\.2/,
  });
  // The interface is there when the kernel refuses the route, which it has already: the interface has to go again.
  a.ip([`route add 198.51.100.0/24 via ${stage.b.ipv4}`]);
  await refused(t, a, [...connect, endpoint, ...tunFlags("client", 1420, "tun1"), "--route", "198.51.100.0/24"], {
    code: EXIT_MACHINE,
    error: "ERR_I405_ROUTE_SETUP",
    message: /--route: .*198\.51\.100\.0\/24/,
  });
  const openKey = join(stage.folder, "open");
  writeFileSync(openKey, "secret-secret-secret\n", { mode: 0o644 });
  await refused(t, a, ["client", "--password-file", openKey, "--peer", endpoint, ...tunFlags("client")], {
    code: EXIT_USAGE,
    error: "ERR_I405_SECRET_FILE",
    message: /--password-file: .*chmod 600/,
  });

  // All the while the tunnel that was there first went on.
  t.same(
    client.events.map(({ event }) => event),
    ["connecting", "privileges", "connected"],
  );
  t.equal((await end(client)).code, 0);
  t.equal((await end(server)).code, 0);
});

t.test("a server's limits", { skip }, async (t) => {
  const limits = [
    ["--max-packet-length", "1000", "--min-packet-interval", "2ms"],
    ["--max-up-speed", "300KB/s", "--max-down-speed", "200KB/s"],
  ].flat();
  const stage = new Stage(t, { server: limits, client: [] });
  const server = await stage.server();
  const password = ["--password-file", passwordFile(stage.folder)];
  const connect = ["client", ...password, "--no-sched-fifo", "--peer", stage.endpoint, ...tunFlags("client")];
  const length = (bytes: number) =>
    ["--up-packet-length", "--down-packet-length"].flatMap((flag) => [flag, String(bytes)]);
  const capture = await CaptureRun.start(stage.b, { udpPort: 1405 });
  for (const [args, message] of [
    [[...length(1001), "--up-speed", "100KB/s"], /length.*1000 bytes/],
    [[...length(200), ...FAST], /interval.*2ms/],
    [[...length(1000), "--up-speed", "310KB/s", "--down-speed", "100KB/s"], /bandwidth.*300000|300/],
    [[...length(1000), "--up-speed", "100KB/s", "--down-speed", "210KB/s"], /bandwidth.*200000|200/],
  ] as const) {
    await refused(t, stage.a, [...connect, ...args], { code: EXIT_PEER, error: "ERR_I405_REFUSED", message });
  }
  const { packets } = await capture.stop();
  const asked = [1001, 200, 1000, 1000];
  for (const flow of flows(packets.filter(({ protocol, direction }) => protocol === 17 && direction === "out"))) {
    t.equal(flow.lengths.length, 1, "refusals look like anything else");
    t.ok(asked.includes(flow.lengths[0]!) || flow.lengths[0] === 1000);
  }
  t.match(server.events, [
    { event: "listening" },
    { event: "privileges" },
    { event: "refused", reason: "length", direction: "up", asked: 1001, limit: 1000, level: "info" },
    { event: "refused", reason: "interval", direction: "up", asked: 1e6, limit: 2e6 },
    { event: "refused", reason: "bandwidth", direction: "up", limit: 300_000 },
    { event: "refused", reason: "bandwidth", direction: "down", limit: 200_000 },
  ]);
  t.equal(server.events.length, 6);

  // What is within them is taken, after all of that.
  const client = stage.client([...length(1000), "--up-speed", "300KB/s", "--down-speed", "200KB/s"]);
  await client.event("connected");
  t.equal((await end(client)).code, 0);
  t.equal((await end(server)).code, 0);
});
