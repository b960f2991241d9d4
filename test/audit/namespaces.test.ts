/** The two namespaces of a live audit: joined, private, gone at every end; and what is said where they can't be had. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import t from "tap";
import { makeNamespaces, withRemedy } from "../../lib/audit/live/namespaces.js";
import { exitCodeOf } from "../../lib/cli/exit-codes.js";
import { canUseNetns } from "../../lab/host/netns.js";
import { here, Program } from "../../lab/host/program.js";

const reason = canUseNetns();
const skip = reason ?? false;

function exists(name: string): boolean {
  return readdirSync("/run/netns").includes(name);
}

function run(argv: readonly string[]): string {
  return execFileSync(argv[0]!, argv.slice(1), { encoding: "utf8" });
}

t.test("two ends of one cable, and nothing else", { skip }, async (t) => {
  const namespaces = makeNamespaces();
  const { client, server } = namespaces;
  t.teardown(() => namespaces.close());
  t.match(client.name, new RegExp(`^i405a-${process.pid}-[0-9a-f]{8}-c$`));
  t.equal(server.name, client.name.replace(/c$/, "s"));
  run(client.command(["ip", "link", "show", client.device]));
  t.match(run(server.command(["ip", "-json", "address"])), `"local":"${server.ipv4}"`);
  t.match(run(client.command(["ip", "route", "get", server.ipv4])), `dev ${client.device} src ${client.ipv4}`);
  const inside = spawn("ip", server.command(["sleep", "600"]).slice(1));
  await once(inside, "spawn");
  const ended = once(inside, "exit");
  // It is inside only once `ip` has become `sleep`.
  while (!run(["ip", "netns", "pids", server.name]).includes(String(inside.pid))) await new Promise(setImmediate);
  namespaces.close();
  namespaces.close();
  t.same(await ended, [null, "SIGKILL"]);
  t.notOk(exists(client.name) || exists(server.name));
});

t.test("they go with the process, and those of a killed one with the next run", { skip }, async (t) => {
  const built = new URL("../../dist/audit/live/namespaces.js", import.meta.url).href;
  const script = `
    import { makeNamespaces } from ${JSON.stringify(built)};
    const { client, server } = makeNamespaces();
    console.log(JSON.stringify({ event: "ready", names: [client.name, server.name] }));
    process.stdin.once("end", () => process.exit()).resume();`;
  for (const [end, left] of [
    [(program: Program) => program.endInput(), 0],
    [(program: Program) => program.kill("SIGKILL"), 2],
  ] as const) {
    const program = new Program(here, [process.execPath, "--input-type=module", "--eval", script]);
    const { names } = await program.event<{ names: string[] }>("ready");
    t.same(names.filter(exists), names);
    end(program);
    await program.exit;
    t.equal(names.filter(exists).length, left);
    using next = makeNamespaces();
    t.same(names.filter(exists), []);
    t.ok(exists(next.client.name));
  }
});

t.test("what is missing is named, with the command that helps", async (t) => {
  const { getuid } = process;
  const { PATH } = process.env;
  t.teardown(() => {
    process.getuid = getuid!;
    process.env.PATH = PATH;
  });
  process.getuid = () => 1000;
  t.throws(makeNamespaces, { code: "ERR_I405_AUDIT_HERE", message: /root: sudo i405 audit --here$/ });
  process.getuid = () => 0;
  process.env.PATH = t.testdirName;
  t.throws(makeNamespaces, { code: "ERR_I405_AUDIT_HERE", message: /sudo apt-get install iproute2$/ });
  t.equal(exitCodeOf("ERR_I405_AUDIT_HERE"), 3);
});

t.test("what `ip` says of kernels and containers is explained", async (t) => {
  for (const [said, remedy] of [
    ["ip netns add x: mount --make-shared /run/netns failed: Operation not permitted", /docker run --privileged$/],
    ["ip link add name wire0 type veth peer: RTNETLINK answers: Operation not supported", /sudo modprobe veth$/],
    ["ip link add name wire0 type veth peer: Error: Unknown device type.", /sudo modprobe veth$/],
    ['ip netns add x: Failed to create a new network namespace "x": Invalid argument', /CONFIG_NET_NS/],
    ["ip -n x -batch -: something else", /: something else$/],
  ] as const) {
    t.match(withRemedy(said), remedy);
  }
});
