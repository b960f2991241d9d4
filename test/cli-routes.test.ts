import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { applyRoutes, runIp, strictReversePath } from "../lib/cli/ip.js";
import { planRoutes, type RouteRequest } from "../lib/cli/routes.js";

const REQUEST: RouteRequest = { routes: [], device: "tun0", fwmark: 5125, families: [4] };

function lines(commands: string[][]): string[] {
  return commands.map((parameters) => parameters.join(" "));
}

t.test("a prefix goes into the main table", async (t) => {
  const plan = planRoutes({ ...REQUEST, routes: ["10.0.0.0/8", "fd00::/8"] });
  t.same(lines(plan.add), ["-4 route add 10.0.0.0/8 dev tun0", "-6 route add fd00::/8 dev tun0"]);
  t.same(lines(plan.remove), ["-6 route del fd00::/8 dev tun0", "-4 route del 10.0.0.0/8 dev tun0"]);
});

t.test("a default route gets a table that the tunnel's own datagrams don't see", async (t) => {
  const plan = planRoutes({ ...REQUEST, routes: ["default"], families: [4] });
  t.same(lines(plan.add), [
    "-4 route add 0.0.0.0/0 dev tun0 table 5125",
    "-4 rule add table main suppress_prefixlength 0 priority 14050",
    "-4 rule add not fwmark 5125 table 5125 priority 14051",
  ]);
  t.same(lines(plan.remove), [
    "-4 rule del table main suppress_prefixlength 0 priority 14050",
    "-4 rule del not fwmark 5125 table 5125 priority 14051",
    "-4 route del 0.0.0.0/0 dev tun0 table 5125",
  ]);
});

t.test("default means the families that the interface has; the same route twice is one", async (t) => {
  const both = planRoutes({ ...REQUEST, routes: ["default", "::/0"], families: [4, 6] });
  t.equal(both.add.filter((parameters) => parameters.includes("route")).length, 2);
  t.equal(planRoutes({ ...REQUEST, routes: ["default"], families: [6] }).add[0]?.[0], "-6");
  t.throws(() => planRoutes({ ...REQUEST, routes: ["default"], families: [] }), {
    code: "ERR_I405_OPTION",
    message: /--route: got "default", expected an interface with an address. Give --tun-ipv4 or --tun-ipv6 too/,
  });
});

t.test("what isn't a prefix is refused", async (t) => {
  for (const route of [
    "10.0.0.0",
    "10.0.0.0/33",
    "fd00::/129",
    "10.0.0.0/8/8",
    "x/8",
    "10.0.0.0/",
    "/8",
    "",
    "10.0.0.0/-1",
  ]) {
    t.throws(() => planRoutes({ ...REQUEST, routes: [route] }), { code: "ERR_I405_OPTION", option: "--route" }, route);
  }
});

t.test("a prefix that holds the server itself is refused", async (t) => {
  const cases: [string, string, boolean][] = [
    ["203.0.113.0/24", "203.0.113.7", true],
    ["203.0.112.0/23", "203.0.113.7", true],
    ["203.0.114.0/24", "203.0.113.7", false],
    ["203.0.113.8/29", "203.0.113.7", false],
    ["2001:db8::/32", "2001:db8:0:1::7", true],
    ["2001:db8:0:2::/64", "2001:db8:0:1::7", false],
    ["::ffff:203.0.113.0/120", "::ffff:203.0.113.7", true],
    ["fd00::/8", "203.0.113.7", false],
    ["10.0.0.0/8", "host.example", false],
  ];
  for (const [route, peer, inside] of cases) {
    const plan = () => planRoutes({ ...REQUEST, routes: [route], peer });
    if (inside) t.throws(plan, { code: "ERR_I405_OPTION", message: new RegExp(peer.replaceAll(".", "\\.")) }, route);
    else t.equal(plan().add.length, 1, route);
  }
});

t.test("routes are taken back once", async (t) => {
  const calls: string[] = [];
  const listeners = process.listenerCount("exit");
  const undo = applyRoutes(planRoutes({ ...REQUEST, routes: ["10.0.0.0/8"] }), (parameters) => {
    calls.push(parameters.join(" "));
    return null;
  });
  t.equal(process.listenerCount("exit"), listeners + 1, "an exit takes them back too");
  undo();
  undo();
  t.same(calls, ["-4 route add 10.0.0.0/8 dev tun0", "-4 route del 10.0.0.0/8 dev tun0"]);
  t.equal(process.listenerCount("exit"), listeners);
});

t.test("a failure takes back what was done", async (t) => {
  const calls: string[] = [];
  const plan = planRoutes({ ...REQUEST, routes: ["10.0.0.0/8", "11.0.0.0/8"] });
  const run = (parameters: readonly string[]) => {
    calls.push(parameters.join(" "));
    return parameters.includes("11.0.0.0/8") ? "Operation not permitted" : null;
  };
  t.throws(() => applyRoutes(plan, run), {
    code: "ERR_I405_ROUTE_SETUP",
    message: "--route: ip -4 route add 11.0.0.0/8 dev tun0 failed: Operation not permitted",
  });
  t.same(calls.slice(2), ["-4 route del 11.0.0.0/8 dev tun0", "-4 route del 10.0.0.0/8 dev tun0"]);
});

t.test("a rule left by a killed run is taken over, a route of somebody else's is not", async (t) => {
  const exists = (parameters: readonly string[]) =>
    parameters.includes("add") ? "RTNETLINK answers: File exists" : null;
  const rules = planRoutes({ ...REQUEST, routes: ["default"] });
  rules.add.shift();
  applyRoutes(rules, exists)();
  t.throws(() => applyRoutes(planRoutes({ ...REQUEST, routes: ["10.0.0.0/8"] }), exists), {
    code: "ERR_I405_ROUTE_SETUP",
  });
});

t.test("ip's own message is handed on", async (t) => {
  t.equal(runIp(["-V"]), null);
  t.match(runIp(["nonsense"]), /Object "nonsense" is unknown/);
});

t.test("a missing ip is said with the command that installs it", async (t) => {
  const { PATH } = process.env;
  t.teardown(() => (process.env.PATH = PATH));
  process.env.PATH = "/nowhere";
  t.match(runIp(["-V"]), /apt-get install iproute2/);
});

t.test("strict return path checks are noticed", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "i405-test-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const set = (name: string, value: string) => {
    mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, name, "rp_filter"), `${value}\n`);
  };
  set("all", "0");
  set("lo", "1");
  set("eth0", "0");
  t.equal(strictReversePath(folder), false);
  set("eth0", "1");
  t.equal(strictReversePath(folder), true);
  set("all", "2");
  t.equal(strictReversePath(folder), false, "the larger value holds, and 2 is loose");
  t.equal(strictReversePath(join(folder, "none")), false);
});
