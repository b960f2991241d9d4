/** UDP is found behind whatever may be in front of it, and a datagram in fragments is one datagram. */
import t from "tap";
import { audit } from "../../lib/audit/index.js";
import { emptyHeaders, parseHeaders } from "../../lib/audit/capture/headers.js";
import { randomSource } from "../../lab/random.js";
import { counts, folderOf } from "./audited.js";
import { ethernet, pcap, type FakePacket } from "./capture-files.js";
import {
  atTime,
  authentication,
  datagrams,
  endsOf,
  extension,
  fragmentHeader,
  packet4,
  packet6,
  plain,
  twoStretches,
  udp,
  type Datagram,
} from "./outer-packets.js";

const folder = folderOf(t);
const ALL = datagrams();
const STRETCHES = twoStretches();
const once = folder.collect(pcap(ALL.map(plain), { linkType: 1 }), STRETCHES);
/** Bytes of a datagram, UDP header included, in the first of two fragments. */
const FIRST = 40;

const six = (wrap: (body: Buffer) => [Buffer, number]) =>
  ALL.map(({ up, timeNs, payload }) => {
    const [body, next] = wrap(udp(payload, endsOf(up)));
    return atTime(timeNs, ethernet(packet6(body, next, !up)));
  });
const BEHIND: Record<string, FakePacket[]> = {
  "destination options": six((body) => [Buffer.concat([extension(17), body]), 60]),
  "hop-by-hop, routing, destination options": six((body) => {
    return [Buffer.concat([extension(43), extension(60, 2), extension(17, 1), body]), 0];
  }),
  authentication: six((body) => [Buffer.concat([authentication(17), body]), 51]),
  "mobility, an atomic fragment": six((body) => {
    return [Buffer.concat([extension(44, 1), fragmentHeader(17, 0, false, 7), body]), 135];
  }),
  "authentication, IPv4": ALL.map(({ up, timeNs, payload }) => {
    const ends = endsOf(up);
    const body = Buffer.concat([authentication(17), udp(payload, ends)]);
    return atTime(timeNs, ethernet(packet4(body, { ...ends, protocol: 51 })));
  }),
};

for (const [name, packets] of Object.entries(BEHIND)) {
  t.test(`UDP behind ${name}`, async (t) => {
    const found = folder.collect(pcap(packets, { linkType: 1 }), STRETCHES);
    t.same([counts(found), found.flow.server.port, found.others], [counts(once), 1405, 0]);
    t.match(found.observations[0]!.headers[0]!.fields, { protocol: 17, destinationPort: 1405, fragmentOffset: 0 });
    t.equal(found.observations[0]!.bytes[0]!.all.reduce((sum, each) => sum + each, 0) % 64, 0, "payload alone");
  });
}

/** In two fragments, in this order of theirs. */
function split(all: readonly Datagram[], version: 4 | 6, order: readonly number[], which = (_up: boolean) => true) {
  return all.flatMap(({ up, timeNs, payload }, index) => {
    const ends = endsOf(up);
    const body = udp(payload, ends);
    const id = index & 0xffff;
    const pieces = [
      { offset: 0, more: true, piece: body.subarray(0, FIRST) },
      { offset: FIRST, more: false, piece: body.subarray(FIRST) },
    ];
    if (!which(up)) return [plain({ up, timeNs, payload })];
    return order.map((at, place) => {
      const { offset, more, piece } = pieces[at]!;
      const packet =
        version === 4
          ? packet4(piece, { ...ends, id, offset, more })
          : packet6(Buffer.concat([fragmentHeader(17, offset, more, id), piece]), 44, !up);
      return atTime(timeNs + 900 * place, ethernet(packet));
    });
  });
}

for (const version of [4, 6] as const) {
  for (const order of [
    [0, 1],
    [1, 0],
  ]) {
    t.test(`IPv${version}, two fragments each, in the order ${order.join()}`, async (t) => {
      const found = folder.collect(pcap(split(ALL, version, order), { linkType: 1 }), STRETCHES);
      t.same([counts(found), found.flow.server.port, found.others], [counts(once), 1405, 0]);
      for (const { fragments = [], headers } of found.observations) {
        const later = fragments.reduce((sum, { count }) => sum + count, 0);
        t.equal(
          later,
          headers.reduce((sum, { count }) => sum + count, 0),
          "one later fragment each",
        );
        t.same([...new Set(fragments.map(({ fields }) => fields.fragmentOffset))], [FIRST / 8]);
      }
    });
  }
}

t.test("only what goes up is in fragments: a finding of that direction, and of none else", async (t) => {
  const bytes = pcap(
    split(ALL, 4, [0, 1], (up) => up),
    { linkType: 1 },
  );
  const { report } = await audit({ pcap: folder.file(bytes), stretches: STRETCHES });
  t.match(report.findings, [{ direction: "up", effect: "fragments", words: /every datagram comes in fragments/ }]);
  t.equal(report.findings.length, 1, JSON.stringify(report.findings));
  const offsets = report.directions.map(({ headers }) =>
    headers.find(({ field }) => field === "fragmentOffset")!.values.map(({ value }) => value),
  );
  t.same(offsets, [["0", String(FIRST / 8)], ["0"]]);
});

t.test("fragments of others between the same hosts are none of the tunnel's", async (t) => {
  const foreign = ALL.flatMap(({ timeNs }, index) => {
    const ends = { ...endsOf(true), toPort: 2049 };
    const body = udp(Buffer.alloc(200), ends);
    return [0, 104].map((offset) => {
      const piece = offset === 0 ? body.subarray(0, 104) : body.subarray(104);
      return atTime(timeNs + 5, ethernet(packet4(piece, { ...ends, id: index & 0xffff, offset, more: offset === 0 })));
    });
  });
  const found = folder.collect(pcap([...ALL.map(plain), ...foreign], { linkType: 1 }), STRETCHES, { port: 1405 });
  t.same([counts(found), found.others], [counts(once), foreign.length]);
  t.same(
    found.observations.map(({ fragments }) => fragments),
    [[], []],
  );
});

t.test("any chain of headers, cut anywhere, is parsed within its bytes", async (t) => {
  const random = randomSource(5);
  const below = (end: number) => Math.floor(random() * end);
  const kinds = [0, 43, 44, 51, 60, 135, 139, 140, 59, 50, 17, 6, 255];
  const into = emptyHeaders();
  let found = 0;
  for (let round = 0; round < 20_000; round += 1) {
    let next = 17;
    let body: Buffer = udp(Buffer.alloc(below(40)));
    for (let link = below(6); link > 0; link -= 1) {
      const kind = kinds[below(kinds.length)]!;
      const header = kind === 51 ? authentication(next, below(6)) : extension(next, below(3));
      if (below(8) === 0) header[1] = below(256);
      body = Buffer.concat([header, body]);
      next = kind;
    }
    const packet = packet6(body, next);
    const bytes = Buffer.concat([packet.subarray(0, packet.length - below(packet.length)), Buffer.alloc(8, 0xff)]);
    const end = bytes.length - 8;
    const ok = parseHeaders({ timeNs: 0, originS: 0, linkType: 101, interfaceId: 0, bytes, start: 0, end }, into);
    if (!ok) continue;
    found += Number(into.protocol === 17 && into.sourcePort === 40_000);
    if (
      into.payloadStart > into.payloadEnd ||
      into.payloadEnd > end ||
      (into.sourcePort & into.destinationPort) === 0xffff
    ) {
      t.fail(`round ${round}: ${JSON.stringify(into)}`);
    }
  }
  t.ok(found > 1000, `${found} were UDP`);
});
