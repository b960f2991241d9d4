/**
 * Least privilege with the kernel: as an ordinary user with two capabilities, and as root that becomes a user. What every
 * thread has while it runs, that the tunnel works, and that nothing is left behind.
 */
import { chmodSync, chownSync, readFileSync, statSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import {
  capabilities,
  classOf,
  FIFO,
  NET_ADMIN,
  ORDINARY,
  SYS_NICE,
  SYS_RESOURCE,
  threadsOf,
} from "../../lab/credentials.js";
import type { Netns } from "../../lab/host/netns.js";
import type { Program } from "../../lab/host/program.js";
import { pingsAnswered } from "../../lab/host/traffic.js";
import { commandOf, end, FAST, i405, INNER, node, passwordFile, skip, Stage, tunFlags } from "./support.js";

/** Nobody's. */
const UID = 54_321;
/** A class lasts 20 or 230 ms; this much is for a machine that gives the test no turn. */
const CLASS_TIMEOUT_MS = 30_000;

function reasonAgainst(): string | false {
  if (skip !== false) return skip;
  try {
    execFileSync("setpriv", ["--version"], { stdio: "ignore" });
    return false;
  } catch {
    return "no setpriv (util-linux)";
  }
}

/** Starts `argv` as an ordinary user with these two capabilities and no way to others, as a service manager would. */
function asUser(device: string): string[] {
  const two = "+net_admin,+sys_nice";
  const drop = ["--reuid", String(UID), "--regid", String(UID), "--clear-groups", "--no-new-privs"];
  const sets = ["--inh-caps", two, "--ambient-caps", two, "--bounding-set", `-all,${two}`];
  // Some machines let only root open the device; a copy of it, for this process alone, doesn't.
  const mount = `mount --bind ${device} /dev/net/tun && exec "$@"`;
  return ["sh", "-c", mount, "sh", "setpriv", ...drop, ...sets];
}

function userDevice(t: Test): string {
  const device = join(t.testdirName, "tun");
  execFileSync("mknod", ["-m", "0666", device, "c", "10", "200"]);
  return device;
}

/** A password that this user can read, and nobody else. */
function userPassword(folder: string): string {
  const file = passwordFile(folder, "user-password");
  chownSync(file, UID, UID);
  // Files of the tests' own folder are reached by their whole path.
  chmodSync(folder, 0o755);
  return file;
}

function same(t: Test, program: Program, expected: object): void {
  const threads = threadsOf(program.pid);
  t.ok(threads.length > 8, `${threads.length} threads, Node's and the tunnel's`);
  t.ok(
    threads.find(({ name }) => name === "i405-dispatch"),
    "the dispatcher among them",
  );
  for (const { name, ...has } of threads) t.match(has, expected, name);
}

function pathIsOpen(path: string): boolean {
  for (let at = path; at !== "/"; at = join(at, "..")) if ((statSync(at).mode & 0o001) === 0) return false;
  return true;
}

const state = ({ name }: Netns) => execFileSync("ip", ["-n", name, "rule"], { encoding: "utf8" });

t.test("an ordinary user with two capabilities", { skip: reasonAgainst() }, async (t) => {
  const stage = new Stage(t);
  const { a, b, endpoint } = stage;
  if (!pathIsOpen(stage.folder)) {
    t.pass("another user can't reach this folder # skip");
    return;
  }
  const [before, device] = [asUser(userDevice(t)), userPassword(stage.folder)];
  const secret = ["--password-file", device];
  const own = ["server", "--json", "--listen-addr", endpoint, ...tunFlags("server"), ...secret];
  const server = node(b, commandOf(own), before);
  await server.event("listening");
  const rules = state(a);
  // With a default route something is left to be taken back at the end.
  const client = node(
    a,
    commandOf([
      "client",
      "--json",
      "--peer",
      endpoint,
      ...tunFlags("client"),
      ...FAST,
      ...secret,
      "--route",
      "default",
    ]),
    before,
  );
  await Promise.all([server.event("connected"), client.event("connected")]);
  await Promise.all([server.event("privileges"), client.event("privileges")]);
  const none = { inheritable: 0n, ambient: 0n, noNewPrivs: true, uids: Array(4).fill(UID), gids: Array(4).fill(UID) };
  same(t, server, { ...none, permitted: 0n, effective: 0n });
  // SO_MARK of a socket that a reconnecting client opens needs it.
  const kept = capabilities(NET_ADMIN);
  same(t, client, { ...none, permitted: kept, effective: kept });
  t.notOk(
    [...server.events, ...client.events].find(({ code }) => code === "I405_SCHED_FIFO"),
    "SCHED_FIFO was had",
  );
  const threads = threadsOf(client.pid);
  t.ok(threads.every(({ groups }) => groups.length === 0));
  t.match(await pingsAnswered(a, { to: INNER.server4, count: 20, meanMs: 10 }), { received: 20, corrupt: 0 });
  t.match(await pingsAnswered(b, { to: INNER.client6, count: 20, meanMs: 10 }), { received: 20, corrupt: 0 });
  t.not(state(a), rules);
  for (const program of [client, server]) {
    const { code, stats } = await end(program);
    t.equal(code, 0);
    t.equal(stats.slots.sendErrors, 0);
  }
  t.equal(state(a), rules, "rules are taken back");
  t.same(
    [a.interfaces(), b.interfaces()],
    [
      ["lo", "wire0"],
      ["lo", "wire0"],
    ],
    "interfaces are gone",
  );
});

t.test("promise: least-privilege: root that becomes a user and keeps nothing", { skip }, async (t) => {
  const stage = new Stage(t);
  const { a, b, endpoint } = stage;
  const flags = ["--user", `${UID}:${UID + 1}`];
  const rules = state(a);
  const server = await stage.server(flags);
  const client = stage.client([...flags, "--route", "192.0.2.0/24"]);
  await Promise.all([server.event("connected"), client.event("connected"), client.event("privileges")]);
  const ids = { uids: Array(4).fill(UID), gids: Array(4).fill(UID + 1), groups: [UID + 1], noNewPrivs: true };
  const none = { permitted: 0n, effective: 0n, inheritable: 0n, bounding: 0n, ambient: 0n };
  for (const program of [server, client]) {
    same(t, program, { ...ids, ...none });
    t.equal(statSync(`/proc/${program.pid}/fd`).uid, 0, "not dumpable: what shows its memory is root's");
  }
  t.match(await pingsAnswered(a, { to: INNER.server4, count: 20, meanMs: 10 }), { received: 20, corrupt: 0 });
  for (const program of [client, server]) t.equal((await end(program)).code, 0);
  t.equal(state(a), rules);
  t.same(
    [a.interfaces(), b.interfaces()],
    [
      ["lo", "wire0"],
      ["lo", "wire0"],
    ],
  );

  // Rules and a user without any right to them: the guard that was started before takes them back.
  const again = await stage.server();
  const other = i405(a, [
    ...["client", "--json", "--peer", endpoint, "--password-file", join(stage.folder, "password"), "--no-sched-fifo"],
    ...["--tun-name", "tun0", "--tun-ipv4", `${INNER.client4}/24`, ...FAST, "--route", "default", ...flags],
  ]);
  await Promise.all([other.event("connected"), other.event("privileges")]);
  t.match(state(a), /lookup 5125/);
  t.equal((await end(other)).code, 0);
  t.equal(state(a), rules, "as before");
  t.equal((await end(again)).code, 0);
});

t.test("a thread that never pauses steps down and comes back to SCHED_FIFO after that", { skip }, async (t) => {
  const stage = new Stage(t);
  const server = await stage.server();
  const client = i405(stage.a, [
    ...["client", "--json", "--peer", stage.endpoint, "--password-file", join(stage.folder, "password")],
    ...["--device", "packets", "--poll-mode", "spinny", "--user", `${UID}:${UID}`],
    // Too short for a pause between two slots, and short enough datagrams for what a server allows.
    ...["--up-packet-interval", "150us", "--up-packet-length", "300", "--down-packet-interval", "10ms"],
  ]);
  const [said] = await Promise.all([client.event<{ kept: string[] }>("privileges"), client.event("connected")]);
  // By a limit where there is one or root may raise it, which in a container it often may not.
  const mayRaise = (threadsOf(process.pid)[0]!.effective & capabilities(SYS_RESOURCE)) !== 0n;
  t.ok(said.kept.length === 0 || (!mayRaise && said.kept.join() === "sys-nice"), said.kept.join());
  const kept = capabilities(...(said.kept.length === 0 ? [] : [SYS_NICE]));
  same(t, client, { permitted: kept, effective: kept });
  // Down after 230 ms, up after 20 ms, for as long as it runs; three times in turn, whenever this looks.
  for (const expected of [FIFO, ORDINARY, FIFO, ORDINARY, FIFO]) {
    const patience = Date.now() + CLASS_TIMEOUT_MS;
    let seen = classOf(client.pid, "i405-dispatch");
    for (; seen !== expected && Date.now() < patience; seen = classOf(client.pid, "i405-dispatch")) await sleep(2);
    t.equal(seen, expected, "in time");
  }
  t.equal((await end(client)).code, 0);
  t.equal((await end(server)).code, 0);
});

t.test("promise: not-dumpable: no dumps, unless asked for", { skip }, async (t) => {
  const stage = new Stage(t);
  const coreLimit = (pid: number) =>
    /^Max core file size +(\S+) +(\S+)/m.exec(readFileSync(`/proc/${pid}/limits`, "utf8"));
  const server = await stage.server(["--keep-capabilities", "all"]);
  // The kernel gives the files of an undumpable process to root whoever runs it, and shows it so: here it is root, who
  // sees it by the limit and, in the test above, by the owner.
  t.same(coreLimit(server.pid)?.slice(1), ["0", "0"]);
  t.notOk(
    threadsOf(server.pid).some(({ noNewPrivs }) => noNewPrivs),
    "all privileges kept",
  );
  t.equal((await end(server)).code, 0);
  const dumpable = await stage.server(["--core-dumps", "--user", String(UID) + ":" + String(UID)]);
  await dumpable.event("privileges");
  t.equal(statSync(`/proc/${dumpable.pid}/fd`).uid, UID, "dumpable, also after the change of the user");
  t.equal((await end(dumpable)).code, 0);
});
