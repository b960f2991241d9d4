/** Burners as the kernel sees them: threads by name, class and core, of this process and of commands. No privilege. */
import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import t from "tap";
import { generatePassword, I405Tunnel, type TunnelOptions } from "../../lib/index.js";
import { here, Program } from "../../lab/host/program.js";
import { startWork } from "../../lab/host/burner.js";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const SCHED_IDLE = 5;
/** Generous: a machine that does other things as well. */
const PATIENCE_MS = 20_000;

interface Burner {
  core: number;
  policy: number;
}

function burners(pid: number): Burner[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((tid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/task/${tid}/stat`, "utf8");
      if (!stat.includes("(i405-burner)")) return [];
      // Fields from the third on; processor and policy are the 39th and the 41st (proc_pid_stat(5)).
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return [{ core: Number(fields[39 - 3]), policy: Number(fields[41 - 3]) }];
    } catch {
      return []; // It has ended meanwhile.
    }
  });
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not within ${PATIENCE_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** First of the cores that this process may use. */
function firstCore(): number {
  return Number(/Cpus_allowed_list:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
}

async function listening(options: TunnelOptions): Promise<I405Tunnel> {
  const tunnel = new I405Tunnel({ schedFifo: false, ...options });
  await tunnel.listen({ address: "127.0.0.1:0", password: generatePassword() });
  return tunnel;
}

t.test("one idle thread on the timed thread's core, shared, gone with the last tunnel", async (t) => {
  const cpu = firstCore();
  t.same(burners(process.pid), [], "none without a tunnel");
  const one = await listening({ pollMode: "dozy", burner: "cpu", cpu });
  const other = await listening({ burner: "cpu", cpu });
  await until("it is there", () => burners(process.pid).some(({ core }) => core === cpu));
  t.same(burners(process.pid), [{ core: cpu, policy: SCHED_IDLE }]);
  t.same([one.stats().burners, other.stats().burners], [1, 1]);
  await one.close();
  t.same(burners(process.pid), [{ core: cpu, policy: SCHED_IDLE }]);
  await other.close();
  await until("it ends", () => burners(process.pid).length === 0);
  t.equal(other.stats().burners, 0);
});

t.test("by default in spinny only, where the timed thread is; on every core if asked to", async (t) => {
  const sleepy = await listening({});
  t.equal(sleepy.stats().burners, 0);
  const spinny = await listening({ pollMode: "spinny" });
  t.equal(spinny.stats().burners, 1);
  t.equal(burners(process.pid).length, 1);
  const all = await listening({ burner: "all" });
  t.equal(all.stats().burners, availableParallelism());
  t.equal(burners(process.pid).length, availableParallelism());
  await Promise.all([sleepy.close(), spinny.close(), all.close()]);
  await until("they end", () => burners(process.pid).length === 0);
});

t.test("a command ends at SIGTERM, at SIGKILL and by itself though others leave its burner no time", async (t) => {
  const cpu = firstCore();
  const work = startWork(here, { cpu, seconds: 120 });
  await work.event("ready");
  const start = async () => {
    const own = ["--listen-addr", "127.0.0.1:0", "--device", "packets", "--json", "--no-sched-fifo"];
    const program = new Program(
      here,
      [process.execPath, MAIN, "server", ...own, "--cpu", String(cpu), "--burner", "cpu"],
      { I405_PASSWORD: "a-long-password", NODE_OPTIONS: undefined },
    );
    await program.event("listening");
    t.equal(burners(program.pid).length, 1);
    return program;
  };
  for (const [signal, expected] of [
    ["SIGTERM", { code: 0, signal: null }],
    ["SIGKILL", { code: null, signal: "SIGKILL" }],
  ] as const) {
    const program = await start();
    program.kill(signal);
    t.match(await program.exit, expected, signal);
  }
  await work.stop();
});
