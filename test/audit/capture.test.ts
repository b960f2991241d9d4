/** Capture files of every dialect are read alike; damaged ones are refused by what is wrong with them. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { collect as collectFrom, readTimes as readTimesFrom } from "../../lib/audit/capture/collect.js";
import { openCaptureFile, type Capture } from "../../lib/audit/capture/file.js";
import { readPackets as readPacketsFrom } from "../../lib/audit/capture/packets.js";
import { OUTSIDE } from "../../lib/audit/observation.js";
import { checkStretches, readStretches } from "../../lib/audit/stretches.js";
import { block, ethernet, ipv4, ipv6, pcap, pcapng, type FakePacket } from "./capture-files.js";

const folder = mkdtempSync(join(tmpdir(), "i405-audit-"));
t.teardown(() => rmSync(folder, { recursive: true }));
let files = 0;
function file(bytes: Buffer | string): string {
  const path = join(folder, `file-${files++}`);
  writeFileSync(path, bytes);
  return path;
}

/** The same of a file's name. */
function of<Rest extends unknown[], Result>(read: (capture: Capture, ...rest: Rest) => Result) {
  return (path: string, ...rest: Rest): Result => {
    const capture = openCaptureFile(path);
    try {
      return read(capture, ...rest);
    } finally {
      capture.close();
    }
  };
}
const [collect, readTimes, readPackets] = [of(collectFrom), of(readTimesFrom), of(readPacketsFrom)];

const START = 1_700_000_000n * 1_000_000_000n;
/** Up every ms, down 300 us later, and between them what isn't the tunnel's. */
const PACKETS: FakePacket[] = Array.from({ length: 3000 }, (_, index) => ({
  atNs: START + BigInt(Math.floor(index / 2)) * 1_000_000n + (index % 2 === 0 ? 123_456n : 423_457n),
  bytes: ipv4({ up: index % 2 === 0 }),
}));
const OTHER = { ...PACKETS[10]!, bytes: Buffer.from(ipv4({ sourcePort: 53 })) };
OTHER.bytes.writeUInt16BE(53, 22);
const STRETCHES = checkStretches([{ from: 1_700_000_000, to: 1_700_000_001, label: "idle" }], "test");

function looked(t: Test, path: string, exact: boolean) {
  const { observations, flow, file } = collect(path, STRETCHES);
  t.match(flow, {
    protocol: 17,
    client: { address: "192.0.2.1", port: 40_000 },
    server: { address: "192.0.2.2", port: 1405 },
  });
  t.same(
    observations.map(({ direction, seen }) => [direction, seen[0]!.timesNs.length]),
    [
      ["up", 1000],
      ["down", 1000],
    ],
  );
  t.equal(observations[0]!.seen[0]!.timesNs[1], exact ? 1_123_456 : 1_123_000);
  t.equal(observations[1]!.seen[0]!.timesNs[1], exact ? 1_423_457 : 1_423_000);
  t.equal(file.resolutionNs, exact ? 1 : 1000);
  t.equal(file.originS, 1_700_000_000);
  // The last 500 ms lie in no stretch, and are looked at all the same.
  t.same(
    observations[0]!.headers.map(({ label, count }) => [label, count]),
    [
      ["idle", 1000],
      [OUTSIDE, 500],
    ],
  );
}

for (const [name, write] of [
  ["pcap", pcap],
  ["pcapng", pcapng],
] as const) {
  for (const little of [true, false]) {
    for (const nanoseconds of [true, false]) {
      t.test(`${name}, ${little ? "little" : "big"}-endian, ${nanoseconds ? "nano" : "micro"}seconds`, async (t) => {
        looked(t, file(write(PACKETS, { little, nanoseconds })), nanoseconds);
      });
    }
  }
}

t.test("Ethernet, VLAN tags, IPv6, and packets of others", async (t) => {
  const mixed = PACKETS.flatMap((packet, index) => [
    { ...packet, bytes: ethernet(packet.bytes, index % 3 === 0) },
    ...(index % 100 === 0 ? [{ ...packet, bytes: ethernet(OTHER.bytes) }] : []),
    ...(index % 500 === 0 ? [{ ...packet, bytes: ethernet(Buffer.alloc(30)) }] : []),
  ]);
  const { others, observations } = collect(file(pcap(mixed, { linkType: 1 })), STRETCHES);
  t.equal(others, 36);
  t.equal(observations[0]!.headers[0]!.fields.ttl, 64);
  const six = Array.from({ length: 300 }, (_, index) => ({ atNs: START + BigInt(index), bytes: ipv6() }));
  const fields = collect(file(pcapng(six)), STRETCHES).observations[0]!.headers[0]!.fields;
  t.match(fields, { version: 6, length: 148, ttl: 60, flowLabel: 0x12345, destinationPort: 1405 });
});

t.test("packets out of order by a little are put in order", async (t) => {
  const packets = PACKETS.slice();
  [packets[20], packets[22]] = [packets[22]!, packets[20]!];
  const { timesNs } = collect(file(pcap(packets)), STRETCHES).observations[0]!.seen[0]!;
  t.ok(timesNs.every((time, at) => at === 0 || time >= timesNs[at - 1]!));
});

t.test("a file that ends within a packet is read up to there", async (t) => {
  for (const bytes of [pcap(PACKETS), pcapng(PACKETS)]) {
    const whole = readPackets(file(bytes), () => true);
    t.match(whole, { packets: 3000, cutOff: false });
    for (const cut of [1, 5, 100, 131]) {
      t.match(
        readPackets(file(bytes.subarray(0, -cut)), () => true),
        { packets: 2999, cutOff: true },
        `${cut}`,
      );
    }
  }
});

t.test("what is no capture, or contradicts itself, is named with what to do", async (t) => {
  const refused = (bytes: Buffer | string, message: RegExp) =>
    t.throws(() => collect(file(bytes), STRETCHES), { code: "ERR_I405_CAPTURE", message });
  refused("", /empty/);
  refused("GIF89a, really", /begins with 0x47494638.*tcpdump -w/);
  refused(pcap([]), /no IP packet/);
  refused(pcap(PACKETS, { linkType: 147 }), /link type 147/);
  refused(pcap([]).subarray(0, 20), /within the file header/);
  const long = pcap(PACKETS.slice(0, 2));
  long.writeUInt32LE(0x7fff_ffff, 24 + 8);
  refused(long, /record at byte 24 claims 2147483647 bytes.*damaged/);
  const late = pcap(PACKETS.slice(0, 2));
  late.writeUInt32LE(4_000_000_000, 28);
  refused(late, /fraction of 4000000000 ns/);
  const section = pcapng([]);
  const blocks = (...more: Buffer[]) => Buffer.concat([section, ...more]);
  refused(blocks(Buffer.from("0600000003000000000000000000", "hex")), /claims 3 bytes/);
  refused(blocks(block(true, 6, Buffer.alloc(8))), /too short for a packet/);
  refused(blocks(block(true, 6, Buffer.from([9, ...new Array<number>(23).fill(0)]))), /names interface 9, of 1/);
  const lying = block(true, 6, Buffer.alloc(20));
  lying.writeUInt32LE(99, 8 + 12);
  refused(blocks(lying), /holds 0 bytes and claims 99/);
  const ends = block(true, 77, Buffer.alloc(4));
  ends.writeUInt32LE(20, ends.length - 4);
  refused(blocks(ends), /length as 16 and as 20/);
  t.throws(() => collect(join(folder, "nothing-here"), STRETCHES), { code: "ERR_I405_CAPTURE", message: /ENOENT/ });
  t.throws(() => collect(folder, STRETCHES), { code: "ERR_I405_CAPTURE", message: /folder/ });
});

t.test("garbage of any kind is refused or read, never more", async (t) => {
  let state = 1;
  const random = () => (state = (state * 48_271) % 2_147_483_647);
  const originals = [pcap(PACKETS.slice(0, 40)), pcapng(PACKETS.slice(0, 40)), pcapng(PACKETS, { little: false })];
  for (let round = 0; round < 600; round += 1) {
    const bytes = Buffer.from(originals[round % 3]!.subarray(0, 60 + (random() % 3000)));
    for (let change = 0; change <= round % 6; change += 1) bytes[random() % bytes.length] = random() & 255;
    try {
      collect(file(bytes), STRETCHES);
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      if (code !== "ERR_I405_CAPTURE" && code !== "ERR_I405_STRETCHES") t.fail(`round ${round}: ${message}`);
    }
  }
});

t.test("stretches: what they must say, and what is said if they don't", async (t) => {
  const refused = (text: string, message: RegExp) =>
    t.throws(() => readStretches(file(text)), { code: "ERR_I405_STRETCHES", message });
  refused("{", /JSON/);
  refused("[]", /no list "stretches"/);
  refused('{"stretches": []}', /no stretches/);
  const one = '{"from": 1, "to": 2, "label": "a"}';
  refused(`{"stretches": [${one}, {"from": "3"}]}`, /stretches\[1\].from: got "3", expected Unix seconds/);
  refused('{"stretches": [{"from": 2, "to": 2, "label": "a"}]}', /to: got 2, expected Unix seconds after from/);
  refused('{"stretches": [{"from": 1, "to": 2, "label": ""}]}', /label: got ""/);
  refused(`{"stretches": [{"from": 1.5, "to": 3, "label": "b"}, ${one}]}`, /from 1.5 begins before.*ends, at 2/);
  t.throws(() => readStretches(join(folder, "nothing")), { code: "ERR_I405_STRETCHES", message: /ENOENT/ });
  t.same(readStretches(file(`{"stretches": [${one}], "note": "more is fine"}`)), [{ from: 1, to: 2, label: "a" }]);
  t.throws(() => collect(file(pcap(PACKETS)), [{ from: 5, to: 6, label: "x" }]), {
    code: "ERR_I405_STRETCHES",
    message: /no packet .* lies in the stretches, 5 to 6; they lie at 1700000000.000 to 1700000001.499/,
  });
});

t.test("times of inner packets count from the outer capture's origin", async (t) => {
  const times = readTimes(file(pcap(PACKETS.slice(0, 4))), 1_699_999_999);
  t.same([...times], [1_000_123_456, 1_000_423_457, 1_001_123_456, 1_001_423_457]);
});

const tcpdump = spawnSync("tcpdump", ["--version"]).status === 0 ? false : "no tcpdump";
t.test("tcpdump reads what the tests write, and writes what is read here", { skip: tcpdump }, async (t) => {
  const path = file(pcap(PACKETS));
  const copy = join(folder, "copy.pcap");
  const call = ["-r", path, "--nano", "-w", copy, "-Z", "root"];
  execFileSync("tcpdump", call, { stdio: "ignore" });
  t.equal(readFileSync(copy).length, readFileSync(path).length);
  looked(t, copy, true);
});
