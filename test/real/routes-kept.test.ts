/** Routes that other tunnels, administrators and network managers have to do with: shared with nobody, put back when lost. */
import t, { type Test } from "tap";
import type { Netns } from "../../lab/host/netns.js";
import type { Program } from "../../lab/host/program.js";
import { end, FAST, i405, INNER, passwordFile, skip, Stage } from "./support.js";

/** Beyond the cable (TEST-NET-1, documentation prefix). */
const BEYOND = ["192.0.2.1", "2001:db8::1"] as const;
/** Nobody in particular. */
const USER = "4405:4406";
const PATIENCE_MS = 30_000;

function rules(place: Netns): string {
  return [4, 6].map((family) => place.exec(["ip", `-${family}`, "rule"])).join("");
}

function way(place: Netns, to: string): string {
  return place.exec(["ip", "route", "get", to]);
}

/** Lets time pass until it is so. */
async function until(condition: () => boolean): Promise<boolean> {
  const patience = Date.now() + PATIENCE_MS;
  while (!condition() && Date.now() < patience) await new Promise((resolve) => setTimeout(resolve, 50));
  return condition();
}

/** Of a second pair beside a stage's, on another port and with other inner addresses. */
function second(stage: Stage, command: "server" | "client", flags: readonly string[] = []): Program {
  const secret = ["--json", "--password-file", passwordFile(stage.folder), "--no-sched-fifo", "--tun-name", "tun1"];
  const at = `${stage.b.ipv4}:1406`;
  const own =
    command === "server"
      ? ["--listen-addr", at, "--tun-ipv4", "10.141.5.1/24"]
      : ["--peer", at, "--tun-ipv4", "10.141.5.2/24", "--route", "default", ...FAST];
  return i405(command === "server" ? stage.b : stage.a, [command, ...secret, ...own, ...flags]);
}

function stageWithDefault(test: Test): Stage {
  const stage = new Stage(test);
  const { a, b } = stage;
  a.ip([`route add default via ${b.ipv4}`, `route add default via ${b.ipv6}`]);
  return stage;
}

t.test("promise: routes-own: a second tunnel takes nothing of the first one's along", { skip }, async (t) => {
  const stage = stageWithDefault(t);
  const { a } = stage;
  // An administrator's own rule, which looks like ours but for who made it.
  a.ip(["rule add not fwmark 5125 table 5125 priority 14051"]);
  const plain = rules(a);
  const server = await stage.server();
  const client = stage.client(["--route", "default"]);
  await Promise.all([client.event("connected"), client.event("routes")]);
  const before = rules(a);

  const otherServer = second(stage, "server");
  await otherServer.event("listening");
  const refused = second(stage, "client");
  const { code } = await refused.exit;
  t.equal(code, 3);
  t.match(JSON.stringify(refused.events), /ERR_I405_ROUTE_SETUP/);
  t.equal(rules(a), before, "the same mark: refused, and nothing of the first is gone");

  const marked = second(stage, "client", ["--fwmark", "7"]);
  await Promise.all([marked.event("connected"), marked.event("routes")]);
  t.equal((await end(marked)).code, 0);
  t.equal(rules(a), before, "another mark: ended, and nothing of the first is gone");
  for (const to of BEYOND) t.match(way(a, to), / dev tun0 /, to);
  t.match(way(a, stage.b.ipv4), / dev wire0 /, "the local network as well");

  t.equal((await end(client)).code, 0);
  t.equal(rules(a), plain, "the administrator's rule is his");
  for (const each of [server, otherServer]) t.equal((await end(each)).code, 0);
});

t.test(
  "promise: routes-kept: what is lost is said and put back, without a privilege of the command's",
  { skip },
  async (t) => {
    const stage = stageWithDefault(t);
    const { a } = stage;
    const server = await stage.server();
    const client = stage.client(["--route", "default", "--route", "198.18.0.0/15", "--user", USER]);
    await Promise.all([client.event("connected"), client.event("routes"), client.event("privileges")]);
    const complete = [rules(a), a.exec(["ip", "route", "show", "dev", "tun0"])];
    const losses = [
      ["down and up", "ip link set tun0 down; ip link set tun0 up"],
      ["rules removed", "ip -4 rule del priority 14051; ip -4 rule del priority 14050; ip -6 rule del priority 14051"],
      ["addresses taken, and not given back", "ip address flush dev tun0"],
      ["routes deleted", "ip route del 198.18.0.0/15; ip -6 route del default table 5125"],
    ] as const;
    for (const [what, commands] of losses) {
      const from = client.events.length;
      a.exec(["sh", "-c", commands]);
      const lost = await client.event<{ code: string; message: string; remedy: string }>("warning", from);
      t.equal(lost.code, "I405_ROUTES_LOST", what);
      await client.event("routes", from);
      const isComplete = () =>
        BEYOND.every((to) => way(a, to).includes(" dev tun0 ")) && way(a, "198.18.0.1").includes("tun0");
      t.ok(await until(isComplete), `${what}: everything leads into the tunnel again`);
      t.ok(
        await until(() => a.exec(["ip", "address", "show", "dev", "tun0"]).includes(`${INNER.client6}/64`)),
        `${what}: addresses`,
      );
    }
    t.equal(rules(a), complete[0], "as at the beginning, and nothing twice");
    t.equal(a.exec(["ip", "route", "show", "dev", "tun0"]), complete[1]);
    t.equal((await end(client)).code, 0);
    t.notMatch(rules(a), /1405[01]:/, "and taken back");
    t.equal((await end(server)).code, 0);
  },
);

t.test(
  "an interface that is made again gets its routes again; a killed command leaves no rules",
  { skip },
  async (t) => {
    const stage = stageWithDefault(t);
    const { a } = stage;
    const before = rules(a);
    const server = await stage.server();
    const client = stage.client(["--route", "default", "--persistent"]);
    await Promise.all([client.event("connected"), client.event("routes"), client.event("privileges")]);
    const from = client.events.length;
    a.ip(["link del tun0"]);
    await client.event("routes", from);
    t.ok(await until(() => BEYOND.every((to) => way(a, to).includes(" dev tun0 "))));
    client.kill("SIGKILL");
    await client.exit;
    t.ok(await until(() => rules(a) === before), "the guard takes them back");
    t.equal((await end(server)).code, 0);
  },
);
