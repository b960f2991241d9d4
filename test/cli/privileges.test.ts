/** Giving up privileges as the library and the command ask for it; the kernel's part is in e2e/privileges.test.ts. */
import t from "tap";
import { runCli } from "../../lib/cli/cli.js";
import { privilegeOptions } from "../../lib/cli/process-setup.js";
import type { World } from "../../lib/cli/world.js";
import { mergeSettings } from "../../lib/cli/settings.js";
import { planPrivileges } from "../../lib/native/privileges.js";
import { pretendWorld, temporaryFile, type PretendWorld } from "../../lab/fake/cli-world.js";
import { PretendProcess } from "../../lab/fake/process.js";

t.test("options", async (t) => {
  const native = new PretendProcess();
  planPrivileges(native, { keep: ["net-admin", "sys-nice"], user: "nobody" })();
  t.same(native.wanted, { keep: [12, 23], user: { uid: 65534, gid: 65534, groups: [65534] } });
  t.same(native.calls, ["findUser nobody null", "giveUpPrivileges"]);
  planPrivileges(native, {})();
  t.same(native.wanted, { keep: [], user: null }, "nothing is kept by default");
  const bad: [object, string, string][] = [
    [{ keep: ["chown"] }, "keep", "ERR_I405_OPTION"],
    [{ keep: ["toString"] }, "keep", "ERR_I405_OPTION"],
    [{ keep: "net-admin" }, "keep", "ERR_I405_OPTION"],
    [{ user: 7 }, "user", "ERR_I405_OPTION"],
    [{ user: "" }, "user", "ERR_I405_OPTION"],
    [{ group: "adm" }, "group", "ERR_I405_OPTION"],
    [{ usr: "nobody" }, "usr", "ERR_I405_OPTION"],
  ];
  const before = native.calls.length;
  for (const [options, option, code] of bad) {
    t.throws(() => planPrivileges(native, options), { code, option }, JSON.stringify(options));
  }
  t.throws(() => planPrivileges(native, { user: "nemo" }), { code: "ERR_I405_PRIVILEGES" });
  t.same(native.calls.slice(before), ["findUser nemo null"], "what is refused does nothing");
});

/** Runs a server that is asked to end once it is open; what its process was told in between. */
async function run(t: Parameters<typeof temporaryFile>[0], ...flags: string[]) {
  return await runAs(new PretendProcess(), t, ...flags);
}

async function runAs(native: PretendProcess, t: Parameters<typeof temporaryFile>[0], ...flags: string[]) {
  const world: PretendWorld & World = { ...pretendWorld(), process: () => Promise.resolve(native) };
  const order = native.calls;
  world.createTunnel = ((create) => (options) => {
    const tunnel = create!(options);
    order.push("tunnel");
    return tunnel;
  })(world.createTunnel);
  world.runIp = (parameters) => {
    order.push(`ip ${parameters[1]!} ${parameters[2]!}`);
    return null;
  };
  const file = temporaryFile(t, "password", "a-long-password");
  const own = ["--listen-addr", "0.0.0.0:1405", "--password-file", file, "--tun-ipv4", "10.140.5.1/24"];
  const running = runCli(["server", "--json", ...own, ...flags], world);
  // Said in the same turn in which privileges are given up; what is refused ends by itself.
  await Promise.race([running, world.said('"event":"listening"')]);
  world.stop.request();
  return { code: await running, native, order, world };
}

t.test("no dumps before secrets, privileges away once everything is open", async (t) => {
  const { code, order, native, world } = await run(t, "--route", "192.0.2.0/24");
  t.equal(code, 0);
  t.same(order, ["forbidDumps", "tunnel", "ip route add", "giveUpPrivileges", "ip route del"]);
  t.same(native.wanted, { keep: [], user: null });
  t.match(world.output(), /"event":"privileges","kept":\[\]/);
});

t.test("a user is looked up before anything is open", async (t) => {
  const { order, native } = await run(t, "--user", "nobody");
  t.same(order, ["forbidDumps", "findUser nobody null", "tunnel", "giveUpPrivileges"]);
  t.equal(native.wanted?.user?.uid, 65534);
  const unknown = await run(t, "--user", "nemo:adm");
  t.equal(unknown.code, 3);
  t.same(unknown.order, ["forbidDumps", "findUser nemo adm"], "and nothing was opened");
  t.match(unknown.world.output(), /"code":"ERR_I405_PRIVILEGES".*--user: there is no user/);
  for (const text of ["", ":adm", "a:b:c"]) t.equal((await run(t, "--user", text)).code, 2, `"${text}"`);
});

t.test("what is kept: what was asked for, and what the tunnel goes on needing", async (t) => {
  const kept = async (...flags: string[]) => (await run(t, ...flags)).native.wanted?.keep;
  t.same(await kept("--keep-capabilities", "sys-nice,ipc-lock"), [23, 14]);
  t.same(await kept("--keep-capabilities", "none"), []);
  t.same(await kept("--send-by", "txtime"), [12], "a server asks for launch times at each client");
  t.same(await kept("--send-by", "kernel"), [12], "and the program that spins goes where the way to it leads");
  t.same(await kept("--fwmark", "7"), [12], "a new socket has to be marked");
  t.same(await kept("--route", "default", "--keep-capabilities", "none"), [12]);
  const all = await run(t, "--keep-capabilities", "all");
  t.notOk(all.order.includes("giveUpPrivileges"));
  t.notMatch(all.world.output(), /privileges/);
  t.equal((await kept("--keep-capabilities", "all", "--user", "nobody"))?.length, 64);
  t.equal((await run(t, "--keep-capabilities", "net-admin,chown")).code, 2);
});

t.test("a thread that never pauses can come back to SCHED_FIFO: by a limit, or else with the capability", async (t) => {
  const kept = async (realtimeBy: PretendProcess["realtimeBy"], ...flags: string[]) => {
    const native = new PretendProcess();
    native.realtimeBy = realtimeBy;
    const { order } = await runAs(native, t, ...flags);
    return { keep: native.wanted?.keep, reserved: order.includes("reserveRealtime") };
  };
  for (const mode of ["spinny", "dozy"]) {
    t.same(await kept("limit", "--poll-mode", mode), { keep: [], reserved: true }, mode);
    t.same(await kept("capability", "--poll-mode", mode), { keep: [23], reserved: true }, mode);
    t.same(await kept("none", "--poll-mode", mode), { keep: [], reserved: true }, "what isn't there can't be kept");
  }
  t.same(await kept("capability"), { keep: [], reserved: false }, "sleepy keeps its class");
  t.same(await kept("capability", "--poll-mode", "spinny", "--no-sched-fifo"), { keep: [], reserved: false });
  const own = ["--poll-mode", "spinny", "--keep-capabilities"];
  t.same(
    await kept("capability", ...own, "none"),
    { keep: [], reserved: true },
    "a list that is given is the user's own",
  );
  t.same(await kept("capability", ...own, "all"), { keep: undefined, reserved: false });
});

t.test("a client that is to come back from anything can make its interface again", async (t) => {
  const kept = (...given: [string, string | true][]) => {
    const flags = new Map(given.map(([name, value]) => [name, { value, source: "flags" }]));
    return privilegeOptions(mergeSettings("client", flags)).keep;
  };
  t.same(kept(), []);
  t.same(kept(["persistent", true]), ["net-admin"]);
  t.same(kept(["persistent", true], ["device", "packets"]), [], "there is none");
  t.same(kept(["persistent", true], ["keep-capabilities", "none"]), [], "the user knows better");
});

t.test("core dumps only if asked for", async (t) => {
  const { order } = await run(t, "--core-dumps");
  t.same(order, ["tunnel", "giveUpPrivileges"]);
});

t.test("keys are made in a process without dumps, and without an addon all the same", async (t) => {
  const native = new PretendProcess();
  t.equal(await runCli(["genkey"], { ...pretendWorld(), process: () => Promise.resolve(native) }), 0);
  t.same(native.calls, ["forbidDumps"]);
  t.equal(await runCli(["genkey"], { ...pretendWorld(), process: () => Promise.reject(new Error("no addon")) }), 0);
});
