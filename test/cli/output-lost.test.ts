/** Where the log or the terminal goes away, or its disk is full: a tunnel goes on, and what is all output fails. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { startLog } from "../../lib/cli/log.js";
import { askStatus } from "../../lib/cli/status/client.js";
import type { Snapshot } from "../../lib/cli/status/snapshot.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const LOOK_MS = 50;

/** Where paths are short enough for a socket. */
function folderOf(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), "i405-out-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "password"), "a-long-password\n", { mode: 0o600 });
  return folder;
}

function server(folder: string, ...more: string[]): string[] {
  const at = ["--listen-addr", "127.0.0.1:0", "--device", "packets", "--no-sched-fifo"];
  const own = ["--password-file", join(folder, "password"), "--status-socket", join(folder, "s.sock")];
  return [MAIN, "server", ...at, ...own, ...more];
}

/** The newest snapshot that holds; asked for as long as it takes. */
async function snapshot(folder: string, holds: (snapshot: Snapshot) => boolean): Promise<Snapshot> {
  for (;;) {
    const answer = await askStatus(join(folder, "s.sock"));
    if (answer.kind === "snapshot" && holds(answer.snapshot)) return answer.snapshot;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

const isListening = ({ state }: Snapshot) => state === "listening";

t.test("what is all output fails on a full disk, and says so", async (t) => {
  const folder = folderOf(t);
  const key = join(folder, "key");
  spawnSync(process.execPath, [MAIN, "genkey", "--out", key]);
  for (const parameters of [["genkey"], ["genpsk"], ["pubkey", key], ["--help"], ["doctor", "--help"]]) {
    const full = openSync("/dev/full", "w");
    const { status, stderr } = spawnSync(process.execPath, [MAIN, ...parameters], {
      stdio: ["ignore", full, "pipe"],
      encoding: "utf8",
    });
    closeSync(full);
    t.equal(status, 3, parameters.join(" "));
    t.match(stderr, /i405: standard output can't be written: ENOSPC/);
  }
  // Standard error, too: the exit code alone is left to say it.
  const full = openSync("/dev/full", "w");
  t.equal(spawnSync(process.execPath, [MAIN, "genkey"], { stdio: ["ignore", full, full] }).status, 3);
  t.equal(spawnSync(process.execPath, [MAIN, "client"], { stdio: ["ignore", full, full] }).status, 2);
  closeSync(full);
});

for (const format of ["text", "json"] as const) {
  t.test(`a tunnel whose log is on a full disk goes on, and ends as asked: ${format}`, async (t) => {
    const folder = folderOf(t);
    const full = openSync("/dev/full", "w");
    const child = spawn(process.execPath, server(folder, "--log-format", format, "--log-level", "debug"), {
      stdio: ["ignore", full, full],
    });
    closeSync(full);
    const ended = once(child, "exit");
    t.match(await snapshot(folder, isListening), { state: "listening", pid: child.pid });
    child.kill("SIGTERM");
    t.same(await ended, [0, null]);
  });
}

t.test("a tunnel whose log nobody reads any more goes on, and ends as asked", async (t) => {
  const folder = folderOf(t);
  // Not on a terminal, the live view writes a line each second.
  const child = spawn(process.execPath, server(folder, "--live"), { stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(child, "exit");
  const { clockMs } = await snapshot(folder, isListening);
  child.stdout.destroy();
  child.stderr.destroy();
  await snapshot(folder, (now) => now.clockMs > clockMs + 3500);
  child.kill("SIGTERM");
  t.same(await ended, [0, null]);
});

t.test("a service that stops says so by its exit code, though nobody reads why", async (t) => {
  const folder = folderOf(t);
  const closed = spawn(process.execPath, server(folder, "--metrics", "203.0.113.7:9"), {
    stdio: ["ignore", "pipe", "pipe"],
  });
  closed.stdout.destroy();
  closed.stderr.destroy();
  t.same(await once(closed, "exit"), [3, null]);
});

const noScript = spawnSync("script", ["--version"]).status === 0 ? false : "no script(1)";

t.test("a tunnel goes on when its terminal is closed", { skip: noScript }, async (t) => {
  const folder = folderOf(t);
  const quoted = server(folder, "--live")
    .map((word) => `'${word}'`)
    .join(" ");
  // In a session of its own, so that no SIGHUP comes: what is left is a terminal that is gone.
  const inside = `setsid --wait sh -c "${process.execPath} ${quoted}; echo \\$? > ${folder}/code"`;
  const script = spawn("script", ["-qec", inside, "/dev/null"], { stdio: ["pipe", "ignore", "ignore"] });
  const { clockMs, pid } = await snapshot(folder, isListening);
  script.kill("SIGKILL");
  await once(script, "exit");
  t.teardown(() => {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended, as it should.
    }
  });
  await snapshot(folder, (now) => now.clockMs > clockMs + 3500);
  process.kill(pid, "SIGTERM");
  while (!existsSync(join(folder, "code")) || readFileSync(join(folder, "code"), "utf8") === "") {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  t.equal(readFileSync(join(folder, "code"), "utf8"), "0\n");
});

t.test("the end of a terminal is a SIGHUP: it ends as asked", { skip: noScript }, async (t) => {
  const folder = folderOf(t);
  const quoted = server(folder)
    .map((word) => `'${word}'`)
    .join(" ");
  // The outer shell leads the session: with its end, the terminal's group gets the signal. The inner tells the exit code.
  const inside = `sh -c "trap '' HUP; ${process.execPath} ${quoted}; echo \\$? > ${folder}/code"; true`;
  const script = spawn("script", ["-qec", inside, "/dev/null"], { stdio: ["pipe", "ignore", "ignore"] });
  await snapshot(folder, isListening);
  script.kill("SIGKILL");
  while (!existsSync(join(folder, "code")) || readFileSync(join(folder, "code"), "utf8") === "") {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  t.equal(readFileSync(join(folder, "code"), "utf8"), "0\n");
});

t.test("records that could not be written are counted, and said before the next that can", (t) => {
  for (const format of ["text", "json"] as const) {
    let isFull = false;
    let written = "";
    const out = (text: string) => {
      if (!isFull) written += text;
      return !isFull;
    };
    const log = startLog({ out, err: out }, { format, level: "info", program: "i405 server" });
    log.say("one", {}, "one");
    isFull = true;
    for (let times = 0; times < 3; times += 1) log.say("lost", {}, "lost");
    isFull = false;
    log.say("two", {}, "two");
    log.say("three", {}, "three");
    const lines = written.trimEnd().split("\n");
    const at = (what: RegExp) => lines.findIndex((line) => what.test(line));
    t.match(written, /3 records of this log could not be written/, format);
    const order = [/\bone\b/, /I405_LOG_LOST/, /\btwo\b/, /\bthree\b/].map(at);
    t.ok(order[0]! >= 0 && order.every((line, place) => place === 0 || line > order[place - 1]!), "in order");
    t.equal(written.match(/I405_LOG_LOST/g)?.length, 1);
    t.notMatch(written, /"lost"|^lost$/m);
  }
  t.end();
});
