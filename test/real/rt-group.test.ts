/** A control group without a real-time budget refuses SCHED_FIFO to root as well; the error names what mends it. */
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { here, type Program } from "../../lab/host/program.js";
import { commandOf, node, passwordFile, skip } from "./support.js";

const CONTROLLER = "/sys/fs/cgroup/cpu";

function reasonAgainst(): string | false {
  if (skip !== false) return skip;
  if (existsSync(join(CONTROLLER, "cpu.rt_runtime_us"))) return false;
  return "no version 1 cpu controller with real-time budgets (CONFIG_RT_GROUP_SCHED)";
}

t.test("without a budget, and with the one that the error names", { skip: reasonAgainst() }, async (t) => {
  const group = join(CONTROLLER, `i405-test-${process.pid}`);
  const budget = join(group, "cpu.rt_runtime_us");
  mkdirSync(group);
  const programs: Program[] = [];
  t.teardown(async () => {
    for (const program of programs) await program.stop();
    rmdirSync(group);
  });
  const own = ["--listen-addr", "127.0.0.1:0", "--device", "packets", "--json", "--require-sched-fifo"];
  const start = () => {
    const args = commandOf(["server", ...own, "--password-file", passwordFile(t.testdirName)]);
    const program = node(here, args, ["sh", "-c", `echo $$ > ${group}/cgroup.procs && exec "$@"`, "sh"]);
    programs.push(program);
    return program;
  };
  t.testdir();
  const refused = start();
  t.match(await refused.exit, { code: 3 });
  t.match(refused.stderr + refused.lines.join("\n"), `echo 950000 | sudo tee ${budget}`);

  writeFileSync(budget, "950000");
  const permitted = start();
  await permitted.event("listening");
  t.match(await permitted.stop(), { code: 0 });
});
