/** The status socket, and who may ask. */
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import t from "tap";
import { runCli } from "../../lib/cli/cli.js";
import { askStatus, REQUEST } from "../../lib/cli/status/client.js";
import { socketPath, socketsIn } from "../../lib/cli/status/places.js";
import { DEVIATION, folderOf, photographer, serve, status } from "../../lab/fake/cli-status.js";
import { pretendWorld } from "../../lab/fake/cli-world.js";

/** User id of the files that this process makes. */
const OWN = process.geteuid?.() ?? 0;

/** All that comes until the other end closes. */
function raw(path: string, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(path, () => socket.write(bytes));
    socket.setEncoding("utf8").on("data", (text: string) => (answer += text));
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(answer));
  });
}

t.test("a line asks, a line answers, and the same connection may ask again", async (t) => {
  const path = socketPath(folderOf(t), "client-1");
  await serve(t, path);
  t.match(await askStatus(path), {
    kind: "snapshot",
    snapshot: {
      format: 1,
      name: "client-1",
      pid: process.pid,
      state: "connected",
      deviation: DEVIATION,
      stats: { slots: { sent: 7 } },
    },
  });
  const socket = connect(path);
  const lines: string[] = [];
  const line = () =>
    new Promise<void>((resolve) => socket.once("data", (data) => resolve(void lines.push(data.toString()))));
  for (let times = 0; times < 2; times += 1) {
    socket.write(REQUEST);
    await line();
  }
  socket.destroy();
  t.equal(lines.length, 2);
  for (const each of lines) t.match(JSON.parse(each), { format: 1 });
});

t.test("the file is this user's alone, and goes with the tunnel", async (t) => {
  const path = socketPath(folderOf(t), "client-1");
  const server = await serve(t, path);
  t.equal(statSync(path).mode & 0o777, 0o600);
  const held = raw(path, "");
  await server.close();
  t.equal(await held, "", "nobody's connection keeps it open");
  t.notOk(existsSync(path));
});

const cannotBeAnother = process.geteuid?.() === 0 ? false : "only root can be another user";

t.test(
  "promise: status-socket: another user is refused, even where the file's mode lets him in",
  { skip: cannotBeAnother },
  async (t) => {
    const other = 65534;
    const path = socketPath(folderOf(t), "client-1");
    await serve(t, path);
    const script = `
    const socket = require("node:net").connect(${JSON.stringify(path)}, () => socket.write(${JSON.stringify(REQUEST)}));
    let all = "";
    socket.on("data", (data) => (all += data));
    socket.on("error", ({ code }) => (all = code));
    socket.on("close", () => process.stdout.write(all));`;
    const ask = () =>
      new Promise<string>((resolve, reject) => {
        const child = spawn(process.execPath, ["-e", script], { uid: other, gid: other, env: {}, cwd: "/" });
        let all = "";
        child.stdout.on("data", (data: Buffer) => (all += data.toString()));
        child.on("error", reject);
        child.on("close", () => resolve(all));
      });
    t.equal(await ask(), "EACCES");
    chmodSync(path, 0o666);
    t.equal(await ask(), '{"error":"not permitted"}\n');
    t.match(await askStatus(path), { kind: "snapshot" }, "root still is answered");
  },
);

t.test(
  "promise: status-socket: with --user the file is that user's, and he is answered",
  { skip: cannotBeAnother },
  async (t) => {
    const path = socketPath(folderOf(t), "server-1");
    const before = process.umask(0);
    await serve(t, path, { user: 65534, peer: () => ({ pid: 1, uid: 65534, gid: 0 }) });
    t.equal(process.umask(before), 0, "the umask is as it was");
    t.match(statSync(path), { uid: 65534, gid: 0 });
    t.equal(statSync(path).mode & 0o777, 0o600);
    t.match(await askStatus(path), { kind: "snapshot" });
    const other = socketPath(folderOf(t), "server-2");
    await serve(t, other, { user: 65534, peer: () => ({ pid: 1, uid: 65533, gid: 0 }) });
    t.same(await askStatus(other), { kind: "denied" });
  },
);

t.test("a path of digits is a path, and no port", async (t) => {
  const [before, folder] = [process.cwd(), folderOf(t)];
  process.chdir(folder);
  t.teardown(() => process.chdir(before));
  await serve(t, "1500");
  t.ok(statSync(join(folder, "1500")).isSocket());
  t.match(await askStatus("1500"), { kind: "snapshot" });
  await t.rejects(serve(t, "1500"), { message: /another program listens there/ });
});

t.test("a usual socket that can't be made is said, with what to do; a stop meanwhile is no failure", async (t) => {
  const parameters = ["client", "--peer", "203.0.113.7:1405", "--password", "a-long-password"];
  const world = pretendWorld((tunnel) => {
    tunnel.opening = async () => world.stop.request();
  });
  world.statusPlaces = { own: "/proc/i405", search: ["/proc/i405"] };
  t.equal(await runCli(parameters, world), 0);
  t.match(
    world.output(),
    /^warning: i405 status won't find this tunnel: no status socket at \/proc\/i405\/client-\d+\.sock: ENOENT.* \(I405_STATUS_SOCKET\)\n {2}Set XDG_RUNTIME_DIR .*--status-socket PATH/m,
  );
  const none = await status("/proc/i405");
  t.match(none.errors(), /I405_STATUS_SOCKET.* Looked in \/proc\/i405: i405 status PATH/);
  for (const path of ["/proc/missing/x.sock", join(folderOf(t), "x.sock")]) {
    const stopped = pretendWorld();
    stopped.stop.request();
    t.equal(await runCli([...parameters, "--status-socket", path], stopped), 0, path);
    t.same(
      stopped.tunnels.map(({ asked }) => asked),
      [undefined],
      "nothing is opened any more",
    );
    t.notOk(existsSync(path));
  }
});

t.test("where it can't be told who asks, nobody is answered", async (t) => {
  const folder = folderOf(t);
  const failing = socketPath(folder, "failing");
  await serve(t, failing, {
    peer: () => {
      throw new Error("no");
    },
  });
  t.same(await askStatus(failing), { kind: "denied" });
  const stranger = socketPath(folder, "stranger");
  await serve(t, stranger, { peer: () => ({ pid: 1, uid: 4_294_967_294, gid: 0 }) });
  t.same(await askStatus(stranger), { kind: "denied" });
});

t.test("what is no question ends the connection, and others are served as before", async (t) => {
  const path = socketPath(folderOf(t), "client-1");
  await serve(t, path);
  for (const bytes of [
    "x",
    "GET / HTTP/1.1\r\n\r\n",
    '{"request":"keys"}\n',
    "\0".repeat(100_000),
    REQUEST + REQUEST,
  ]) {
    const answer = await raw(path, bytes);
    t.notMatch(answer, '"format"', JSON.stringify(bytes.slice(0, 20)));
  }
  t.match(await askStatus(path), { kind: "snapshot" });
});

t.test("who asks and doesn't read can't make answers pile up", async (t) => {
  const path = socketPath(folderOf(t), "client-1");
  let taken = 0;
  const taker = photographer();
  const large = "x".repeat(1_000_000);
  await serve(t, path, {
    snapshot: () => {
      taken += 1;
      return { ...taker.take(), address: large };
    },
  });
  const socket = connect(path);
  socket.pause();
  socket.write(REQUEST);
  while (taken === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  for (let times = 0; times < 20; times += 1) {
    socket.write(REQUEST);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  t.equal(taken, 1);
  socket.destroy();
});

t.test("what a killed tunnel left is taken away, and nothing else", async (t) => {
  const folder = folderOf(t);
  const dead = () => {
    const path = socketPath(folder, "dead");
    const script = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
    spawnSync(process.execPath, ["-e", script]);
    t.ok(statSync(path).isSocket());
    return path;
  };
  await serve(t, dead());
  const alive = socketPath(folder, "alive");
  await serve(t, alive);
  await t.rejects(serve(t, alive), { code: "ERR_I405_STATUS", message: /another program listens there/ });
  t.match(await askStatus(alive), { kind: "snapshot" }, "and still does");
  const file = join(folder, "file");
  writeFileSync(file, "precious");
  await t.rejects(serve(t, file), { code: "ERR_I405_STATUS", message: /something else is there/ });
  t.ok(statSync(file).isFile());
  await t.rejects(serve(t, join(folder, "x".repeat(100))), { message: /at most 107 bytes/ });
  await t.rejects(serve(t, join(folder, "missing", "x.sock")), { code: "ERR_I405_STATUS" });
});

t.test("the usual folder is made, cleared of the dead, and refused where others may write", async (t) => {
  const parent = folderOf(t);
  const own = join(parent, "i405");
  const options = { ownFolder: true };
  await serve(t, socketPath(own, "one"), options);
  t.equal(statSync(own).mode & 0o022, 0);
  const path = socketPath(own, "dead");
  const script = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(process.execPath, ["-e", script]);
  writeFileSync(join(own, "doctor-undo.json"), "{}");
  await serve(t, socketPath(own, "two"), options);
  t.same(readdirSync(own).sort(), ["doctor-undo.json", "one.sock", "two.sock"]);
  const open = join(parent, "open");
  mkdirSync(open);
  chmodSync(open, 0o777);
  await t.rejects(serve(t, socketPath(open, "x"), options), { message: /others may write/ });
});

t.test("sockets are looked for, and links not followed: root would ask whatever they lead to", async (t) => {
  const [folder, elsewhere] = [folderOf(t), folderOf(t)];
  const path = socketPath(folder, "client-1");
  await serve(t, path);
  const target = socketPath(elsewhere, "target");
  await serve(t, target);
  symlinkSync(target, socketPath(folder, "link"));
  symlinkSync("/proc/missing", socketPath(folder, "nowhere"));
  writeFileSync(socketPath(folder, "file"), "");
  mkdirSync(socketPath(folder, "folder"));
  t.same(socketsIn(folder), [{ path, owner: OWN }]);
  symlinkSync(elsewhere, join(folder, "i405"));
  t.same(socketsIn(join(folder, "i405")), [], "nor is the folder a link");
  t.same(socketsIn(socketPath(folder, "file")), []);
});

t.test("a socket of another user than the folder's is none of its tunnels", { skip: cannotBeAnother }, async (t) => {
  const folder = folderOf(t);
  const path = socketPath(folder, "client-1");
  await serve(t, path);
  lchownSync(path, 65534, 65534);
  t.same(socketsIn(folder), [{ path, owner: 65534 }], "root has given it to him: nobody else could have put it there");
  chmodSync(folder, 0o777);
  t.same(socketsIn(folder), [], "anybody could have");
  chmodSync(folder, 0o700);
  lchownSync(folder, 65534, 65534);
  t.same(socketsIn(folder), [{ path, owner: 65534 }]);
  lchownSync(path, 0, 0);
  t.same(socketsIn(folder), [], "one that he has moved there");
});

t.test("a socket that was swapped since it was looked for is not asked", async (t) => {
  const [folder, elsewhere] = [folderOf(t), folderOf(t)];
  const target = socketPath(elsewhere, "target");
  await serve(t, target);
  t.match(await askStatus(target, { owner: OWN }), { kind: "snapshot" });
  t.match(await askStatus(target, { owner: OWN + 1 }), { kind: "broken", why: "not its folder's owner's socket" });
  const link = socketPath(folder, "link");
  symlinkSync(target, link);
  t.match(await askStatus(link, { owner: OWN }), { kind: "broken" });
  t.match(await askStatus(link), { kind: "snapshot" }, "a path that the user gives may be a link");
  t.same(await askStatus(socketPath(folder, "gone"), { owner: OWN }), { kind: "stale" });
});
