/** What a service manager is told, against a fake of the addon's part; its socket is in e2e/notify.test.ts. */
import t from "tap";
import { runCli } from "../../lib/cli/cli.js";
import { Service } from "../../lib/cli/service.js";
import { CONNECTION, pretendWorld, temporaryFile } from "../../lab/fake/cli-world.js";
import { PretendProcess } from "../../lab/fake/process.js";
import { SOME_STATS } from "../../lab/fake/cli-stats.js";

/** Looks again and again; a test that waits in vain ends by its own timeout. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

t.test("a command tells its states, and no child inherits the socket", async (t) => {
  const native = new PretendProcess();
  const world = { ...pretendWorld(), process: () => Promise.resolve(native) };
  world.io.environment = { NOTIFY_SOCKET: "@manager", WATCHDOG_USEC: "3600000000", I405_PASSWORD: "a-long-password" };
  const file = temporaryFile(t, "password", "a-long-password");
  const own = ["--listen-addr", "0.0.0.0:1405", "--password-file", file, "--device", "packets", "--linger", "2s"];
  const running = runCli(["server", ...own], world);
  await until(() => native.calls.some((call) => call.includes("WATCHDOG=1")));
  const [tunnel] = world.tunnels;
  tunnel!.emit("connected", CONNECTION);
  tunnel!.emit("silent", { forMs: 1 });
  tunnel!.emit("heard");
  tunnel!.emit("disconnected", { reason: "silent" });
  world.stop.request();
  t.equal(await running, 0);
  const told = native.calls.filter((call) => call.startsWith("notify")).map((call) => call.slice("notify ".length));
  t.match(told, [
    /^@manager READY=1 STATUS=listening$/,
    /^@manager WATCHDOG=1$/,
    /^@manager STATUS=connected with 203\.0\.113\.7:1405, aes-256-gcm/,
    /^@manager STATUS=the other end is silent$/,
    /^@manager STATUS=connected; /,
    /^@manager STATUS=listening$/,
    /^@manager STOPPING=1 STATUS=closing EXTEND_TIMEOUT_USEC=12000000$/,
  ]);
  t.equal(told.length, 7);
  t.same(Object.keys(world.io.environment), [], "nor the secret");
  t.ok(
    native.calls.indexOf("giveUpPrivileges") < native.calls.findIndex((call) => call.includes("READY=1")),
    "ready only without privileges",
  );
});

t.test("the watchdog hears nothing while slots stand still that should run", async (t) => {
  const native = new PretendProcess();
  const environment = { NOTIFY_SOCKET: "/run/manager", WATCHDOG_USEC: "20000", WATCHDOG_PID: "42" };
  const service = new Service(environment, native, 42);
  const slots = { ...SOME_STATS.slots };
  let runs = false;
  let looks = 0;
  const tunnel = {
    stats: () => {
      looks += 1;
      if (runs) slots.sent += 1n;
      return { slots };
    },
  };
  const signs = () => native.calls.filter((call) => call.endsWith("WATCHDOG=1")).length;
  const more = async (count: number) => {
    const from = signs();
    await until(() => signs() >= from + count);
  };
  service.ready("listening", tunnel);
  await more(3);
  service.expectSlots(true);
  runs = true;
  await more(3);
  runs = false;
  // The look under way may still have seen a slot; from the second on there is none.
  const looked = looks;
  await until(() => looks >= looked + 2);
  const stood = signs();
  await until(() => looks >= looked + 12);
  t.equal(signs(), stood, "silent");
  runs = true;
  await more(1);
  service.stopping(0);
  const stopped = signs();
  await new Promise((resolve) => setTimeout(resolve, 60));
  t.equal(signs(), stopped, "nothing after the end has begun");
});

t.test("another process's watchdog, no socket, a deaf manager", async (t) => {
  const native = new PretendProcess();
  const tunnel = { stats: () => SOME_STATS };
  const other = new Service({ NOTIFY_SOCKET: "@m", WATCHDOG_USEC: "20000", WATCHDOG_PID: "41" }, native, 42);
  other.ready("listening", tunnel);
  new Service({ NOTIFY_SOCKET: "", WATCHDOG_USEC: "20000" }, native).ready("listening", tunnel);
  await new Promise((resolve) => setTimeout(resolve, 60));
  t.same(native.calls, ["notify @m READY=1 STATUS=listening"]);
  native.deaf = new Error("ECONNREFUSED");
  t.doesNotThrow(() => other.status("two\nlines"));
  native.deaf = null;
  other.status("two\nlines");
  t.match(native.calls.at(-1), "notify @m STATUS=two lines");
});
