/** The audit's own loads: that they work, and that nothing of them stays, whatever ends them. As built, in real processes. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { availableParallelism } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import t from "tap";
import type { LoadKind } from "../../lib/audit/live/load.js";
import { here, Program } from "../../lab/host/program.js";

const BUILT = new URL("../../dist/audit/live/load.js", import.meta.url).href;
const { startLoad } = (await import(BUILT)) as typeof import("../../lib/audit/live/load.js");

/** Between two looks at something that comes by itself, ms. */
const LOOK_MS = 10;
const MEBIBYTE = 1024 * 1024;

async function until(reached: () => boolean): Promise<void> {
  while (!reached()) await delay(LOOK_MS);
}

function figure(path: string, pattern: RegExp): number {
  return Number(pattern.exec(readFileSync(path, "utf8"))?.[1]);
}

function files(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).map((name) => {
    try {
      return readlinkSync(`${folder}/${name}`);
    } catch {
      return "closed meanwhile";
    }
  });
}

/** What each load does, by figures that nothing else of its process moves as far. */
const WORKS: Record<LoadKind, (pid: number) => () => boolean> = {
  cpu: (pid) => {
    // Of each thread: utime, the 14th field (proc_pid_stat(5)), in ticks.
    const busy = () => {
      const tasks = readdirSync(`/proc/${pid}/task`).map((task) => {
        const stat = readFileSync(`/proc/${pid}/task/${task}/stat`, "utf8");
        return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[14 - 3]);
      });
      return tasks.filter((ticks) => ticks > 20).length;
    };
    return () => busy() >= availableParallelism();
  },
  memory: (pid) => () => figure(`/proc/${pid}/status`, /VmRSS:\s+(\d+)/) > 128 * 1024,
  disk: (pid) => {
    const [read, written] = [/rchar: (\d+)/, /wchar: (\d+)/].map((what) => () => figure(`/proc/${pid}/io`, what));
    return () => read!() > 32 * MEBIBYTE && written!() >= 64 * MEBIBYTE;
  },
  interrupts: () => {
    const received = () => figure("/proc/net/snmp", /^Udp: (\d+)/m);
    const before = received();
    return () => received() > before + 5000;
  },
};

for (const kind of ["cpu", "memory", "disk", "interrupts"] as const) {
  t.test(`${kind}: works until it is stopped`, async (t) => {
    const load = await startLoad(kind);
    await until(WORKS[kind](load.pid));
    const scratch = files(load.pid).filter((name) => name.includes("i405-load-"));
    t.equal(scratch.length, kind === "disk" ? 1 : 0);
    t.ok(
      scratch.every((name) => name.endsWith("/file (deleted)")),
      "the file has no name that could stay",
    );
    const [first] = await Promise.all([load.stop(), load.stop()]);
    t.equal(first, undefined);
    t.notOk(existsSync(`/proc/${load.pid}`));
    for (const name of scratch) t.notOk(existsSync(name.replace(/\/file .*/, "")));
  });
}

t.test("one that dies early says so when it is stopped", async (t) => {
  const load = await startLoad("disk");
  process.kill(load.pid, "SIGKILL");
  await t.rejects(load.stop(), { code: "ERR_I405_AUDIT_HERE", message: 'the load "disk" ended early: SIGKILL' });
  await t.rejects(load.stop(), /SIGKILL/, "again");
});

t.test("a forgotten one ends by itself", async (t) => {
  const load = await startLoad("interrupts", { limitMs: 10 });
  await until(() => !existsSync(`/proc/${load.pid}`));
  await t.rejects(load.stop(), { message: 'the load "interrupts" ended early: nobody had ended it within 0.01 s' });
});

t.test("one that can't be started is none", async (t) => {
  t.teardown(() => delete process.env.NODE_OPTIONS);
  process.env.NODE_OPTIONS = "--no-such-option";
  const message = /^the load "cpu" ended early: exit code 9, .*--no-such-option is not allowed/;
  await t.rejects(startLoad("cpu"), { code: "ERR_I405_AUDIT_HERE", message });
});

t.test("it ends with the process that started it", async (t) => {
  const script = `
    import { startLoad } from ${JSON.stringify(BUILT)};
    const { pid } = await startLoad(process.argv[1]);
    console.log(JSON.stringify({ event: "working", pid }));
    process.stdin.once("end", () => process.exit()).resume();`;
  const ends: [LoadKind, (parent: Program) => void][] = [
    ["cpu", (parent) => parent.kill("SIGKILL")],
    ["disk", (parent) => parent.endInput()],
  ];
  const run = async ([kind, end]: (typeof ends)[number]) => {
    const parent = new Program(here, [process.execPath, "--input-type=module", "--eval", script, kind]);
    const { pid } = await parent.event<{ pid: number }>("working");
    end(parent);
    await parent.exit;
    await until(() => !existsSync(`/proc/${pid}`));
    t.pass(kind);
  };
  await Promise.all(ends.map(run));
});
