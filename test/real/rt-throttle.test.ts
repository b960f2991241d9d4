/**
 * `--lift-rt-throttle` on the kernel's own limit. It is the whole machine's: whatever happens here, it is put back.
 */
import { readFileSync, writeFileSync } from "node:fs";
import t from "tap";
import type { Program } from "../../lab/host/program.js";
import { here } from "../../lab/host/program.js";
import { commandOf, node, passwordFile, skip } from "./support.js";

const LIMIT = "/proc/sys/kernel/sched_rt_runtime_us";
const limit = () => readFileSync(LIMIT, "utf8").trim();

function reasonAgainst(): string | false {
  if (skip !== false) return skip;
  try {
    if (limit() === "-1") return "the limit is lifted already";
    writeFileSync(LIMIT, limit());
    return false;
  } catch {
    return `${LIMIT} can't be written`;
  }
}

/** Generous: a machine that does other things as well. */
const PATIENCE_MS = 20_000;

async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not within ${PATIENCE_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

t.test(
  "the kernel's limit is lifted while commands run, and back after any end",
  { skip: reasonAgainst() },
  async (t) => {
    const former = limit();
    t.teardown(() => writeFileSync(LIMIT, former));
    const secrets = ["--password-file", passwordFile(t.testdir())];
    const started: Program[] = [];
    t.teardown(() => Promise.all(started.map((program) => program.stop())));
    const start = async (before: readonly string[] = [], flags: readonly string[] = []): Promise<Program> => {
      const own = ["--listen-addr", "127.0.0.1:0", "--device", "packets", "--json", "--no-sched-fifo"];
      const program = node(here, commandOf(["server", ...own, ...secrets, "--lift-rt-throttle", ...flags]), before);
      started.push(program);
      await program.event("listening");
      return program;
    };

    const ended = await start();
    t.equal(limit(), "-1", "lifted");
    t.match(await ended.stop("SIGTERM"), { code: 0 });
    t.equal(limit(), former, "back after SIGTERM");

    // Without the right to write it: the guard does.
    const another = await start([], ["--user", "54321:54321"]);
    await another.event("privileges");
    t.equal(limit(), "-1");
    t.match(await another.stop("SIGTERM"), { code: 0 });
    await until("back after the end of another user", () => limit() === former);

    // A process group of its own, all of which is killed: nothing in it could put the limit back.
    const killed = await start(["setsid"]);
    t.equal(limit(), "-1");
    process.kill(-killed.pid, "SIGKILL");
    await killed.exit;
    await until("back after SIGKILL", () => limit() === former);
    t.pass("back after SIGKILL");

    const [first, second] = [await start(), await start()];
    first.kill("SIGKILL");
    await first.exit;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    t.equal(limit(), "-1", "lifted as long as one of two runs");
    t.match(await second.stop("SIGINT"), { code: 0 });
    await until("back after both", () => limit() === former);
  },
);
