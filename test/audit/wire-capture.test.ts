/** Capturing a live audit's wire: with tcpdump where there is one, and everywhere with a program that only looks like it. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import t from "tap";
import { openCaptureFile } from "../../lib/audit/capture/file.js";
import { readPackets } from "../../lib/audit/capture/packets.js";
import { makeNamespaces } from "../../lib/audit/live/namespaces.js";
import { startWireCapture, tcpdumpProblem } from "../../lib/audit/live/wire-capture.js";
import { canUseNetns } from "../../lab/host/netns.js";
import { here, Program } from "../../lab/host/program.js";

const LOOK_MS = 10;
const folder = mkdtempSync(join(tmpdir(), "i405-wire-"));
t.teardown(() => rmSync(folder, { recursive: true }));

/** A program in the place of tcpdump, which leaves its number and its parameters behind. */
function standIn(name: string, lines: readonly string[]): { program: string; file: string; noted: () => string[] } {
  const program = join(folder, name);
  const notes = join(folder, `${name}.notes`);
  writeFileSync(program, ["#!/bin/sh", `echo $$ "$@" > ${notes}`, ...lines, ""].join("\n"), { mode: 0o755 });
  return { program, file: join(folder, `${name}.pcap`), noted: () => readFileSync(notes, "utf8").trim().split(" ") };
}

const CAPTURES = [
  `trap 'printf end; echo "7 packets captured" >&2; echo "2 packets dropped by kernel" >&2; exit 0' TERM`,
  "printf begin",
  `echo "tcpdump: listening on lo, link-type EN10MB" >&2`,
  "while :; do sleep 0.02; done",
];

async function gone(pid: string): Promise<void> {
  while (existsSync(`/proc/${pid}`)) await delay(LOOK_MS);
}

t.test("it is asked for headers in nanoseconds, ends when told to, and its counts are read", async (t) => {
  const { program, file, noted } = standIn("good", CAPTURES);
  const command = (argv: readonly string[]) => ["env", "WHERE=elsewhere", ...argv];
  const capture = await startWireCapture({ device: "lo", port: 1405, file, program, command });
  const [pid, ...parameters] = noted();
  t.match(parameters.join(" "), /^-i lo .*--nano -s 128 .*-U -w - udp port 1405$/);
  t.match(readFileSync(`/proc/${pid!}/environ`, "utf8"), "WHERE=elsewhere");
  t.match(await Promise.all([capture.stop(), capture.stop()]), [{ captured: 7, dropped: 2 }, { captured: 7 }]);
  t.equal(readFileSync(file, "utf8"), "beginend");
  await gone(pid!);
});

t.test("one that doesn't begin, or ends early, says why", async (t) => {
  const start = ({ program, file }: { program: string; file: string }) =>
    startWireCapture({ device: "nosuch0", port: 1405, file, program });
  const code = "ERR_I405_AUDIT_HERE";
  const refuses = standIn("refuses", ["echo 'nosuch0: No such device exists' >&2", "exit 1"]);
  await t.rejects(start(refuses), { code, message: /tcpdump on nosuch0 doesn't capture: nosuch0: No such device/ });
  await t.rejects(start({ ...refuses, program: join(folder, "none") }), { code, message: /none: not found/ });
  await t.rejects(start({ ...refuses, file: join(folder, "none", "x.pcap") }), { code, message: /ENOENT/ });
  const nowhere = startWireCapture({ device: "lo", port: 1, file: refuses.file, command: () => ["/none/such"] });
  await t.rejects(nowhere, { code, message: /doesn't capture: spawn .*ENOENT/ });
  const [listens] = CAPTURES.slice(2);
  const dies = await start(standIn("dies", [listens!, "echo 'The interface disappeared' >&2"]));
  await t.rejects(dies.stop(), { code, message: /ended early: .*The interface disappeared$/ });
});

t.test("it ends with the process that started it", async (t) => {
  const { program, file, noted } = standIn("orphan", CAPTURES);
  const built = new URL("../../dist/audit/live/wire-capture.js", import.meta.url).href;
  const script = `
    import { startWireCapture } from ${JSON.stringify(built)};
    await startWireCapture(${JSON.stringify({ device: "lo", port: 1405, file, program })});
    console.log(JSON.stringify({ event: "captures" }));`;
  const parent = new Program(here, [process.execPath, "--input-type=module", "--eval", script]);
  await parent.event("captures");
  parent.kill("SIGKILL");
  await gone(noted()[0]!);
  t.equal(readFileSync(file, "utf8"), "beginend");
});

t.test("why tcpdump can't be used", async (t) => {
  t.match(tcpdumpProblem(join(folder, "none")), /missing.*: sudo apt-get install tcpdump$/);
  const denied = 'echo "tcpdump: lo: You don\'t have permission to perform this capture" >&2';
  t.match(tcpdumpProblem(standIn("denied", [denied, "exit 1"]).program), /may not capture.*: sudo i405 audit --here$/);
  t.match(tcpdumpProblem(standIn("broken", ["exit 7"]).program), /can't capture: exit code 7$/);
  t.equal(tcpdumpProblem(standIn("fine", []).program), null);
});

const skip = canUseNetns() ?? tcpdumpProblem() ?? false;

t.test("tcpdump itself, in a namespace: every packet up to the stop is in the file", { skip }, async (t) => {
  using namespaces = makeNamespaces();
  const { client } = namespaces;
  const file = join(folder, "real.pcap");
  const capture = await startWireCapture({ device: "lo", port: 1405, file, command: (argv) => client.command(argv) });
  const script = `
    const socket = require("node:dgram").createSocket("udp4");
    const send = (left) => left > 0 ? socket.send("datagram", 1405, "127.0.0.1", () => send(left - 1)) : socket.close();
    send(50);`;
  const sender = new Program(client, [process.execPath, "--eval", script]);
  t.same(await sender.exit, { code: 0, signal: null }, sender.stderr);
  t.same(await capture.stop(), { captured: 50, dropped: 0 });
  const written = openCaptureFile(file);
  t.teardown(() => written.close());
  t.match(
    readPackets(written, () => true),
    { packets: 50, cutOff: false, resolutionNs: 1 },
  );
});
