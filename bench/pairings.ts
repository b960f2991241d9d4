/** What a stranger's datagram costs a listener with so many pairings, and how many a second the budget lets through. */
import { spawnSync } from "node:child_process";
import { readOptions, Report, type Row } from "./lib/report.js";
import { ROOT } from "./lib/tunnel.js";

const report = new Report(readOptions({}).json);
const test = ["how_long_a_strangers_datagram_takes", "--exact", "--ignored", "--nocapture"];
const { status, stdout } = spawnSync(
  "cargo",
  ["test", "--locked", "--release", "--quiet", "-p", "i405-proto", "--test", "pairings", "--", ...test],
  { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
);
if (status !== 0) process.exit(status ?? 1);
for (const line of stdout.split("\n")) if (line.startsWith("{")) report.add(JSON.parse(line) as Row);
report.table("Trial of a stranger's datagram, nanoseconds; looked at per second within 500,000 masks");
