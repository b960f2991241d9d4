/** Every block that pcapng allows is read or skipped, in little memory; what can't be is refused by its place. */
import { truncateSync } from "node:fs";
import t from "tap";
import { openCaptureFile } from "../../lib/audit/capture/file.js";
import { readPackets } from "../../lib/audit/capture/packets.js";
import type { CaptureFile } from "../../lib/audit/capture/raw-packet.js";
import { randomSource } from "../../lab/random.js";
import { folderOf } from "./audited.js";
import { block } from "./capture-files.js";

const folder = folderOf(t);

class Words {
  #bytes: Buffer[] = [];
  constructor(readonly little: boolean) {}
  u16(...values: number[]): this {
    return this.#put(2, values);
  }
  u32(...values: number[]): this {
    return this.#put(4, values);
  }
  raw(...bytes: Buffer[]): this {
    this.#bytes.push(...bytes);
    return this;
  }
  option(code: number, value: Buffer): this {
    return this.u16(code, value.length).raw(value, Buffer.alloc((4 - (value.length % 4)) % 4));
  }
  all(): Buffer {
    return Buffer.concat(this.#bytes);
  }
  #put(size: 2 | 4, values: readonly number[]): this {
    for (const value of values) {
      const bytes = Buffer.alloc(size);
      if (this.little) bytes.writeUIntLE(value, 0, size);
      else bytes.writeUIntBE(value, 0, size);
      this.#bytes.push(bytes);
    }
    return this;
  }
}

const section = (little: boolean) =>
  block(
    little,
    0x0a0d0d0a,
    new Words(little).u32(0x1a2b3c4d).u16(1, 0).u32(0xffff_ffff, 0xffff_ffff).option(4, Buffer.from("i405 test")).all(),
  );
interface On {
  link?: number;
  resolution?: number;
  offsetS?: bigint;
  /** More, in front and behind. */
  comment?: number;
}
function on(little: boolean, { link = 101, resolution, offsetS, comment = 0 }: On = {}): Buffer {
  const words = new Words(little).u16(link, 0).u32(0);
  if (comment > 0) words.option(1, Buffer.alloc(comment, 65));
  if (offsetS !== undefined) {
    const value = Buffer.alloc(8);
    if (little) value.writeBigInt64LE(offsetS);
    else value.writeBigInt64BE(offsetS);
    words.option(14, value);
  }
  if (resolution !== undefined) words.option(9, Buffer.of(resolution));
  return block(little, 1, words.option(2, Buffer.from("eth0")).option(0, Buffer.alloc(0)).all());
}
function packet(little: boolean, id: number, units: bigint, bytes = Buffer.alloc(30, 1), comment = 0): Buffer {
  const words = new Words(little).u32(
    id,
    Number(units >> 32n),
    Number(units & 0xffff_ffffn),
    bytes.length,
    bytes.length,
  );
  words.raw(bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4));
  for (let left = comment; left > 0; left -= 60_000) words.option(1, Buffer.alloc(Math.min(left, 60_000), 66));
  return block(little, 6, words.all());
}
const simple = (little: boolean) => block(little, 3, new Words(little).u32(60).raw(Buffer.alloc(60)).all());
const oldPacket = (little: boolean, id: number, units: bigint) =>
  block(
    little,
    2,
    new Words(little)
      .u16(id, 3)
      .u32(Number(units >> 32n), Number(units & 0xffff_ffffn), 8, 8)
      .raw(Buffer.alloc(8, 1))
      .all(),
  );

function read(...blocks: Buffer[]): CaptureFile & { times: number[]; lengths: number[] } {
  return readFile(folder.file(Buffer.concat(blocks)));
}
function readFile(path: string) {
  const capture = openCaptureFile(path);
  const [times, lengths]: [number[], number[]] = [[], []];
  try {
    const file = readPackets(capture, ({ timeNs, originS, start, end }) => {
      times.push(Math.round((originS - 1_700_000_000) * 1e9 + timeNs));
      lengths.push(end - start);
      return true;
    });
    return { ...file, times, lengths };
  } finally {
    capture.close();
  }
}

const S = 1_700_000_000n;

for (const little of [true, false]) {
  t.test(`blocks that are no packets, of any size, ${little ? "little" : "big"}-endian`, async (t) => {
    // Decryption secrets, names, statistics, a journal, custom ones, one that nobody knows, none.
    const sizes = [0, 1, 4, 1000, 524_276, 524_280, 1_100_000, 9_000_000];
    const foreign = [10, 4, 5, 9, 0xbad, 0x4000_0bad, 0x7777_7777];
    for (const [index, size] of sizes.entries()) {
      const others = foreign.map((type) => block(little, type, Buffer.alloc(size, index)));
      const found = read(
        section(little),
        others[0]!,
        on(little),
        ...others,
        packet(little, 0, S * 1_000_000n),
        ...others,
      );
      t.match(found, { packets: 1, untimed: 0, cutOff: false, times: [0] }, `${size}`);
    }
  });
  t.test(
    `packets without a time, of an old kind, with long options, ${little ? "little" : "big"}-endian`,
    async (t) => {
      const time = S * 1_000_000n;
      const found = read(
        ...[section(little), on(little, { comment: 60_000 }), simple(little), packet(little, 0, time)],
        ...[simple(little), oldPacket(little, 0, time + 1n), packet(little, 0, time + 2n, Buffer.alloc(31), 3_000_000)],
        ...[packet(little, 0, time + 3n, Buffer.alloc(262_144)), packet(little, 0, time + 4n, Buffer.alloc(0))],
      );
      t.match(found, { packets: 5, untimed: 2, cutOff: false });
      t.same(found.times, [0, 1000, 2000, 3000, 4000]);
      t.same(found.lengths, [30, 8, 31, 262_144, 0]);
    },
  );
}

t.test("interfaces of every resolution, offsets, and sections that change byte order", async (t) => {
  const half = 2n ** 31n;
  const found = read(
    ...[section(true), on(true, { resolution: 9 }), on(true, { resolution: 6 }), on(true, { resolution: 0x9f })],
    ...[on(true, { resolution: 0 }), on(true, { resolution: 6, offsetS: S }), on(true, { resolution: 12, offsetS: S })],
    ...[
      packet(true, 0, S * 10n ** 9n + 1n),
      packet(true, 1, S * 10n ** 6n + 1n),
      packet(true, 2, S * half + half / 2n),
    ],
    ...[packet(true, 3, S + 2n), packet(true, 4, 5n), packet(true, 5, 7000n)],
    // A new section forgets the interfaces.
    ...[section(false), on(false, { resolution: 3 }), packet(false, 0, S * 1000n + 9n)],
    ...[section(true), on(true), packet(true, 0, S * 1_000_000n)],
  );
  t.same(found.times, [1, 1000, 500_000_000, 2e9, 5000, 7, 9_000_000, 0]);
  t.equal(found.resolutionNs, 1e9);
});

t.test("hostile lengths are refused by their place, in bounded memory", async (t) => {
  const head = [section(true), on(true)];
  const at = head[0]!.length + head[1]!.length;
  const claims = (type: number, length: number) => {
    const bytes = Buffer.alloc(64);
    bytes.writeUInt32LE(type, 0);
    bytes.writeUInt32LE(length, 4);
    return bytes;
  };
  const code = "ERR_I405_CAPTURE";
  const before = process.memoryUsage().rss;
  for (const type of [1, 2, 3, 5, 6, 10, 0x7777]) {
    for (const length of [0, 4, 8, 13, 2 ** 31, 2 ** 32 - 4, 2 ** 32 - 1]) {
      const path = folder.file(Buffer.concat([...head, claims(type, length)]));
      // As long as a whole capture, without taking the room: what is claimed may look possible.
      truncateSync(path, 64 << 20);
      t.throws(() => readFile(path), { code, message: new RegExp(`block at byte ${at} claims ${length} bytes`) });
    }
  }
  t.ok(process.memoryUsage().rss - before < 128 << 20, "memory");
  const lying = block(true, 0x77, Buffer.alloc(1 << 20));
  lying.fill(7, lying.length - 4);
  const second = folder.file(Buffer.concat([...head, lying]));
  t.throws(() => readFile(second), {
    code,
    message: new RegExp(`byte ${at} gives its length as 1048588 and as 117901063`),
  });
  t.throws(() => read(section(true), on(true, { resolution: 20 })), { code, message: /resolution of 0x14/ });
  const large = packet(true, 0, 0n, Buffer.alloc(262_148));
  t.throws(() => read(...head, large), { code, message: /claims 262148/ });
});

t.test("blocks in any order, spoilt anywhere: read or refused, never more", async (t) => {
  const random = randomSource(17);
  const below = (end: number) => Math.floor(random() * end);
  let [refused, whole] = [0, 0];
  for (let round = 0; round < 1500; round += 1) {
    const little = below(2) === 0;
    const kinds = [
      () => section(little),
      () => on(little, { resolution: below(256), comment: below(40) }),
      () => packet(little, below(3), BigInt(below(2 ** 31)) << BigInt(below(30)), Buffer.alloc(below(80)), below(50)),
      () => simple(little),
      () => oldPacket(little, below(2), BigInt(below(1000))),
      () => block(little, below(2 ** 31), Buffer.alloc(below(300))),
    ];
    const blocks = Array.from({ length: 12 }, () => kinds[below(kinds.length)]!());
    const bytes = Buffer.concat([section(little), on(little), ...blocks]);
    for (let change = round % 4; change > 0; change -= 1) bytes[below(bytes.length)] = below(256);
    try {
      read(round % 5 === 0 ? bytes.subarray(0, 4 + below(bytes.length)) : bytes);
      whole += 1;
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      if (code !== "ERR_I405_CAPTURE") t.fail(`round ${round}: ${message}`);
      refused += 1;
    }
  }
  t.ok(refused > 100 && whole > 100, `${refused} refused, ${whole} read`);
});
