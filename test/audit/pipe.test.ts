/** A capture may come through a pipe; what is no capture is refused with what helps. */
import { spawn, execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readdirSync, writeSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import t, { type Test } from "tap";
import { audit } from "../../lib/audit/index.js";
import { openCapture, openCaptureFile } from "../../lib/audit/capture/file.js";
import { readPackets } from "../../lib/audit/capture/packets.js";
import { folderOf } from "./audited.js";
import { pcap } from "./capture-files.js";
import { datagrams, plain, twoStretches } from "./outer-packets.js";

const folder = folderOf(t);
const BYTES = pcap(datagrams().map(plain), { linkType: 1 });
/** More than a pipe holds, and than is read at once. */
const LONG = pcap(
  Array.from({ length: 60_000 }, (_, index) => ({
    atNs: 1_700_000_000_000_000_000n + BigInt(index),
    bytes: Buffer.alloc(300),
  })),
);
const code = "ERR_I405_CAPTURE";
let fifos = 0;
function fifo(): string {
  const path = join(folder.path, `fifo-${fifos++}`);
  execFileSync("mkfifo", [path]);
  return path;
}

/** Another process writes a file into it. */
function writing(path: string, bytes: Buffer): void {
  const child = spawn("/bin/sh", ["-c", 'cat "$1" > "$2"', "cat", folder.file(bytes), path], { stdio: "ignore" });
  t.teardown(() => void child.kill());
}

async function packetsOf(t: Test, path: string) {
  const capture = await openCapture(path);
  try {
    const first = readPackets(capture, () => true);
    t.same(
      readPackets(capture, () => true),
      first,
      "it can be read again",
    );
    return first;
  } finally {
    capture.close();
  }
}

t.test("a FIFO, short and long, whose writer comes late; nothing is left of it", async (t) => {
  const temporary = join(folder.path, "tmp");
  mkdirSync(temporary);
  const before = process.env.TMPDIR;
  process.env.TMPDIR = temporary;
  t.teardown(() => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  });
  for (const [bytes, packets] of [
    [pcap([]), 0],
    [BYTES, (BYTES.length - 24) / (16 + 14 + 20 + 8 + 64)],
    [LONG, 60_000],
  ] as const) {
    const path = fifo();
    const read = packetsOf(t, path);
    await new Promise((resolve) => setImmediate(resolve));
    writing(path, bytes);
    t.match(await read, { packets, cutOff: false });
  }
  t.same(readdirSync(temporary), []);
  const path = fifo();
  writing(path, BYTES);
  const [piped, direct] = [
    await audit({ pcap: path, stretches: twoStretches() }),
    await audit({ pcap: folder.file(BYTES), stretches: twoStretches() }),
  ];
  t.same(piped.report.pairs, direct.report.pairs);
});

t.test("a signal ends the reading of a pipe that nobody writes to, or ends", async (t) => {
  const silent = fifo();
  await t.rejects(audit({ pcap: silent, stretches: twoStretches(), signal: AbortSignal.timeout(50) }), {
    code,
    message: /is empty/,
  });
  const open = fifo();
  const ending = new AbortController();
  const reading = openCapture(open, ending.signal);
  const writer = openSync(open, "r+");
  t.teardown(() => closeSync(writer));
  writeSync(writer, BYTES.subarray(0, 1000));
  await new Promise((resolve) => setTimeout(resolve, 100));
  ending.abort();
  const capture = await reading;
  t.teardown(() => capture.close());
  t.ok(readPackets(capture, () => true).packets <= 10);
});

t.test("what is packed is named, with a command that unpacks it", async (t) => {
  const packed: [string, Buffer][] = [
    ["gzip -dc", gzipSync(BYTES)],
    ["zstd -dc", Buffer.from("28b52ffd00112233", "hex")],
    ["xz -dc", Buffer.from("fd377a585a000000", "hex")],
    ["bzip2 -dc", Buffer.from("425a683931415926", "hex")],
    ["lz4 -dc", Buffer.from("04224d1864407054", "hex")],
  ];
  for (const [command, bytes] of packed) {
    const path = fifo();
    writing(path, bytes);
    for (const each of [folder.file(bytes), path]) {
      const message = new RegExp(`packed with .*--pcap <\\(${command} FILE\\)`);
      await t.rejects(audit({ pcap: each, stretches: twoStretches() }), { code, message });
    }
  }
});

t.test("that command works, as a shell gives it to the program", async (t) => {
  const packed = folder.file(gzipSync(LONG));
  const script = 'exec 3< <(gzip -dc "$1"); exec "$2" --input-type=module --eval "$3" /dev/fd/3';
  const reader = `
    const { openCapture } = await import(${JSON.stringify(new URL("../../dist/audit/capture/file.js", import.meta.url).href)});
    const { readPackets } = await import(${JSON.stringify(new URL("../../dist/audit/capture/packets.js", import.meta.url).href)});
    const capture = await openCapture(process.argv.at(-1));
    console.log(readPackets(capture, () => true).packets);
    capture.close();`;
  const out = execFileSync("bash", ["-c", script, "bash", packed, process.execPath, reader], { encoding: "utf8" });
  t.equal(out.trim(), "60000");
});

t.test("folders, devices, and pipes where a file has to be", async (t) => {
  await t.rejects(openCapture(folder.path), { code, message: /is a folder/ });
  await t.rejects(openCapture("/dev/zero"), { code, message: /is a device/ });
  t.throws(() => openCaptureFile(fifo()), { code, message: /a pipe, which can't be read twice/ });
  const before = process.env.TMPDIR;
  t.teardown(() => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  });
  process.env.TMPDIR = join(folder.path, "nowhere");
  const path = fifo();
  writing(path, BYTES);
  await t.rejects(openCapture(path), { code, message: /Set TMPDIR to a folder/ });
});
