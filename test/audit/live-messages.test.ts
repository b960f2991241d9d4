/** What the two ends of a live audit say to each other, and what they remember. */
import t from "tap";
import { decode, encode, MOST_CHUNKS, recordsIn, type Message } from "../../lib/audit/live/messages.js";
import { fillingOf, longestInner, messageIn, packetOf, roomIn } from "../../lib/audit/live/packets.js";
import { MOST_RECORDS, RECORD, Series } from "../../lib/audit/live/series.js";
import { ipv4Checksum } from "./ipv4.js";

const EVERY: Message[] = [
  { type: "hello", version: 1 },
  { type: "welcome", version: 255 },
  { type: "start", stretch: 0xfffffffe, pattern: "bursts", seed: 7 },
  { type: "stop", stretch: 3 },
  { type: "done", stretch: 4, running: true, arrivals: 0, slots: 0 },
  { type: "done", stretch: 4, running: false, arrivals: 70_000, slots: 0xffffffff },
  { type: "get", stretch: 5, series: "slots", each: 98, firsts: [0, 98, 4_000_000_000] },
  { type: "get", stretch: 5, series: "arrivals", each: 1, firsts: [] },
  { type: "chunk", stretch: 6, series: "arrivals", first: 196, records: new Uint8Array(2 * RECORD).fill(9) },
];

t.test("every message comes out as it went in, also out of an inner packet", (t) => {
  for (const message of EVERY) {
    t.same(decode(encode(message)), message);
    const packet = packetOf("client", encode(message));
    t.same(decode(messageIn("client", packet)!), message);
    t.equal(messageIn("server", packet), null, "not the other end's");
  }
  t.end();
});

t.test("what no end says is ignored: shortened, lengthened, out of range", (t) => {
  for (const message of EVERY) {
    const bytes = encode(message);
    for (let length = 0; length < bytes.length; length += 1) {
      const cut = decode(bytes.subarray(0, length));
      // A chunk may have fewer records, and an end asks for the rest again.
      if (cut !== null) t.equal(cut.type, "chunk");
    }
    t.equal(decode(Uint8Array.of(...bytes, 0)), null, `${message.type} with a byte more`);
  }
  const start = encode({ type: "start", stretch: 1, pattern: "nothing", seed: 1 });
  start[5] = 200;
  t.equal(decode(start), null, "an unknown pattern");
  const get = encode({
    type: "get",
    stretch: 1,
    series: "slots",
    each: 1,
    firsts: Array.from({ length: 17 }, () => 0),
  });
  t.equal(get.length, 8 + 4 * (MOST_CHUNKS + 1));
  t.equal(decode(get), null, "more chunks than are asked for at once");
  for (let type = 8; type < 256; type += 1) t.equal(decode(Uint8Array.of(type, 0, 0, 0, 0, 0)), null);
  t.end();
});

t.test("packets are IPv4 of the right length, do not travel, and filling says nothing", (t) => {
  const packet = fillingOf("server", 1000);
  t.equal(packet.length, 1000);
  t.equal(Buffer.from(packet).readUInt16BE(2), 1000);
  t.equal(packet[8], 1, "a TTL of 1");
  t.equal(ipv4Checksum(packet), 0, "RFC 1071: with the sum in it, it is zero");
  t.equal(messageIn("server", packet), null);
  t.equal(messageIn("server", Uint8Array.of(0x45)), null);
  t.end();
});

t.test("packets fit the waiting queue of any wire", (t) => {
  const wire = { jitterNs: 0, jitterShape: "cos4" as const };
  t.equal(longestInner({ ...wire, length: 1500, intervalNs: 13e6 }), 1400);
  t.equal(longestInner({ ...wire, length: 100, intervalNs: 20e6 }), 300);
  t.equal(longestInner({ ...wire, length: 100, intervalNs: 1e9 }), 100, "and never less than a message needs");
  t.equal(recordsIn(roomIn(1400)), 97);
  t.equal(recordsIn(roomIn(100)), 4);
  t.end();
});

t.test("records travel with their order, times, and what was missed", (t) => {
  const series = new Series();
  series.push(0, 5, 1_000_000_000_000n, 0);
  series.push(65_536 + 3, 6, 999_999_000_000n, 70_000);
  const copy = new Series();
  copy.decode(series.encode(0, 2));
  const { generation, counter, timeNs, missed } = copy.columns();
  t.same([...generation], [0, 3], "generations travel in 16 bits");
  t.same([...counter], [5, 6]);
  t.equal(timeNs[0]! - timeNs[1]!, 1e6, "an earlier slot may come later");
  t.same([...missed], [0, 65_535]);
  t.equal(series.encode(2, 9).length, 0, "past the end is nothing");
  t.equal(series.encode(1, 9).length, RECORD);
  t.end();
});

t.test("an end remembers no more than it has room for, and counts the rest", (t) => {
  const series = new Series();
  for (let at = 0; at < MOST_RECORDS + 2; at += 1) series.push(0, at, BigInt(at), 0);
  t.equal(series.length, MOST_RECORDS);
  t.equal(series.dropped, 2);
  t.end();
});
