/**
 * What somebody on the wire sees, from before the client's start until after its end: one length and constant headers
 * per direction, and nothing else that stays the same. Idle and busy stretches, handshake and close are all inside.
 */
import t from "tap";
import { CaptureRun, flows, type Flow, type WirePacket } from "../../lab/host/capture.js";
import { chiSquaredUniform } from "../../lab/figures/stats.js";
import { icmpPing, tcpSink, tcpSource } from "../../lab/host/traffic.js";
import { end, INNER, PORT, seconds, skip, Stage } from "./support.js";

const HEADERS = { 4: 28, 6: 48 };

/** Neighbour discovery and its like, and refusals of what reaches a client's port after its end. */
function kernels({ version, protocol, payload, timeNs }: WirePacket, endNs: number): boolean {
  const LEAST_HOUSEKEEPING_TYPE = 130;
  const HOP_BY_HOP = 0;
  const ICMPV6 = 58;
  if (timeNs > endNs) return true;
  return version === 6 && (protocol === HOP_BY_HOP || (protocol === ICMPV6 && payload[0]! >= LEAST_HOUSEKEEPING_TYPE));
}

/** How many different values a byte of random data has in so many datagrams, roughly; fewer mean that it is no such byte. */
function fewestValues({ packets }: Flow): number {
  let fewest = 256;
  for (let position = 0; position < packets[0]!.payload.length; position += 1) {
    const values = new Set(packets.map(({ payload }) => payload[position]!));
    fewest = Math.min(fewest, values.size);
  }
  return fewest;
}

/** Probability of the bytes at these places, if each value is as likely as any other. */
function uniformBytes({ packets }: Flow, from: number, to: number): number {
  const counts = Array.from({ length: 256 }, () => 0);
  for (const { payload } of packets) for (const byte of payload.subarray(from, to)) counts[byte]! += 1;
  return chiSquaredUniform(counts);
}

for (const family of [4, 6] as const) {
  for (const length of [1500, 200]) {
    t.test(`promise: wire-shape: ${length} bytes over IPv${family}`, { skip }, async (t) => {
      const wire = ["--up-packet-length", "--down-packet-length"].flatMap((flag) => [flag, String(length)]);
      const times = ["--up-packet-interval", "1ms", "--down-packet-interval", "1500us"];
      const stage = new Stage(t, { family, client: [...wire, ...times] });
      const capture = await CaptureRun.start(stage.b);
      const { server, client } = await stage.connect();
      await seconds(1);
      await icmpPing(stage.a, { to: INNER.server4, length: [28, 1400], count: 20, meanMs: 10 });
      const sink = await tcpSink(stage.a, { listen: `${INNER.client4}:5001` });
      tcpSource(stage.b, { to: sink.local, bytes: 150_000 });
      t.match(await sink.finished(), { intact: true });
      const clientEnd = await end(client);
      const serverEnd = await end(server);
      const { packets } = await capture.stop();

      const seen = flows(packets.filter(({ protocol }) => protocol === 17));
      const lastNs = seen[0]!.timesNs.at(-1)!;
      const others = packets.filter((packet) => packet.protocol !== 17 && !kernels(packet, lastNs));
      t.same(others, [], "nothing but the tunnel");
      t.equal(seen.length, 2, "one flow each way");
      t.match(seen[0]!.packets[0], { direction: "in", destinationPort: PORT }, "the client spoke first");
      for (const [flow, ended] of [
        [seen[0]!, clientEnd],
        [seen[1]!, serverEnd],
      ] as const) {
        const { packets, lengths, ttls, dscps, ecns, flowLabels, dontFragment, fragmented } = flow;
        t.same([lengths, ttls, dscps, ecns], [[length], [64], [0], [0]], `${flow.name}: length, TTL, DSCP, ECN`);
        t.equal(flowLabels.length, 1, "one flow label");
        if (family === 4) t.ok(dontFragment, "DF in every datagram");
        t.notOk(fragmented);
        t.equal(packets.length, ended.stats.slots.sent, "every slot's datagram was seen, and no other");
        t.ok(ended.stats.slots.handshake > 0, "the handshake was among them");
        t.ok(packets.every(({ payload }) => payload.length === length - HEADERS[family]));
        const bytes = new Set(packets.map(({ payload }) => payload.toString("latin1")));
        t.equal(bytes.size, packets.length, "no two datagrams are equal");
        t.ok(packets.length > 600, `${packets.length} datagrams`);
        // Of 600 random bytes and more, about 230 values are expected; fewer than 190 have a chance below 1e-9.
        const fewest = fewestValues(flow);
        t.ok(fewest > 190, `every byte changes: ${fewest} values at least`);
        for (const [from, to] of [
          [0, 4],
          [4, 20],
          [20, length],
        ] as const) {
          const p = uniformBytes(flow, from, to);
          t.ok(p > 1e-9, `bytes ${from} to ${to} are uniform: p = ${p}`);
        }
      }
    });
  }
}
