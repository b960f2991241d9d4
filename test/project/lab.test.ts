/** The helpers themselves: what they say about the wire has to be right before anything else can be believed. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { CaptureRun, flows, intervals, readCapture } from "../../lab/host/capture.js";
import { canUseNetns, NetnsPair, sweep } from "../../lab/host/netns.js";
import { here, Program } from "../../lab/host/program.js";
import { injectGarbage, injectReplay, Relay } from "../../lab/host/relay.js";
import { testkit } from "../../lab/host/testkit.js";
import { icmpPing, tcpSink, tcpSource, udpEcho, udpPing, udpSend, udpSink } from "../../lab/host/traffic.js";
import { yardstick } from "../../lab/host/yardstick.js";

const skip = canUseNetns() ?? false;

t.test("in a pair of namespaces", { skip }, async (t) => {
  const pair = new NetnsPair({ mtu: 9000 });
  t.teardown(() => pair.close());
  const { a, b } = pair;

  await t.test("the capture sees exactly what is sent", async (t) => {
    for (const [family, from, to, headers] of [
      [4, a.ipv4, `${b.ipv4}:1405`, 28],
      [6, a.ipv6, `[${b.ipv6}]:1405`, 48],
    ] as const) {
      const capture = await CaptureRun.start(b, { udpPort: 1405 });
      const sink = await udpSink(b, { listen: to, count: 600 });
      // Traffic of another port must not show.
      const other = await udpSend(a, { to: to.replace(/1405$/, "1406"), length: 100, pps: 5000, count: 50 });
      const sent = await udpSend(a, { to, length: [headers + 4, 1400, 9000], pps: 5000, count: 600 });
      const received = await sink.finished();
      const { packets } = await capture.stop();
      t.equal(other.packets + other.errors, 50);
      t.match(sent, { packets: 600, errors: 0 });
      t.match(received, { packets: 600, intact: 600, distinct: 600, duplicates: 0, outOfOrder: 0, corrupt: 0 });
      t.equal(received.ipBytes, 200 * (headers + 4 + 1400 + 9000));
      const seen = flows(packets);
      t.equal(seen.length, 1, `one flow over IPv${family}`);
      const flow = seen[0]!;
      t.match(flow, { lengths: [headers + 4, 1400, 9000], ttls: [64], dscps: [0], ecns: [0], fragmented: false });
      t.equal(flow.packets.length, 600);
      for (const [index, packet] of flow.packets.entries()) {
        const whole =
          packet.payload.readUInt32BE(0) === index &&
          packet.payload.length === packet.ipLength - headers &&
          packet.payloadLength === packet.payload.length &&
          packet.udpLength === packet.payload.length + 8;
        if (!whole) t.fail(`packet ${index} is not the one that was sent`, { packet });
      }
      t.match(flow.packets[0], { source: from, destinationPort: 1405, direction: "in", version: family, protocol: 17 });
      t.ok(intervals(flow.timesNs).every((gap) => gap >= 0));
    }
  });

  await t.test("the capture ends by count, keeps as little as it is told, and sees both directions", async (t) => {
    const echo = await udpEcho(b, `${b.ipv4}:7`);
    const capture = await CaptureRun.start(a, { udpPort: 7, count: 40, snap: 4 });
    await udpPing(a, { to: `${b.ipv4}:7`, length: 500, count: 30, meanMs: 1 });
    const { packets } = await capture.finished();
    await echo.stop();
    t.equal(packets.length, 40);
    t.ok(packets.every(({ payload, payloadLength }) => payload.length === 4 && payloadLength === 472));
    t.same([...new Set(packets.map(({ direction }) => direction))].sort(), ["in", "out"]);
    t.equal(flows(packets).length, 2);
  });

  await t.test("fragments show", async (t) => {
    const capture = await CaptureRun.start(b);
    const pinged = await icmpPing(a, { to: b.ipv4, length: 20_000, count: 1, meanMs: 1 });
    const { packets } = await capture.stop();
    t.equal(pinged.received, 1);
    t.ok(packets.filter(({ fragmented, direction }) => fragmented && direction === "in").length >= 3);
  });

  await t.test("pings of every size are answered over both families", async (t) => {
    const sizes = [48, 84, 1400, 8999, 9000];
    for (const to of [b.ipv4, b.ipv6]) {
      const pinged = await icmpPing(a, { to, length: to === b.ipv4 ? [28, ...sizes] : sizes, count: 60, meanMs: 2 });
      t.match(pinged, { sent: 60, received: 60, lost: 0, duplicates: 0, corrupt: 0, refused: 0 }, to);
      t.ok(pinged.rttUs.min > 0 && pinged.rttUs.p50 <= pinged.rttUs.p95 && pinged.rttUs.p95 <= pinged.rttUs.max);
    }
    for (const to of [`${b.ipv4}:7`, `[${b.ipv6}]:7`]) {
      const echo = await udpEcho(b, to);
      const pinged = await udpPing(a, { to, length: 300, count: 50, meanMs: 2, list: true });
      t.match(pinged, { received: 50, lost: 0, corrupt: 0 }, to);
      t.equal(pinged.rttsUs?.length, 50);
      t.equal((await echo.stop()).answered, 50);
    }
  });

  await t.test("a ping without an answer is lost, or refused where nobody listens", async (t) => {
    t.match(await icmpPing(a, { to: "10.201.0.9", count: 3, meanMs: 1, timeoutMs: 50 }), { received: 0 });
    const refused = await udpPing(a, { to: `${b.ipv4}:9`, count: 5, meanMs: 5, timeoutMs: 50 });
    t.equal(refused.received, 0);
    t.ok(refused.refused > 0);
  });

  await t.test("TCP arrives whole, and is found out where it does not", async (t) => {
    for (const [seed, intact] of [
      [1405, true],
      [7, false],
    ] as const) {
      const sink = await tcpSink(b, { listen: `${b.ipv4}:5001`, seed });
      const source = tcpSource(a, { to: `${b.ipv4}:5001`, bytes: 20_000_003 });
      t.match(await sink.finished(), { bytes: 20_000_003, intact, reset: false });
      t.match(await source.event("done"), { bytes: 20_000_003 });
    }
    const sink = await tcpSink(b, { listen: `[${b.ipv6}]:5001` });
    await tcpSource(a, { to: `[${b.ipv6}]:5001`, seconds: 0.3, abort: true }).event("done");
    const received = await sink.finished();
    t.ok(received.intact && received.bytes > 0);
  });

  await t.test("a sink notices what a relay does", async (t) => {
    const relay = await Relay.start(b, {
      listen: `${b.ipv4}:1500`,
      to: "127.0.0.1:1501",
      dropEvery: 10,
      duplicateEvery: 4,
    });
    const sink = await udpSink(b, { listen: "127.0.0.1:1501" });
    const send = (count: number) => udpSend(a, { to: relay.local, length: 200, pps: 2000, count });
    await send(400);
    t.match(await relay.figures(), { upReceived: 400, upDropped: 40, upSent: 440, downReceived: 0 });
    t.match(await sink.stop(), { packets: 440, distinct: 360, duplicates: 80, corrupt: 0 });

    const second = await udpSink(b, { listen: "127.0.0.1:1501", count: 400 });
    await relay.set("both", { dropEvery: 0, duplicateEvery: 0, reorder: 0.2, reorderByMs: 20, corrupt: 0.1 });
    await send(400);
    const { outOfOrder, corrupt, duplicates } = await second.finished();
    t.equal(duplicates, 0);
    t.ok(outOfOrder > 20 && corrupt > 10, `${outOfOrder} out of order, ${corrupt} corrupt`);
    await t.rejects(relay.set("up", { drop: -1 }), /drop/);
    await relay.stop();
  });

  await t.test("a relay passes both ways, keeps a record, replays, injects and changes its port", async (t) => {
    const record = join(t.testdir(), "record.cap");
    const echo = await udpEcho(b, `[${b.ipv6}]:7`);
    const relay = await Relay.start(b, { listen: `${b.ipv4}:1500`, to: `[${b.ipv6}]:7`, record, delayMs: 2 });
    const pinged = await udpPing(a, { to: relay.local, length: 100, count: 20, meanMs: 2 });
    t.match(pinged, { received: 20, corrupt: 0 });
    t.ok(pinged.rttUs.min >= 4000, "delayed both ways");
    t.equal(await relay.replay("up", 5, 3), 3);
    t.equal(await relay.garbage("up", 4, 300), 4);
    const before = await relay.rebind();
    t.not(before, await relay.rebind());
    t.match(await udpPing(a, { to: relay.local, length: 100, count: 5, meanMs: 2 }), { received: 5 });
    t.match(await relay.stop(), { upReceived: 25, upSent: 25 + 3 + 4 });
    t.equal((await echo.stop()).answered, 32);
    const { packets } = readCapture(record);
    const up = packets.filter(({ direction }) => direction === "in");
    t.equal(up.length, 25);
    t.ok(up.every(({ source, payload }) => source === a.ipv4 && payload.length === 72));

    const sink = await udpSink(b, { listen: `${b.ipv4}:9` });
    const injected = await injectReplay(a, { to: sink.local, file: record, direction: "up", count: 100, listenMs: 20 });
    t.match(injected, { sent: 25, answers: 0, refused: 0 });
    t.match(await sink.stop(), { packets: 25, intact: 25 });
  });

  await t.test("a stranger's datagrams arrive, and answers to them are counted", async (t) => {
    const echo = await udpEcho(b, `${b.ipv4}:7`);
    const answered = await injectGarbage(a, { to: echo.local, length: 300, count: 50, listenMs: 100 });
    t.match(answered, { sent: 50, answers: 50, refused: 0 });
    await echo.stop();
    const closed = await injectGarbage(a, { to: `${b.ipv4}:7`, length: 300, count: 50, listenMs: 100 });
    t.equal(closed.answers, 0);
    t.ok(closed.refused > 0);
  });

  await t.test("yardsticks account for every slot", async (t) => {
    for (const mode of ["sleep", "spin"] as const) {
      const sink = await udpSink(b, { listen: `${b.ipv4}:9` });
      const measured = await yardstick(a, mode, { to: sink.local, intervalUs: 2000, seconds: 1, length: 500 });
      t.equal(measured.sent + measured.missed, 500, mode);
      t.equal(measured.latenessUs.count, measured.sent);
      t.match(await sink.stop(), { packets: measured.sent, ipBytes: measured.sent * 500 });
    }
  });

  await t.test("a bad flag is named, and a program that fails says why", async (t) => {
    const program = new Program(b, [testkit("capture"), "--interface", "nosuch0", "--file", "/dev/null"]);
    await t.rejects(program.event("ready"), /interface nosuch0/);
    const other = new Program(b, [testkit("traffic"), "udp-sink", "--listne", "x"]);
    t.match(await other.exit, { code: 2 });
    t.match(other.stderr, /--listen is missing/);
  });
});

t.test("a program that doesn't end is killed, and where its threads were is told", async (t) => {
  const program = new Program(here, ["sleep", "1000"]);
  await t.rejects(program.exitWithin(50), /sleep 1000: still running after 0\.05 s[^]*thread \d+ sleep State:\t[A-Z]/);
  t.match(await program.exit, { signal: "SIGKILL" });
});

t.test("closing a pair ends what runs inside and leaves nothing", { skip }, async (t) => {
  const pair = new NetnsPair();
  const sink = await udpSink(pair.b, { listen: `${pair.b.ipv4}:9` });
  const names = [pair.a.name, pair.b.name];
  t.same(pair.a.interfaces(), ["lo", "wire0"]);
  pair.close();
  pair.close();
  await sink.program.exit;
  t.same(
    readdirSync("/run/netns").filter((name) => names.includes(name)),
    [],
  );
});

t.test("a test that is told to end takes its namespaces with it", { skip }, async (t) => {
  const helper = new URL("../../lab/host/netns.ts", import.meta.url).href;
  const script = `
    import { NetnsPair } from ${JSON.stringify(helper)};
    const { a } = new NetnsPair();
    console.log(JSON.stringify({ event: "ready", name: a.name }));
    setInterval(() => {}, 1000);`;
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    const argv = [process.execPath, ...process.execArgv, "--input-type=module", "--eval", script];
    const child = new Program(here, argv);
    const { name } = await child.event<{ name: string }>("ready");
    t.ok(readdirSync("/run/netns").includes(name));
    t.match(await child.stop(signal), { signal });
    t.notOk(readdirSync("/run/netns").includes(name), signal);
  }
});

t.test("what a killed test left behind is swept away", { skip }, async (t) => {
  // A process that is certainly dead: it has ended and was waited for.
  const ended = spawn(process.execPath, ["--eval", "0"]);
  await once(ended, "exit");
  const stale = `i405t-${String(ended.pid)}-00ff00ff-a`;
  execFileSync("ip", ["netns", "add", stale]);
  const own = new NetnsPair();
  t.teardown(() => own.close());
  t.notOk(readdirSync("/run/netns").includes(stale));
  t.ok(readdirSync("/run/netns").includes(own.a.name), "its own stay");
  t.same(sweep(), []);
});
