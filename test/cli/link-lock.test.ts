/** The lock of `--lift-rt-throttle` between many processes, some of which are killed while they hold it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readdirSync, readlinkSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { withLock } from "../../lib/cli/link-lock.js";

const BUILT = new URL("../../dist/cli/link-lock.js", import.meta.url).href;
const [PROCESSES, TURNS] = [8, 25];

/** Takes the lock again and again, says whom it met inside, and if it is told to, dies there in the end. */
const WORKER = `
  import { existsSync, mkdirSync, rmSync, appendFileSync, writeFileSync } from "node:fs";
  import { withLock } from ${JSON.stringify(BUILT)};
  const [folder, turns, dies] = process.argv.slice(1);
  const inside = folder + "-inside";
  const isAlive = (holder) => existsSync("/proc/" + holder);
  for (let turn = 1; turn <= Number(turns); turn += 1) {
    withLock({ folder, holder: String(process.pid), isAlive }, () => {
      try {
        mkdirSync(inside);
      } catch {
        appendFileSync(folder + "-met", process.pid + "\\n");
      }
      appendFileSync(folder + "-turns", ".");
      rmSync(inside, { recursive: true, force: true });
      if (dies === "dies" && turn === Number(turns)) process.kill(process.pid, "SIGKILL");
    });
  }`;

t.test("one at a time, whoever dies with it", async (t) => {
  const root = t.testdir({ lock: {}, "lock-met": "", "lock-turns": "" });
  const folder = join(root, "lock");
  // What somebody left behind who is no more: all find it at once.
  symlinkSync("4194999", join(folder, "lock-3"));
  const workers = Array.from({ length: PROCESSES }, (_, index) => {
    const parameters = [folder, String(TURNS), index % 2 === 0 ? "dies" : "ends"];
    return spawn(process.execPath, ["--input-type=module", "--eval", WORKER, ...parameters], {
      stdio: ["ignore", "inherit", "inherit"],
    });
  });
  const ends = await Promise.all(workers.map((worker) => once(worker, "exit")));
  t.same(
    ends.map(([code, signal]) => (code as number | null) ?? (signal as string)),
    workers.map((_, index) => (index % 2 === 0 ? "SIGKILL" : 0)),
  );
  t.equal(readFileSync(`${folder}-met`, "utf8"), "", "nobody met another inside");
  t.equal(readFileSync(`${folder}-turns`, "utf8").length, PROCESSES * TURNS, "each got every turn");
  t.ok(readdirSync(folder).filter((name) => name.startsWith("lock-")).length <= 3, "old turns go");
});

t.test("it is free after a failure inside, and who came late with an old turn waits", (t) => {
  const folder = t.testdir({});
  const options = { folder, holder: "me", isAlive: (holder: string) => holder === "me" };
  t.throws(
    () =>
      withLock(options, () => {
        throw new Error("inside");
      }),
    { message: "inside" },
  );
  t.equal(
    withLock(options, () => "again"),
    "again",
  );
  t.same(readdirSync(folder).sort(), ["lock-1", "lock-2"]);
  t.equal(readlinkSync(join(folder, "lock-2")), "free");
  t.end();
});
