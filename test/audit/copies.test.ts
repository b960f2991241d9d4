/** A datagram that a capture has several times counts once; and a flow is its two endpoints. */
import t from "tap";
import { audit } from "../../lib/audit/index.js";
import { ethernet, pcap, type FakePacket } from "./capture-files.js";
import { codes, counts, folderOf } from "./audited.js";
import {
  atTime,
  CLIENT,
  cooked,
  COOKED,
  datagrams,
  endsOf,
  inOrder,
  packet4,
  plain,
  SERVER,
  twoStretches,
  udp,
  type Datagram,
} from "./outer-packets.js";

const folder = folderOf(t);
const ALL = datagrams();
const STRETCHES = twoStretches();
const once = folder.collect(pcap(ALL.map(plain), { linkType: 1 }), STRETCHES);
const gapsOf = (found: typeof once) => found.observations.map(({ seen }) => seen.map(({ timesNs }) => [...timesNs]));

/** One datagram at one place of the machine. */
function seenAt({ up, timeNs, payload }: Datagram, on: number, laterNs: number, client = CLIENT, ttl = 64): FakePacket {
  const ends = endsOf(up, client);
  return atTime(timeNs + laterNs, cooked(packet4(udp(payload, ends), { ...ends, ttl }), on, up));
}

const DOUBLED: Record<string, FakePacket[]> = {
  "a VLAN or a bridge": ALL.flatMap((each) => [seenAt(each, 2, 0), seenAt(each, 3, 4000)]),
  "a bridge over two veth": ALL.flatMap((each) => [2, 3, 4, 5].map((on) => seenAt(each, on, 3000 * (on - 2)))),
  "an interface whose stamps are 5 s ahead": ALL.flatMap((each) => [seenAt(each, 2, 0), seenAt(each, 3, 5e9)]),
  "a router on one interface": ALL.flatMap((each) => [seenAt(each, 2, 0), seenAt(each, 2, 9000, CLIENT, 63)]),
  "a mirrored port, on one interface": ALL.flatMap((each) => [seenAt(each, 2, 0), seenAt(each, 2, 2000)]),
  "a VLAN that loses every third": ALL.flatMap((each, index) => [
    seenAt(each, 2, 0),
    ...(index % 3 === 0 ? [] : [seenAt(each, 3, 4000)]),
  ]),
};

for (const [name, packets] of Object.entries(DOUBLED)) {
  t.test(`seen more than once: ${name}`, async (t) => {
    const doubled = packets.length - ALL.length;
    // The file is in the order of capture, not of stamps.
    const found = folder.collect(pcap(packets, { linkType: COOKED }), STRETCHES);
    t.same(counts(found), counts(once));
    t.same(gapsOf(found), gapsOf(once), "times are those of one place alone");
    t.equal(found.copies, doubled);
    t.same(codes(found), ["I405_AUDIT_COPIES"]);
    t.match(found.warnings[0]?.message, /seen up on interface 2, down on interface 2/);
    const bytes = found.observations.flatMap(({ bytes }) => bytes).reduce((sum, { datagrams }) => sum + datagrams, 0);
    t.equal(bytes, ALL.length, "payloads count once");
  });
}

t.test("VLAN tags on one Ethernet interface, with and without", async (t) => {
  const packets = ALL.flatMap(({ up, timeNs, payload }) => {
    const ends = endsOf(up);
    const packet = packet4(udp(payload, ends), ends);
    return [atTime(timeNs, ethernet(packet, true)), atTime(timeNs + 900, ethernet(packet))];
  });
  const found = folder.collect(pcap(packets, { linkType: 1 }), STRETCHES);
  t.same([counts(found), found.copies], [counts(once), ALL.length]);
});

t.test("what changes its place is not a copy: a route that moves, two links by turns", async (t) => {
  const middle = ALL.length / 2;
  const moved = ALL.map((each, index) => seenAt(each, index < middle ? 2 : 3, 0));
  const found = folder.collect(pcap(moved, { linkType: COOKED }), STRETCHES);
  t.same([counts(found), found.copies, codes(found)], [counts(once), 0, ["I405_AUDIT_INTERFACES"]]);
  // A TTL that changes is the tunnel's own doing, and a finding.
  const ttl = ALL.map((each, index) => seenAt(each, 2, 0, CLIENT, index < middle ? 64 : 63));
  const changed = folder.collect(pcap(ttl, { linkType: COOKED }), STRETCHES);
  t.same([counts(changed), changed.copies, codes(changed)], [counts(once), 0, []]);
  t.same([...new Set(changed.observations[0]!.headers.map(({ fields }) => fields.ttl))], [64, 63]);
});

t.test("payloads that are alike: contents can't tell, and no datagram is lost to that", async (t) => {
  const alike = ALL.map((each) => ({ ...each, payload: Buffer.alloc(64) }));
  const single = folder.collect(pcap(alike.map(plain), { linkType: 1 }), STRETCHES);
  t.same([counts(single), single.copies], [counts(once), 0]);
  const mixed = ALL.map((each, index) => (index % 5 < 4 ? { ...each, payload: Buffer.alloc(64) } : each));
  const cover = folder.collect(pcap(mixed.map(plain), { linkType: 1 }), STRETCHES);
  t.same([counts(cover), cover.copies], [counts(once), 0]);
  const twice = alike.flatMap((each) => [seenAt(each, 2, 0), seenAt(each, 3, 4000)]);
  const found = folder.collect(pcap(twice, { linkType: COOKED }), STRETCHES);
  t.same(counts(found), counts(once), "one place counts");
  t.same(codes(found), ["I405_AUDIT_INTERFACES"]);
  t.match(found.warnings[0]?.message, /may be copies, which nobody can tell/);
});

t.test("headers alone, where no payload was captured", async (t) => {
  const short = ALL.map(({ up, timeNs, payload }, index) => {
    const ends = endsOf(up);
    return atTime(timeNs, ethernet(packet4(udp(payload, ends), { ...ends, id: index })).subarray(0, 42));
  });
  const found = folder.collect(pcap(short, { linkType: 1 }), STRETCHES);
  t.same([counts(found), found.copies, codes(found)], [counts(once), 0, ["I405_AUDIT_BYTES"]]);
});

const OTHERS: Record<string, FakePacket[]> = {
  "another client on the same port": datagrams(8, 5e6, 7).map((each) => seenAt(each, 2, 100, "192.0.2.99")),
  "the same datagrams behind translated addresses": ALL.map((each) => seenAt(each, 3, 9000, "192.168.1.2")),
  "the same client's other tunnel": datagrams(8, 5e6, 9).map(({ up, timeNs, payload }) => {
    const ends = endsOf(up, CLIENT, 40_001);
    return atTime(timeNs, cooked(packet4(udp(payload, ends), ends), 2, up));
  }),
};

for (const [name, others] of Object.entries(OTHERS)) {
  t.test(`a flow is its two endpoints: ${name}`, async (t) => {
    const packets = inOrder([...ALL.map((each) => seenAt(each, 2, 0)), ...others]);
    const bytes = pcap(packets, { linkType: COOKED });
    const found = folder.collect(bytes, STRETCHES, { port: 1405 });
    t.same(counts(found), counts(once));
    t.same(gapsOf(found), gapsOf(once));
    t.same(codes(found), ["I405_AUDIT_FLOWS"]);
    t.match(found.warnings[0]?.message, `between ${CLIENT}:40000 and ${SERVER}:1405`);
    t.equal(found.others, others.length);
    t.equal(found.otherFlows.length, 1);
    t.equal(found.otherFlows[0]!.packets, others.length);
    // The other one can be chosen, by what the warning calls it.
    const [one, other] = found.otherFlows[0]!.between;
    const { report } = await audit({ pcap: folder.file(bytes), stretches: STRETCHES, endpoint: [one, other] });
    t.match(report.source, { otherFlows: [], port: 1405 });
    t.same([report.source.endpoints!.client, report.source.endpoints!.server].sort(), [one, other].sort());
  });
}

t.test("an endpoint that isn't one, or has no packet", async (t) => {
  const pcapFile = folder.file(pcap(ALL.map(plain), { linkType: 1 }));
  for (const endpoint of ["server", "1.2.3", "192.0.2.1:70000", "::1]:5", "", 5, [], ["::1", "::2", "::3"]]) {
    const options = { pcap: pcapFile, stretches: STRETCHES, endpoint: endpoint as string };
    await t.rejects(audit(options), { code: "ERR_I405_OPTION" }, JSON.stringify(endpoint));
  }
  const none = audit({ pcap: pcapFile, stretches: STRETCHES, endpoint: "192.0.2.77" });
  await t.rejects(none, {
    code: "ERR_I405_CAPTURE",
    message: /most are between 192\.0\.2\.1:40000 and 203\.0\.113\.7:1405/,
  });
  for (const endpoint of [CLIENT, `${CLIENT}:40000`, SERVER, [`${SERVER}:1405`, CLIENT]]) {
    t.match((await audit({ pcap: pcapFile, stretches: STRETCHES, endpoint })).report.source.endpoints, {
      client: `${CLIENT}:40000`,
      server: `${SERVER}:1405`,
    });
  }
});

t.test("one port at both ends: whoever sends first is the client", async (t) => {
  const packets = ALL.map(({ up, timeNs, payload }) => {
    const ends = { ...endsOf(up), fromPort: 1405, toPort: 1405 };
    return atTime(timeNs, ethernet(packet4(udp(payload, ends), ends)));
  });
  const found = folder.collect(pcap(packets, { linkType: 1 }), STRETCHES, { port: 1405 });
  const total = Object.values(counts(found));
  t.equal(total.length, 2, "both directions");
  t.same([...total].sort(), Object.values(counts(once)).sort());
});

t.test("more flows than are counted at once don't hide the tunnel", async (t) => {
  const strangers = Array.from({ length: 45_000 }, (_, index) => {
    const ends = { from: `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`, to: SERVER, toPort: 1405 };
    return atTime(((8 * index) / 45_000) * 1e9, ethernet(packet4(udp(Buffer.alloc(8), ends), ends)));
  });
  const found = folder.collect(pcap(inOrder([...ALL.map(plain), ...strangers]), { linkType: 1 }), STRETCHES);
  t.same([counts(found), found.others], [counts(once), 45_000]);
});
