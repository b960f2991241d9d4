/** `i405 audit --here` as root runs it: both ends in namespaces of its own, a real load, a report, and nothing left. */
import { execFileSync } from "node:child_process";
import t from "tap";
import type { AuditReport } from "../../types/audit.js";
import { here } from "../../lab/host/program.js";
import { i405, skip } from "./support.js";

const QUICK = [
  "--here",
  "--for",
  "10s",
  "--stretch",
  "1s",
  "--no-sched-fifo",
  "--up-packet-interval",
  "1ms",
  "--down-packet-interval",
  "1ms",
];

/** Namespaces that the audit of this process has made. */
function left(pid: number): string[] {
  const all = execFileSync("ip", ["netns", "list"], { encoding: "utf8" }).split("\n");
  return all.filter((name) => name.startsWith(`i405a-${pid}-`));
}

t.test("a report, with the wire as it was asked for, and no namespace left behind", { skip }, async (t) => {
  const program = i405(here, ["audit", ...QUICK, "--conditions", "saturated-up,busy-cpu", "--json", "-"]);
  t.teardown(() => program.stop("SIGKILL"));
  t.match(await program.exit, { code: 0, signal: null }, program.stderr);
  const report = JSON.parse(program.lines.join("\n")) as AuditReport;
  t.match(report.source, { format: "observations", observedAt: "peer", port: 1405 });
  t.ok(report.complete);
  t.match(report.directions[0], { direction: "up", intervalNs: 1e6, jitterNs: 5e5 });
  t.same(report.directions[0]!.conditions.map(({ label }) => label).sort(), [
    "busy: all cores",
    "quiet",
    "saturated up",
  ]);
  t.same(left(program.pid), []);
});

t.test("a signal ends it, and takes the namespaces away", { skip }, async (t) => {
  const program = i405(here, ["audit", ...QUICK, "--conditions", "stream"]);
  t.teardown(() => program.stop("SIGKILL"));
  while (program.running && !/ 2 of \d+, /.test(program.stderr))
    await new Promise((resolve) => setTimeout(resolve, 20));
  t.ok(left(program.pid).length === 2);
  program.kill("SIGTERM");
  t.match(await program.exit, { signal: null }, program.stderr);
  t.same(left(program.pid), []);
});
