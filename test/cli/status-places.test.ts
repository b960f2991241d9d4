/** Where status sockets are looked for: root, users and services have folders of their own. */
import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { nameOf, realPlaces, socketPath, socketsIn } from "../../lib/cli/status/places.js";

t.test("places: root's is the system's, a user's own is his", async (t) => {
  const system = t.testdir({});
  const places = (environment: NodeJS.ProcessEnv, uid: number) => realPlaces(environment, uid, system);
  t.match(places({ XDG_RUNTIME_DIR: "/run/user/1000" }, 0), { own: system });
  t.same(places({ XDG_RUNTIME_DIR: "/run/user/1000" }, 1000), {
    own: "/run/user/1000/i405",
    search: ["/run/user/1000/i405", system],
  });
  t.same(places({ XDG_RUNTIME_DIR: "relative" }, 1000), { own: system, search: [system] });
  t.same(places({}, 1000).own, system);
  t.equal(realPlaces({}, 0).own, "/run/i405");
  // Each service has a folder of its own there, which root looks into as well.
  const service = join(system, "client");
  mkdirSync(service);
  writeFileSync(join(system, "server-1.sock"), "");
  t.same(places({ RUNTIME_DIRECTORY: `${service}:/run/other` }, 997), { own: service, search: [service, system] });
  t.equal(places({ RUNTIME_DIRECTORY: service }, 0).own, service);
  t.same(places({}, 0).search.slice(0, 2), [system, service]);
  t.equal(nameOf("/run/i405/client-7.sock"), "client-7");
  t.same(socketsIn("/proc/missing"), []);
});

t.test("without XDG_RUNTIME_DIR a user's own folder is found, if it is nobody else's", async (t) => {
  const users = t.testdir({ 1000: {} });
  const folder = join(users, "1000");
  const own = () => realPlaces({}, 1000, "/run/i405", users).own;
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) chownSync(folder, 1000, 1000);
  if (isRoot) t.equal(own(), join(folder, "i405"));
  chmodSync(folder, 0o777);
  t.equal(own(), "/run/i405", "others may write in it");
  chmodSync(folder, 0o700);
  if (isRoot) chownSync(folder, 1001, 1001);
  if (isRoot) t.equal(own(), "/run/i405", "another's");
  t.equal(realPlaces({}, 1002, "/run/i405", users).own, "/run/i405", "none");
});

t.test("not more than 256 names of a folder are looked at", async (t) => {
  // Paths of sockets are short.
  const folder = mkdtempSync(join(tmpdir(), "i405-places-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  for (let index = 0; index < 300; index += 1) {
    const server = createServer().listen(socketPath(folder, String(index)));
    t.teardown(() => server.close());
    await once(server, "listening");
  }
  t.equal(readdirSync(folder).length, 300);
  t.equal(socketsIn(folder).length, 256);
});
