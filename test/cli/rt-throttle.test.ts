/** Lifting the kernel's real-time limit, on files that only look like the kernel's. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import t, { type Test } from "tap";
import { letGo, liftRtThrottle, type Places } from "../../lib/cli/rt-throttle.js";

interface Machine extends Places {
  value(): string;
  holds(): string[];
  /** A command of that number, as another process would leave it. */
  pretendHolder(pid: number, started: string, alive: boolean): string;
}

function machine(t: Test, value = "950000"): Machine {
  const root = t.testdir({ limit: `${value}\n`, proc: {} });
  const places = { limit: join(root, "limit"), folder: join(root, "run", "holders"), processes: join(root, "proc") };
  const process_ = (pid: number, started: string) => {
    const fields = ["S", ...Array.from({ length: 18 }, () => "0"), started, "0"];
    mkdirSync(join(places.processes, String(pid)), { recursive: true });
    writeFileSync(join(places.processes, String(pid), "stat"), `${pid} (a) b) ${fields.join(" ")}\n`);
  };
  process_(process.pid, "1000");
  return {
    ...places,
    value: () => readFileSync(places.limit, "utf8").trim(),
    // The lock's last generation stays.
    holds: () =>
      readdirSync(places.folder)
        .filter((name) => !name.startsWith("lock-"))
        .sort(),
    pretendHolder: (pid, started, alive) => {
      if (alive) process_(pid, started);
      writeFileSync(join(places.folder, `${pid}-${started}`), "");
      return `${pid}-${started}`;
    },
  };
}

t.test("lifted, and put back once", async (t) => {
  const at = machine(t);
  const putBack = liftRtThrottle(at);
  t.equal(at.value(), "-1");
  t.same(at.holds(), [`${process.pid}-1000`, "former"]);
  putBack?.();
  t.equal(at.value(), "950000");
  t.same(at.holds(), []);
  writeFileSync(at.limit, "900000");
  putBack?.();
  t.equal(at.value(), "900000", "a second call does nothing");
});

t.test("the last of several puts it back, to what it was before the first", async (t) => {
  const at = machine(t, "800000");
  const putBack = liftRtThrottle(at);
  const other = at.pretendHolder(7, "70", true);
  putBack?.();
  t.equal(at.value(), "-1");
  const again = liftRtThrottle(at);
  letGo(other, at);
  t.equal(at.value(), "-1");
  again?.();
  t.equal(at.value(), "800000");
});

t.test("holders whose process is gone, or whose number is another's now, don't count", async (t) => {
  const at = machine(t);
  const putBack = liftRtThrottle(at);
  at.pretendHolder(8, "80", false);
  at.pretendHolder(9, "90", true);
  at.pretendHolder(9, "91", true);
  letGo("9-91", at);
  putBack?.();
  t.equal(at.value(), "950000");
  t.same(at.holds(), []);
});

t.test("what a killed command and a killed guard left is put back by the next", async (t) => {
  const at = machine(t, "-1");
  mkdirSync(at.folder, { recursive: true });
  writeFileSync(join(at.folder, "former"), "950000");
  at.pretendHolder(8, "80", false);
  const putBack = liftRtThrottle(at);
  t.ok(putBack);
  putBack?.();
  t.equal(at.value(), "950000");
});

t.test("a limit that somebody else has lifted or changed stays his", async (t) => {
  const at = machine(t, "-1");
  t.equal(liftRtThrottle(at), null);
  t.same(at.holds(), []);
  writeFileSync(at.limit, "950000");
  const putBack = liftRtThrottle(at);
  writeFileSync(at.limit, "700000");
  putBack?.();
  t.equal(at.value(), "700000");
});

t.test("a lock that its owner left behind is taken over", async (t) => {
  const at = machine(t);
  mkdirSync(at.folder, { recursive: true });
  symlinkSync("7-1", join(at.folder, "lock-6"));
  const putBack = liftRtThrottle(at);
  t.equal(at.value(), "-1");
  putBack?.();
  t.same(
    readdirSync(at.folder).map((name) => [name, readlinkSync(join(at.folder, name))]),
    [
      ["lock-7", "free"],
      ["lock-8", "free"],
    ],
  );
});

t.test("not permitted: the code, the reason, the remedy, and nothing left behind", async (t) => {
  const at = machine(t);
  const limit = join(at.limit, "nowhere");
  t.throws(() => liftRtThrottle({ ...at, limit }), {
    code: "ERR_I405_RT_THROTTLE",
    message: /^--lift-rt-throttle: .*ENOTDIR.*\nRun it as root, or .*sudo tee/,
  });
  t.notOk(existsSync(at.folder));
});

t.test("a folder in which others may write is not believed", async (t) => {
  const at = machine(t, "-1");
  for (const open of [at.folder, dirname(at.folder)]) {
    mkdirSync(at.folder, { recursive: true });
    writeFileSync(join(at.folder, "former"), "1000000");
    chmodSync(open, 0o777);
    t.throws(() => liftRtThrottle(at), { code: "ERR_I405_RT_THROTTLE", message: /others may write in / }, open);
    t.equal(at.value(), "-1");
    chmodSync(open, 0o755);
  }
});
