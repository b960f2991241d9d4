/** Time and memory of auditing a capture of 10 minutes at 1 ms both ways, simulated and written as pcap. */
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ipv4, pcap } from "../test/audit/capture-files.js";
import { send } from "../test/audit/simulate.js";
import { readOptions, Report, rounded } from "./lib/report.js";
import { ROOT } from "./lib/tunnel.js";

const options = readOptions({ seconds: 600, intervalUs: 1000, length: 1500, stretch: 30 });
const report = new Report(options.json);
const START = 1_700_000_000;
const intervalNs = 1000 * options.intervalUs;

/** Writes both directions in the order of time; contents don't matter to the time it takes. */
function write(file: string): void {
  const slots = Math.floor((options.seconds * 1e9) / intervalNs);
  const ways = [true, false].map((up) => ({
    bytes: ipv4({ up, length: options.length }),
    times: send({ seed: Number(up), intervalNs, jitterNs: intervalNs / 2, slots, errorNs: 5000 }).timesNs,
    at: 0,
  }));
  const descriptor = openSync(file, "w");
  const header = pcap([]);
  writeSync(descriptor, header);
  let pending: Buffer[] = [];
  for (;;) {
    const [first, second] = ways as [(typeof ways)[0], (typeof ways)[0]];
    const next = (first.times[first.at] ?? Infinity) <= (second.times[second.at] ?? Infinity) ? first : second;
    const time = next.times[next.at];
    if (time === undefined || pending.length === 1000) {
      writeSync(descriptor, Buffer.concat(pending));
      pending = [];
      if (time === undefined) break;
    }
    next.at += 1;
    const atNs = BigInt(START) * 1_000_000_000n + BigInt(Math.round(time));
    pending.push(pcap([{ atNs, bytes: next.bytes }]).subarray(header.length));
  }
  closeSync(descriptor);
}

const folder = mkdtempSync(join(tmpdir(), "i405-audit-"));
try {
  const files = { pcap: join(folder, "wire.pcap"), stretches: join(folder, "stretches.json") };
  report.progress("writing the capture");
  write(files.pcap);
  const stretches = Array.from({ length: Math.floor(options.seconds / options.stretch) }, (_, index) => ({
    from: START + index * options.stretch,
    to: START + (index + 1) * options.stretch - 0.5,
    label: index % 2 === 0 ? "idle" : "busy",
  }));
  writeFileSync(files.stretches, JSON.stringify({ stretches }));
  const script = `
    import { runCli } from ${JSON.stringify(join(ROOT, "dist", "cli", "cli.js"))};
    import { processIo } from ${JSON.stringify(join(ROOT, "dist", "cli", "io.js"))};
    const stop = { requested: new Promise(() => {}), isRequested: () => false, request: () => {} };
    const began = process.hrtime.bigint();
    const io = { ...processIo, out: () => {} };
    const parameters = ["audit", "--pcap", ${JSON.stringify(files.pcap)}, "--stretches", ${JSON.stringify(files.stretches)}];
    const code = await runCli([...parameters, "--html", ${JSON.stringify(join(folder, "report.html"))}], { io, stop });
    const { maxRSS, userCPUTime } = process.resourceUsage();
    console.log(JSON.stringify({ code, seconds: Number(process.hrtime.bigint() - began) / 1e9, maxRSS, userCPUTime }));`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  if (stdout === "") throw new Error(stderr);
  const { code, seconds, maxRSS, userCPUTime } = JSON.parse(stdout) as Record<string, number>;
  report.add({
    capture: `${options.seconds} s at ${options.intervalUs} us both ways`,
    "MB of pcap": rounded(statSync(files.pcap).size / 1e6, 0),
    "exit code": code!,
    seconds: rounded(seconds!, 1),
    "CPU seconds": rounded(userCPUTime! / 1e6, 1),
    "MB of memory": rounded(maxRSS! / 1000, 0),
  });
} finally {
  rmSync(folder, { recursive: true });
}
report.table("Goal: under 60 s and 500 MB");
