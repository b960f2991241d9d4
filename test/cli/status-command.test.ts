/** What a liar may answer, and `i405 status`. */
import { readdirSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import t, { type Test } from "tap";
import { runCli } from "../../lib/cli/cli.js";
import { askStatus } from "../../lib/cli/status/client.js";
import { nameOf, socketPath } from "../../lib/cli/status/places.js";
import { readSnapshot } from "../../lib/cli/status/snapshot.js";
import { folderOf, photographer, serve, status } from "../../lab/fake/cli-status.js";
import { pretendWorld } from "../../lab/fake/cli-world.js";

/** A server that answers what it likes. */
function liar(t: Test, path: string, act: (socket: Socket) => void): Promise<void> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    act(socket);
  });
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return new Promise((resolve) => server.listen(path, resolve));
}

t.test("root may look at anybody's socket: nothing that it answers harms", async (t) => {
  const folder = folderOf(t);
  const good = photographer().take();
  const answers: Record<string, (socket: Socket) => void> = {
    endless: (socket) => {
      const more = () => {
        if (socket.writable) socket.write("x".repeat(65536), more);
      };
      more();
    },
    nothing: () => undefined,
    closes: (socket) => socket.end(),
    nonsense: (socket) => socket.write("<html>\n"),
    array: (socket) => socket.write("[]\n"),
    missing: (socket) => socket.write(`${JSON.stringify({ ...good, stats: {} })}\n`),
    wrong: (socket) => socket.write(`${JSON.stringify({ ...good, pid: {} })}\n`),
    newer: (socket) => socket.write(`${JSON.stringify({ ...good, format: 2 })}\n`),
    records: (socket) => socket.write(`${JSON.stringify({ ...good, records: [7] })}\n`),
  };
  for (const [name, act] of Object.entries(answers)) {
    const path = socketPath(folder, name);
    await liar(t, path, act);
    t.match(await askStatus(path, { patienceMs: 300 }), { kind: "broken" }, name);
  }
  t.same(await askStatus(socketPath(folder, "none")), { kind: "stale" });
});

t.test("texts from a socket can't move the cursor or flood the screen", async (t) => {
  const evil = { ...photographer().take(), name: "\x1b[2Jtun\r\n\u202e", address: "x".repeat(10_000) };
  const read = readSnapshot(JSON.stringify(evil));
  t.equal(read?.name, "?[2Jtun???");
  t.equal(read?.address.length, 300);
});

t.test("i405 status: all tunnels, or one by name, interface or number", async (t) => {
  const folder = folderOf(t);
  const none = await status(folder);
  t.equal(none.code, 3);
  t.match(none.errors(), /^i405 status: no tunnel of this user runs here \(ERR_I405_STATUS\)\n/);
  await serve(t, socketPath(folder, "client-1"));
  await serve(t, socketPath(folder, "server-2"));
  const all = await status(folder);
  t.equal(all.code, 0);
  t.match(all.output(), /^client-1 \(process \d+\): connected with 203\.0\.113\.7:1405\n/);
  t.match(all.output(), /^server-2 /m);
  t.match(all.output(), /^ {2}here {6}not open yet, interface tun-x, dozy$/m);
  t.match(all.output(), /^ {2}lateness {2}p50 3\.0, p90 4\.0, p99 5\.0, p99\.9 6\.0, max 7\.0, stddev 2\.0 us$/m);
  t.match(all.output(), /^ {2}03:04:05 {2}there again$/m);
  t.notMatch(all.output(), "\x1b");
  const one = await status(folder, "server-2", "--json");
  t.match(JSON.parse(one.output()), { name: "server-2" });
  for (const name of ["tun-x", String(process.pid), "client"]) {
    t.equal((await status(folder, name, "--json")).output().trim().split("\n").length, 2, name);
  }
  t.match((await status("/proc/missing", socketPath(folder, "client-1"))).output(), /^client-1 /, "by its path");
  const missing = await status(folder, "tun-y");
  t.equal(missing.code, 3);
  t.match(missing.errors(), /no tunnel "tun-y" answers/);
  t.match((await status(folder, "--live")).errors(), /--live shows one tunnel.*client-1, server-2 \(ERR_I405_USAGE\)/);
  t.equal((await status(folder, "--live", "--json")).code, 2);
});

t.test("a command has a socket, by default and where it is told to", async (t) => {
  const folder = folderOf(t);
  const path = join(folder, "mine.sock");
  const run = async (...flags: string[]) => {
    let found: string[] = [];
    const world = pretendWorld((tunnel) => {
      tunnel.opening = async () => {
        found = readdirSync(folder).sort();
        for (const name of found)
          t.match(await askStatus(join(folder, name)), { kind: "snapshot", snapshot: { name: nameOf(name) } });
        world.stop.request();
      };
    });
    world.statusPlaces = { own: folder, search: [folder] };
    t.equal(
      await runCli(["client", "--peer", "203.0.113.7:1405", "--password", "a-long-password", ...flags], world),
      0,
    );
    t.same(readdirSync(folder), [], "it goes with the tunnel");
    return { found, output: world.output() };
  };
  t.same((await run()).found, [`client-${process.pid}.sock`]);
  t.same((await run("--no-status-socket")).found, []);
  const told = await run("--status-socket", path);
  t.same(told.found, ["mine.sock"]);
  t.match(told.output, `status socket ${path}\n`);
  const world = pretendWorld();
  const failing = ["--status-socket", "/proc/missing/x.sock"];
  t.equal(
    await runCli(["client", "--peer", "203.0.113.7:1405", "--password", "a-long-password", ...failing], world),
    3,
  );
  t.match(world.errors(), /--status-socket: can't listen on .* \(ERR_I405_STATUS\)/);
});
