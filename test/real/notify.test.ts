/** What a service manager hears of the real command, on a real socket, with and without a name in the file system. */
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { here, Program, type ProgramEvent } from "../../lab/host/program.js";
import { testkit } from "../../lab/host/testkit.js";
import { end, i405, node, commandOf, passwordFile } from "./support.js";

const WATCHDOG_S = 1;

async function manager(t: Test, socket: string) {
  const ear = new Program(here, [testkit("notified"), "--socket", socket]);
  t.teardown(() => ear.stop());
  await ear.event("ready");
  const states = () => ear.events.filter(({ event }) => event === "notified").map(({ state }) => String(state));
  return {
    states,
    heard: (pattern: RegExp) => ear.until(String(pattern), () => states().find((state) => pattern.test(state))),
    signs: () => states().filter((state) => state === "WATCHDOG=1").length,
    ear,
  };
}

function server(t: Test, socket: string, ...flags: string[]): Program {
  const own = ["--listen-addr", "127.0.0.1:0", "--device", "packets", "--json", "--no-sched-fifo"];
  const secret = ["--password-file", passwordFile(t.testdirName)];
  const variables = [`NOTIFY_SOCKET=${socket}`, `WATCHDOG_USEC=${WATCHDOG_S * 1e6}`];
  const program = node(here, commandOf(["server", ...own, ...secret, ...flags]), ["env", ...variables]);
  t.teardown(() => program.stop("SIGKILL"));
  return program;
}

t.test("ready, connected, alive, stopping", async (t) => {
  t.testdir();
  const socket = `@i405-test-${process.pid}`;
  const { heard, signs, states, ear } = await manager(t, socket);
  const program = server(t, socket, "--linger", "200ms");
  await heard(/^READY=1\nSTATUS=listening$/);
  const { localAddress } = await program.event<ProgramEvent & { localAddress: string }>("listening");
  const client = i405(here, [
    ...["client", "--json", "--peer", localAddress, "--device", "packets", "--no-sched-fifo"],
    ...["--password-file", passwordFile(t.testdirName), "--up-packet-interval", "5ms"],
  ]);
  t.teardown(() => client.stop("SIGKILL"));
  await heard(/^STATUS=connected with 127\.0\.0\.1:/);
  const before = signs();
  await ear.until("signs of life", () => (signs() >= before + 3 ? true : undefined));

  // Hung, and everything in it: nothing comes until it goes on.
  program.kill("SIGSTOP");
  await new Promise((resolve) => setTimeout(resolve, 500));
  const hung = signs();
  await new Promise((resolve) => setTimeout(resolve, 3000 * WATCHDOG_S));
  t.equal(signs(), hung, "no sign of life while it hangs");
  program.kill("SIGCONT");
  await ear.until("a sign of life", () => (signs() > hung ? true : undefined));

  t.equal((await end(client)).code, 0);
  await heard(/^STATUS=listening$/);
  t.equal((await end(program)).code, 0);
  t.match(states().at(-1), /^STOPPING=1\nSTATUS=closing\nEXTEND_TIMEOUT_USEC=10200000$/);
  t.equal(states().filter((state) => state.startsWith("READY=1")).length, 1);
});

t.test("a socket in the file system, and one that nobody reads", async (t) => {
  t.testdir();
  const folder = mkdtempSync(join(tmpdir(), "i405-notify-"));
  chmodSync(folder, 0o755);
  t.teardown(() => rmSync(folder, { recursive: true }));
  const socket = join(folder, "notify");
  const { heard } = await manager(t, socket);
  t.ok(existsSync(socket));
  const program = server(t, socket);
  await heard(/^READY=1/);
  t.equal((await end(program)).code, 0);
  const alone = server(t, join(folder, "nobody"));
  await alone.event("listening");
  t.equal((await end(alone)).code, 0);
  t.equal(alone.stderr, "");
});
