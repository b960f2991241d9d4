/**
 * Handshake, cover and full slots, mixed at random: Kolmogorov-Smirnov distance of their lateness at the call and on the
 * wire, and of the time from the call to the transmit stamp. Odd against even slots are the control.
 */
import { spawnSync } from "node:child_process";
import { stolenSeconds } from "../lab/figures/stats.js";
import { readOptions, Report, rounded, type Row } from "./lib/report.js";
import { ROOT } from "./lib/tunnel.js";

/** A mode may say who sends: `dozy+kernel`. */
const options = readOptions({ slots: 300_000, modes: "dozy,sleepy", cpu: 1, feedingCpu: 0 });
const report = new Report(options.json);

for (const mode of options.modes.split(",")) {
  report.progress(`${mode}: ${options.slots} slots of 1 ms`);
  const stolen = stolenSeconds();
  const test = ["tunnel::dispatcher::contents::handshake_cover_and_full_slots", "--exact", "--ignored", "--nocapture"];
  const { status, stdout } = spawnSync(
    "cargo",
    ["test", "--locked", "--release", "--quiet", "-p", "i405-rt", "--lib", "--", ...test],
    {
      cwd: ROOT,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
      env: {
        ...process.env,
        I405_BENCH_SLOTS: String(options.slots),
        I405_BENCH_MODE: mode.split("+")[0],
        I405_BENCH_SEND_BY: mode.split("+")[1] ?? "call",
        I405_BENCH_CPU: String(options.cpu),
        I405_BENCH_FEEDING_CPU: String(options.feedingCpu),
      },
    },
  );
  if (status !== 0) process.exit(status ?? 1);
  const stolenS = rounded(stolenSeconds() - stolen);
  for (const line of stdout.split("\n")) {
    if (line.startsWith("{")) report.add({ mode, ...(JSON.parse(line) as Row), stolenS });
  }
}
report.table(
  "Slots by what they hold, mixed in one run; ks: largest difference of the two distribution functions; Other: the second's",
);
