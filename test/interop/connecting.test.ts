/** Both real ends over real sockets against the client and the server in lab/plain, written from docs/protocol.md alone. */
import t, { type Test } from "tap";
import { CHALLENGE, CLOSE, ECHO, NEWEST_STAMP, type PayloadReader } from "../../lab/plain/aggfrag.js";
import { PlainClient } from "../../lab/plain/client.js";
import { RESPONSE_BYTES, type PlainSettings } from "../../lab/plain/handshake.js";
import {
  keyPairing,
  lengths,
  packet,
  passwordPairing,
  Real,
  realServer,
  repeats,
  settings,
  until,
  type Pairing,
} from "./ends.js";
import { PlainServer, type Answer } from "../../lab/plain/server.js";
import { AES, CHACHA, fragmentCount } from "../../lab/plain/wire.js";

t.setTimeout(300_000);
// Each waits far more than it works.
t.jobs = 4;

/** From the smallest IPv4 header to what takes many slots, and IPv6. */
const SIZES: [number, 4 | 6][] = [
  [20, 4],
  [40, 6],
  [28, 4],
  [1400, 4],
  [60, 6],
  [1280, 6],
  [9000, 4],
  [52, 4],
];

interface Case {
  pairing: Pairing;
  settings: PlainSettings;
  cipher: string[];
}

const password = passwordPairing();
const EITHER = ["aes-256-gcm", "chacha20-poly1305"];
const cases: Case[] = [
  { pairing: password, settings: settings(500, 700), cipher: EITHER },
  { pairing: keyPairing(true), settings: settings(1500), cipher: EITHER },
  // 28 bytes of a message in each datagram: 48 slots up, 42 down.
  { pairing: keyPairing(false), settings: settings(100), cipher: EITHER },
  { pairing: password, settings: settings(100, 1400, 1), cipher: ["chacha20-poly1305"] },
];

const title = ({ pairing, settings: { up, down, aeads } }: Case) =>
  `${pairing.name}, ${up.length} up, ${down.length} down, ${aeads === 1 ? "ChaCha20 alone" : "both AEADs"}`;

/** A block starts again only where one of this type is said: it doesn't wait. */
function wellRead(t: Test, { faults, restarts, controls }: PayloadReader, urgent: number): void {
  t.equal(faults, 0);
  const said = controls.filter(({ type }) => type === urgent).length;
  t.ok(restarts <= said, `${restarts} blocks started again, at ${said} that don't wait`);
}

function tidy(t: Test, plain: { received: Buffer[]; sent: Buffer[]; problems: unknown[] }, n: number): void {
  t.same(plain.problems, []);
  t.same(lengths(plain.received), [n], "one length");
  t.equal(repeats(plain.received), 0, "no datagram twice");
  t.equal(new Set(plain.received.map((each) => each.toString("latin1", 4, 20))).size, plain.received.length);
}

for (const each of cases) {
  t.test(`a plain client and the real server: ${title(each)}`, { buffered: true }, async (t) => {
    const { server, port } = await realServer(each.pairing);
    const client = new PlainClient(each.pairing.plain.client, each.settings, port);
    await client.start();
    t.teardown(async () => {
      client.close();
      await server.tunnel.close();
    });
    const { up, down } = each.settings;
    await until(() => client.confirmed, "a datagram of the server's");
    await until(() => server.has("connected"), "the server's event");
    const { connection } = server.tunnel;
    t.equal(connection?.endpoint, `127.0.0.1:${client.port}`);
    t.match(connection?.wire, {
      up: { length: up.length, intervalNs: 4e6, jitterNs: 1e6, jitterShape: "cos4" },
      down: { length: down.length, intervalNs: 4e6, jitterNs: 1e6, jitterShape: "cos4" },
    });
    t.ok(each.cipher.includes(connection!.cipher));
    t.same(client.verdict, { verdict: 0, aeadId: connection!.cipher === "aes-256-gcm" ? AES : CHACHA, limit: 0 });

    const own = SIZES.map(([length, version]) => packet(length, version));
    const theirs = SIZES.map(([length, version]) => packet(length, version));
    for (const each of own) client.write(each);
    for (const each of theirs) await server.write(each);
    await until(() => server.packets.length >= own.length, "packets up");
    await until(() => client.channel!.reader.packets.length >= theirs.length, "packets down");
    t.same(server.packets, own);
    t.same(client.channel!.reader.packets, theirs);
    wellRead(t, client.channel!.reader, CHALLENGE);

    const { counters } = client.channel!;
    t.equal(counters[0], 0, "the counter starts at 0");
    t.equal(counters.at(-1), counters.length - 1, "and rises by one");
    t.equal(client.channel!.payloads[0]!.readUInt16BE(0), 0, "the first BlockOffset is 0");
    const slots = fragmentCount(RESPONSE_BYTES, down.length - 28);
    t.same(
      client.fragments.map(({ f }) => f),
      client.fragments.map((_, index) => index % slots),
      "the carousel goes round",
    );

    // Between the carousel and the session's key, and after the end, a slot may be sealed under the throwaway key.
    // One or two; 0.2 s of them where the machine was taken away meanwhile.
    t.ok(client.unknown.length < 50, "every slot is the response's or the session's");
    client.sendClose();
    await until(() => server.has("disconnected"), "the end");
    t.same(server.events.at(-1), ["disconnected", { reason: "peerClosed" }]);
    t.equal(server.tunnel.state, "listening");
    tidy(t, client, down.length - 28);
  });

  t.test(`the real client and a plain server: ${title(each)}`, { buffered: true }, async (t) => {
    const only = each.cipher.length === 1 ? each.cipher[0] : undefined;
    const aeadId = only === undefined ? AES : CHACHA;
    const server = new PlainServer(each.pairing.plain.server, ({ aeads }) => {
      return { verdict: 0, aeadId: (aeads & 2) === 0 ? CHACHA : aeadId, limit: 0 };
    });
    const client = new Real();
    const port = await server.open();
    t.teardown(async () => {
      server.close();
      await client.tunnel.close();
    });
    const { up, down } = each.settings;
    const way = (length: number) => ({ length, interval: "4ms", jitter: "1ms" });
    const connection = await client.tunnel.connect({
      peer: `127.0.0.1:${port}`,
      ...each.pairing.client,
      up: way(up.length),
      down: way(down.length),
      clientTimeout: "20s",
      serverTimeout: "20s",
    });
    const own = SIZES.map(([length, version]) => packet(length, version));
    const theirs = SIZES.map(([length, version]) => packet(length, version));
    for (const each of theirs) server.write(each);
    for (const each of own) await client.write(each);
    t.equal(connection.endpoint, `127.0.0.1:${port}`);
    t.ok(EITHER.includes(connection.cipher));
    const [initiation] = server.initiations;
    t.equal(initiation!.settings.aeads & 1, 1, "ChaCha20-Poly1305 is always offered");
    t.same({ ...initiation!.settings, aeads: 3 }, { ...each.settings, aeads: 3 });
    t.equal(
      initiation!.settingsBytes.subarray(48).every((byte) => byte === 0),
      true,
    );
    await until(() => client.packets.length >= theirs.length, "packets down");
    await until(() => server.channel!.reader.packets.length >= own.length, "packets up");
    t.same(client.packets, theirs);
    t.same(server.channel!.reader.packets, own);
    wellRead(t, server.channel!.reader, ECHO);
    t.equal(server.channel!.counters[0], 0);
    t.equal(server.channel!.payloads[0]!.readUInt16BE(0), 0, "the first BlockOffset is 0");
    const stamps = server.channel!.reader.controls.filter(({ type }) => type === NEWEST_STAMP);
    t.ok(stamps.length > 0, "the client says its newest stamp");
    t.ok(stamps.every(({ body }) => body.readUIntBE(0, 6) === server.fragments[0]!.stamp));

    if (each.settings.aeads === 3) {
      await client.tunnel.close();
      const closes = () => server.channel!.reader.controls.filter(({ type }) => type === CLOSE).length;
      await until(() => closes() >= 8, "the close blocks");
      t.equal(closes(), 8);
    } else {
      server.sendClose();
      await until(() => client.has("disconnected"), "the end");
      t.same(
        client.events.find(([name]) => name === "disconnected"),
        ["disconnected", { reason: "peerClosed" }],
      );
    }
    // Before the reporter has wrapped the first fragments, slots are sealed under the throwaway key.
    t.ok(server.unknown.length < server.fragments.length, "slots before the session carry the initiation");
    tidy(t, server, up.length - 28);
  });
}

t.test("the real server closes: the plain client reads 8 close blocks", { buffered: true }, async (t) => {
  const { server, port } = await realServer(password);
  const client = new PlainClient(password.plain.client, settings(300), port);
  await client.start();
  await until(() => client.confirmed && server.has("connected"), "the session");
  await server.tunnel.close();
  const closes = () => client.channel!.reader.controls.filter(({ type }) => type === CLOSE).length;
  await until(() => closes() >= 8, "the close blocks");
  t.equal(closes(), 8);
  t.equal(server.tunnel.state, "closed");
  client.close();
  tidy(t, client, 272);
});

const refusals: [string, Answer, { code: string; message?: RegExp }][] = [
  ["length", { verdict: 1, aeadId: 0, limit: 433 }, { code: "ERR_I405_REFUSED", message: /length.*433 bytes/ }],
  ["interval", { verdict: 2, aeadId: 0, limit: 25_000_000 }, { code: "ERR_I405_REFUSED", message: /interval.*25ms/ }],
  ["bandwidth", { verdict: 3, aeadId: 0, limit: 10_240 }, { code: "ERR_I405_REFUSED", message: /bandwidth.*10240/ }],
  ["not understood", { verdict: 4, aeadId: 0, limit: 0 }, { code: "ERR_I405_REFUSED" }],
  ["a version from the future", { version: 7, lowest: 5, highest: 7 }, { code: "ERR_I405_PROTOCOL_VERSION" }],
];

for (const [name, answer, error] of refusals) {
  t.test(`a plain server refuses the real client: ${name}`, { buffered: true }, async (t) => {
    const server = new PlainServer(password.plain.server, () => answer);
    const client = new Real();
    const port = await server.open();
    t.teardown(() => server.close());
    const way = { length: 500, interval: "4ms" };
    const peer = `127.0.0.1:${port}`;
    await t.rejects(client.tunnel.connect({ peer, ...password.client, up: way, down: way }), error);
    await client.tunnel.close();
    t.equal(client.tunnel.state, "closed");
    tidy(t, server, 472);
  });
}

t.test("the real server refuses a plain client, in a verdict with the figure", { buffered: true }, async (t) => {
  const limits = { maxLength: 800, minInterval: "4ms", maxRateUp: "150KB/s", maxRateDown: "120KB/s" };
  const ask = settings(500);
  const fast = { ...ask.up, intervalNs: 3_900_000 };
  const asked: [PlainSettings, object][] = [
    [
      { ...ask, up: { ...ask.up, length: 801 } },
      { verdict: 1, aeadId: 0, limit: 800 },
    ],
    [
      { ...ask, down: fast },
      { verdict: 2, aeadId: 0, limit: 4_000_000 },
    ],
    [settings(604, 300), { verdict: 3, aeadId: 0, limit: 150_000 }],
    [settings(300, 484), { verdict: 3, aeadId: 0, limit: 120_000 }],
    [
      { ...settings(300), up: { ...ask.up, length: 300, jitterNs: 5_000_000 } },
      { verdict: 4, aeadId: 0, limit: 0 },
    ],
    [
      { ...settings(300), up: { ...ask.up, length: 300, shape: 9 } },
      { verdict: 4, aeadId: 0, limit: 0 },
    ],
  ];
  const refused = async ([settings, verdict]: [PlainSettings, object]) => {
    const { server, port } = await realServer(password, { limits });
    const client = new PlainClient(password.plain.client, settings, port);
    await client.start();
    await until(() => client.verdict !== null, "the verdict");
    t.same(client.verdict, verdict);
    t.equal(server.tunnel.state, "listening");
    await server.tunnel.close();
    client.close();
    t.equal(lengths(client.received).length, 1);
    t.same(client.problems, []);
  };
  await Promise.all(asked.map(refused));
});
