/** TCP and UDP both ways, every byte checked: a wire that is kept full, and one at the default rate. */
import t, { type Test } from "tap";
import type { Netns } from "../../lab/host/netns.js";
import { cameWhole, tcpSink, tcpSource, udpSend, udpSink, type UdpReceived } from "../../lab/host/traffic.js";
import { end, INNER, skip, Stage } from "./support.js";

interface Way {
  name: "up" | "down";
  from: Netns;
  to: Netns;
  /** The receiving end's addresses inside. */
  addresses: [v4: string, v6: string];
}

function ways({ a, b }: Stage): [Way, Way] {
  return [
    { name: "up", from: a, to: b, addresses: [INNER.server4, `[${INNER.server6}]`] },
    { name: "down", from: b, to: a, addresses: [INNER.client4, `[${INNER.client6}]`] },
  ];
}

/** A stream, which has to arrive whole whatever the tunnel drops when it is full. */
async function tcp(t: Test, { name, from, to }: Way, address: string, bytes: number): Promise<void> {
  const sink = await tcpSink(to, { listen: `${address}:5001` });
  const source = tcpSource(from, { to: sink.local, bytes });
  t.match(await sink.finished(), { bytes, intact: true, reset: false }, `TCP ${name} to ${address}`);
  await source.exit;
}

interface Load {
  length: number | number[];
  pps: number;
  count: number;
}

async function udp({ from, to }: Way, address: string, load: Load, waitFor: number): Promise<UdpReceived> {
  const sink = await udpSink(to, { listen: `${address}:5002`, count: waitFor, seconds: 20 });
  await udpSend(from, { to: sink.local, ...load });
  return await sink.finished();
}

/** Datagrams slowly enough that only a busy machine loses one. */
async function gentle(t: Test, way: Way, address: string, load: Load): Promise<void> {
  const { count } = load;
  t.equal(cameWhole(await udp(way, address, load, count), count), "whole", `UDP ${way.name} to ${address}`);
}

for (const family of [4, 6] as const) {
  t.test(`a full wire over IPv${family}`, { skip }, async (t) => {
    const stage = new Stage(t, { family });
    const { server, client } = await stage.connect();
    const both = ways(stage);
    for (const index of [0, 1] as const) {
      await Promise.all(both.map((way) => tcp(t, way, way.addresses[index], 2_000_000)));
      const load = { length: [52, 700, 1400], pps: 300, count: 300 };
      await Promise.all(both.map((way) => gentle(t, way, way.addresses[index], load)));
    }

    // Twice what the wire carries: what doesn't fit is dropped, the rest arrives whole, once and in order.
    const flood = { length: 1400, pps: 2000, count: 4000 };
    const floods = await Promise.all(both.map((way) => udp(way, way.addresses[0], flood, 1000)));
    for (const came of floods) t.equal(cameWhole(came, 1000), "whole");
    for (const program of [client, server]) {
      const { code, stats } = await end(program);
      t.equal(code, 0);
      t.ok(stats.inner.queueDrops! > 0, "the flood was cut");
      t.match(stats.inner, { malformed: 0, deviceErrors: 0 });
      t.ok(stats.slots.carrying > 1000);
    }
  });
}

t.test("a slow wire: 100 KiB/s, the default", { skip }, async (t) => {
  // No flag for the wire at all; the queue holds what waits at such a rate.
  const stage = new Stage(t, { client: ["--queue", "3s"], server: ["--queue", "3s"] });
  const { server, client } = await stage.connect();
  t.match(
    client.events.find(({ event }) => event === "connected"),
    {
      wire: { up: { length: 1500, intervalNs: 14_648_438 }, down: { length: 1500, intervalNs: 14_648_438 } },
    },
  );
  const both = ways(stage);
  await Promise.all(both.map((way) => tcp(t, way, way.addresses[0], 200_000)));
  await Promise.all(both.map((way) => gentle(t, way, way.addresses[1], { length: [60, 1400], pps: 20, count: 60 })));
  for (const program of [client, server]) t.equal((await end(program)).code, 0);
});

t.test("two wires of different speeds, lengths and shapes", { skip }, async (t) => {
  const up = ["--up-packet-length", "300", "--up-packet-interval", "2ms", "--up-packet-jitter", "0"];
  const down = ["--down-packet-length", "1200", "--down-speed", "1MiB/s", "--down-packet-jitter", "1ms"];
  const stage = new Stage(t, { client: [...up, ...down, "--jitter-shape", "uniform"] });
  const { server, client } = await stage.connect();
  const wire = {
    up: { length: 300, intervalNs: 2_000_000, jitterNs: 0, jitterShape: "uniform" },
    down: { length: 1200, intervalNs: 1_144_409, jitterNs: 1_000_000, jitterShape: "uniform" },
  };
  for (const program of [client, server])
    t.match(
      program.events.find(({ event }) => event === "connected"),
      { wire },
    );
  const [upWay, downWay] = ways(stage);
  await Promise.all([tcp(t, upWay, upWay.addresses[0], 200_000), tcp(t, downWay, downWay.addresses[1], 2_000_000)]);
  for (const program of [client, server]) t.equal((await end(program)).code, 0);
});

t.test("spinny takes small packets out of full datagrams, one after the other", { skip }, async (t) => {
  // A slot of 20 ms holds what 40 small packets take; in spinny each is written in a turn of its own.
  const wire = ["--up-packet-interval", "20ms", "--down-packet-interval", "20ms"];
  const stage = new Stage(t, { client: [...wire, "--queue", "2s"], server: ["--poll-mode", "spinny"] });
  const { server, client } = await stage.connect();
  await gentle(t, ways(stage)[0], INNER.server4, { length: 36, pps: 1500, count: 1500 });
  t.equal((await end(client)).code, 0);
  const { code, stats } = await end(server);
  t.equal(code, 0);
  t.match(stats.inner, { malformed: 0, deviceErrors: 0 });
});
