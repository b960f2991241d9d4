import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { applyRoutes, runIp, strictReversePath, undoSteps } from "../../lib/cli/ip.js";
import {
  addressSteps,
  commandOf,
  planRoutes,
  type RoutePlan,
  type RouteRequest,
  type RouteStep,
} from "../../lib/cli/routes.js";

const REQUEST: RouteRequest = { routes: [], device: "tun0", fwmark: 5125, families: [4] };

function added(plan: RoutePlan): string[] {
  return plan.steps.map((step) => commandOf(step, "add").join(" "));
}

t.test("a prefix goes into the main table", async (t) => {
  const plan = planRoutes({ ...REQUEST, routes: ["10.0.0.0/8", "fd00::/8"] });
  t.same(added(plan), ["-4 route add 10.0.0.0/8 dev tun0 protocol 140", "-6 route add fd00::/8 dev tun0 protocol 140"]);
});

t.test("a default route gets a table that the tunnel's own datagrams don't see", async (t) => {
  const plan = planRoutes({ ...REQUEST, routes: ["default"], families: [4] });
  t.same(added(plan), [
    "-4 route add 0.0.0.0/0 dev tun0 table 5125 protocol 140",
    "-4 rule add not fwmark 5125 table main suppress_prefixlength 0 priority 14050 protocol 140",
    "-4 rule add not fwmark 5125 table 5125 priority 14051 protocol 140",
  ]);
  const other = planRoutes({ ...REQUEST, fwmark: 7, routes: ["default"] });
  t.same(
    added(plan).filter((line) => added(other).includes(line)),
    [],
    "nothing is shared with another mark's",
  );
});

t.test("default means the families that the interface has; the same route twice is one", async (t) => {
  const both = planRoutes({ ...REQUEST, routes: ["default", "::/0", "0:0::/0"], families: [4, 6] });
  t.equal(both.steps.filter(({ kind }) => kind === "route").length, 2);
  t.equal(planRoutes({ ...REQUEST, routes: ["default"], families: [6] }).steps[0]?.family, 6);
  t.throws(() => planRoutes({ ...REQUEST, routes: ["default"], families: [] }), {
    code: "ERR_I405_OPTION",
    message: /--route: got "default", expected an interface with an address. Give --tun-ipv4 or --tun-ipv6 too/,
  });
});

t.test("bits behind the length are refused with the network that was meant", async (t) => {
  for (const [route, network] of [
    ["10.200.1.1/16", "10.200.0.0/16"],
    ["128.0.0.0/0", "0.0.0.0/0"],
    ["192.0.2.255/31", "192.0.2.254/31"],
    ["fd00:405::1/32", "fd00:405::/32"],
    ["2001:db8::ffff:1.2.3.4/112", "2001:db8::ffff:102:0/112"],
    ["8000::/0", "::/0"],
  ] as const) {
    t.throws(
      () => planRoutes({ ...REQUEST, routes: [route] }),
      { code: "ERR_I405_OPTION", message: new RegExp(`the network is ${network.replaceAll(".", "\\.")}\\. Write `) },
      route,
    );
  }
  t.match(added(planRoutes({ ...REQUEST, routes: ["192.0.2.1/32", "FD00:0405::/32"] })), [
    /^-4 route add 192\.0\.2\.1\/32 dev/,
    /^-6 route add fd00:405::\/32 dev/,
  ]);
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
    "192.0.2.0/024",
    "0.0.0.0/00",
    "fe80::%eth0/64",
    "10.0.0.0/8 ",
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
    ["203.0.113.0/24", "::ffff:203.0.113.7", true],
    ["::/1", "2001:db8:0:1::7", true],
    ["fd00::/16", "fe80::1%eth0", false],
    ["fe80::/10", "fe80::1%eth0", true],
    ["fd00::/8", "203.0.113.7", false],
    ["10.0.0.0/8", "host.example", false],
  ];
  for (const [route, peer, inside] of cases) {
    const plan = () => planRoutes({ ...REQUEST, routes: [route], peer });
    const named = peer.split("%")[0]!.replaceAll(".", "\\.");
    if (inside) t.throws(plan, { code: "ERR_I405_OPTION", message: new RegExp(named) }, route);
    else t.equal(plan().steps.length, 1, route);
  }
});

/** `ip` over a table of what there is, as the kernel keeps it. */
class PretendKernel {
  readonly there = new Set<string>();
  readonly calls: string[] = [];
  /** Message for commands that have this in them. */
  refuse: [text: string, message: string] | null = null;

  readonly run = (parameters: readonly string[]): string | null => {
    const line = parameters.join(" ");
    this.calls.push(line);
    if (this.refuse !== null && line.includes(this.refuse[0])) return this.refuse[1];
    const [family, kind, verb, ...what] = parameters;
    // A route is one of its table, whatever it leads to.
    const name = [family, kind, ...what].join(" ");
    const same = kind === "route" ? name.replace(/ dev \S+/, "") : name;
    const rival = [...this.there].find((each) => (kind === "route" ? each.replace(/ dev \S+/, "") : each) === same);
    if (verb === "add") {
      if (rival !== undefined) return "RTNETLINK answers: File exists";
      this.there.add(name);
      return null;
    }
    return this.there.delete(name) ? null : "RTNETLINK answers: No such process";
  };
}

const DEFAULT = { ...REQUEST, routes: ["default"], families: [4, 6] as const };

t.test("a failure takes back what was done, and nothing else", async (t) => {
  for (const failing of [0, 1, 2, 3, 4, 5]) {
    const kernel = new PretendKernel();
    const plan = planRoutes(DEFAULT);
    kernel.there.add("-4 rule somebody else's");
    kernel.refuse = [added(plan)[failing]!, "Operation not permitted"];
    t.throws(() => applyRoutes(plan, kernel.run), { code: "ERR_I405_ROUTE_SETUP", message: /Operation not permitted/ });
    t.same([...kernel.there], ["-4 rule somebody else's"], `the ${failing + 1}. step`);
    t.equal(kernel.calls.filter((line) => line.includes(" del ")).length, failing, "only what was done is taken back");
  }
});

t.test("two tunnels: one that fails or ends leaves the other's as they are", async (t) => {
  const kernel = new PretendKernel();
  const first = planRoutes(DEFAULT);
  applyRoutes(first, kernel.run);
  const before = [...kernel.there];
  t.throws(() => applyRoutes(planRoutes({ ...DEFAULT, device: "tun1" }), kernel.run), {
    code: "ERR_I405_ROUTE_SETUP",
    message: /^--route: ip -4 route add 0.0.0.0\/0 dev tun1 table 5125 .* File exists\nAnother tunnel has .*--fwmark$/,
  });
  t.same([...kernel.there], before, "the same mark");
  const second = planRoutes({ ...DEFAULT, device: "tun1", fwmark: 7 });
  applyRoutes(second, kernel.run);
  t.equal(kernel.there.size, 2 * before.length);
  t.same(undoSteps(second.steps, kernel.run), []);
  t.same([...kernel.there], before, "another mark");
  t.same(undoSteps(first.steps, kernel.run), []);
  t.equal(kernel.there.size, 0);
});

t.test("a rule left by a killed run is taken over, a route of somebody else's is not", async (t) => {
  const kernel = new PretendKernel();
  const plan = planRoutes(DEFAULT);
  applyRoutes(plan, kernel.run);
  // The interface took its routes along.
  for (const each of [...kernel.there]) if (each.includes(" route ")) kernel.there.delete(each);
  applyRoutes(plan, kernel.run);
  t.equal(kernel.there.size, plan.steps.length, "nothing twice");
  t.same(undoSteps(plan.steps, kernel.run), []);
  t.equal(kernel.there.size, 0, "and taken back");
  kernel.there.add("-4 route 10.0.0.0/8 dev eth0 protocol 140");
  t.throws(() => applyRoutes(planRoutes({ ...REQUEST, routes: ["10.0.0.0/8"] }), kernel.run), {
    code: "ERR_I405_ROUTE_SETUP",
    message: /Something else routes 10\.0\.0\.0\/8 already/,
  });
  t.equal(kernel.there.size, 1);
});

t.test("what ip lists is recognised, and nothing that only resembles it", async (t) => {
  const [route, main, tunnel] = planRoutes({ ...REQUEST, routes: ["default"] }).steps as [
    RouteStep,
    RouteStep,
    RouteStep,
  ];
  const rule = { priority: 14051, not: null, src: "all", fwmark: "0x1405", table: "5125", protocol: "140" };
  t.ok(tunnel.isThere([{ priority: 0, src: "all", table: "255" }, rule]));
  for (const other of [
    { ...rule, not: undefined },
    { ...rule, fwmark: "0x7" },
    { ...rule, fwmark: "0x1405/0xffff" },
    { ...rule, protocol: undefined },
    { ...rule, priority: 14052 },
    { ...rule, suppress_prefixlen: 0 },
  ]) {
    t.notOk(tunnel.isThere([other]), JSON.stringify(other));
  }
  t.ok(main.isThere([{ ...rule, priority: 14050, table: "254", suppress_prefixlen: 0 }]));
  t.notOk(main.isThere([{ ...rule, priority: 14050, table: "254" }]));
  t.ok(route.isThere([{ dst: "default" }]));
  t.notOk(route.isThere([]));
  const [host, long] = planRoutes({ ...REQUEST, routes: ["192.0.2.1/32", "FD00:0:0::/16"] }).steps as [
    RouteStep,
    RouteStep,
  ];
  t.ok(host.isThere([{ dst: "192.0.2.1" }]));
  t.ok(long.isThere([{ dst: "fd00::/16" }]));
  const [address] = addressSteps(["fd00:0:0::2/64"], 6, "tun0") as [RouteStep];
  t.equal(commandOf(address, "add").join(" "), "-6 address add fd00::2/64 dev tun0");
  t.ok(
    address.isThere([
      {},
      {
        addr_info: [
          { local: "fe80::1", prefixlen: 64 },
          { local: "fd00::2", prefixlen: 64 },
        ],
      },
    ]),
  );
  t.notOk(address.isThere([{ addr_info: [{ local: "fd00::2", prefixlen: 128 }] }]));
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
