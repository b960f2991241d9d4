/**
 * Whom a server believes, as a client and those on its way see it: the same cases against the plain server and the real
 * one. What a source was sent is counted where it came in.
 */
import type { Test } from "tap";
import { controlBlock, ECHO } from "../../lab/plain/aggfrag.js";
import { Stranger, type Source } from "../../lab/plain/end.js";
import { RESPONSE_BYTES } from "../../lab/plain/handshake.js";
import { WatchedClient } from "../../lab/plain/watched.js";
import { fragmentCount, RESPONSE, unwrap } from "../../lab/plain/wire.js";
import { packet, settings, settled, until, type Pairing } from "./ends.js";

/** A server, plain or real. */
export interface Served {
  port: number;
  /** What it threw while reading. */
  problems: readonly unknown[];
  /** Where it has its client; null before it believes anything. */
  endpoint: () => Source | null;
  write: (packet: Uint8Array) => void | Promise<void>;
  /** Inner packets that came. */
  packets: () => readonly Buffer[];
}

/** Makes a server, and removes it with the test. */
export type Serve = (t: Test) => Promise<Served>;

const INTERVAL_MS = 4;
const WIRE = settings(500);
const N = 472;
const FRAGMENTS = fragmentCount(RESPONSE_BYTES, N);
/** attempt (docs/protocol.md) at 4 fragments up and 3 down; slots are at least 3 ms apart. */
const ATTEMPT_MS = 5000 + 4 * (4 + FRAGMENTS) * INTERVAL_MS;
const MOST_SLOTS = ATTEMPT_MS / 3 + 1;
/** Challenges to one source in 10 s. */
const MOST_CHALLENGES = 16;

interface Scene extends Served {
  client: WatchedClient;
  others: Stranger[];
}

/** A client, and others beside it. */
async function scene(t: Test, pairing: Pairing, serve: Serve, others: number): Promise<Scene> {
  const served = await serve(t);
  const client = new WatchedClient(pairing.plain.client, WIRE, served.port);
  const all = Array.from({ length: others }, () => new Stranger());
  t.teardown(() => {
    for (const each of [client, ...all]) each.close();
  });
  for (const each of all) await each.open();
  return { ...served, client, others: all };
}

async function connect({ client, endpoint }: Scene): Promise<void> {
  await client.start();
  await until(() => client.confirmed && endpoint()?.port === client.port, "the client is believed");
  await settled(client);
}

/** Packets both ways; the server's only ones. */
async function traffic(t: Test, { client, write, packets, problems }: Scene): Promise<void> {
  const [up, down] = [packet(900), packet(901)];
  client.write(up);
  await write(down);
  await until(() => packets().some((each) => each.equals(up)), "a packet up");
  await until(() => client.channel!.reader.packets.some((each) => each.equals(down)), "a packet down");
  t.same([client.problems, problems], [[], []]);
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Until nothing has come for a while. */
async function quiet(one: Stranger): Promise<void> {
  for (let last = -1; one.received.length > last; await pause(1500)) last = one.received.length;
}

type Case = (t: Test, pairing: Pairing, serve: Serve) => Promise<void>;

/** Faster copies of a handshake: the response goes to all of their sources, each with its own place. */
const copiesOfAHandshake: Case = async (t, pairing, serve) => {
  const all = await scene(t, pairing, serve, 3);
  const { client, others } = all;
  client.copiers = others;
  client.leadMs = 10;
  client.holdBack = true;
  await client.start();
  await until(() => [client, ...others].every(({ received }) => received.length >= 3 * FRAGMENTS), "the response");
  for (const { received } of [client, ...others]) {
    const said = received.map((each) => unwrap(pairing.plain.client.down, each));
    t.ok(said.every((each) => each?.kind === RESPONSE));
    t.same(
      said.map((each) => each!.f),
      said.map((_, index) => index % FRAGMENTS),
    );
  }
  const rates = [client, ...others].map(({ received }) => received.length);
  t.ok(Math.max(...rates) - Math.min(...rates) <= 8, `in turns: ${rates.join(", ")}`);
  client.holdBack = false;
  await until(() => client.confirmed && all.endpoint()?.port === client.port, "the client is believed");
  // What was on its way.
  await pause(200);
  const before = others.map(({ received }) => received.length);
  const slots = client.received.length;
  await until(() => client.received.length > slots + 250, "slots");
  for (const [index, { received }] of others.entries()) {
    const later = received.length - before[index]!;
    t.ok(later <= MOST_CHALLENGES, `${later} datagrams to a copier later`);
  }
  await traffic(t, all);
};

/** One confirming datagram under another source, and nobody who answers: an attempt's worth, and the end. */
const aForgedConfirmation: Case = async (t, pairing, serve) => {
  const all = await scene(t, pairing, serve, 1);
  const { client, others } = all;
  const [victim] = others as [Stranger];
  client.holdBack = true;
  await client.start();
  await until(() => client.responses.length > 0, "the response");
  client.stop();
  client.holdBack = false;
  client.cut = true;
  victim.send(client.nextDatagram(), all.port);
  await until(() => victim.received.length > 0, "a challenge");
  // What the client hears of it is not answered.
  client.mute = true;
  await quiet(victim);
  t.ok(victim.received.length <= MOST_SLOTS, `${victim.received.length} datagrams`);
  const known = client.received.length;
  t.ok(victim.received.length <= known, "the client's own source gets as many");
  // A thousand copies and more of the same buy nothing more.
  const before = victim.received.length;
  for (let i = 0; i < 1000; i += 1) victim.send(victim.sent[0]!, all.port);
  for (let i = 0; i < 100; i += 1) victim.send(client.channel!.seal(client.n), all.port);
  await quiet(victim);
  t.equal(victim.received.length, before);
  t.equal(client.received.length, known);
};

/** Later datagrams under another source, with the client alive and with it gone. */
const aForgedMove: Case = async (t, pairing, serve) => {
  const all = await scene(t, pairing, serve, 2);
  const { client, others } = all;
  const [first, second] = others as [Stranger, Stranger];
  await connect(all);
  client.stop();
  const forge = (victim: Stranger, count: number) => {
    for (let i = 0; i < count; i += 1) victim.send(client.channel!.seal(client.n), all.port);
  };
  forge(first, 1);
  await pause(300);
  t.equal(first.received.length, 0, "one datagram is no run");
  client.inject(client.channel!.seal(client.n));
  forge(first, 1000);
  client.mute = true;
  await pause(1000);
  t.ok(first.received.length > 0, "it is asked");
  t.ok(first.received.length <= MOST_CHALLENGES, `${first.received.length} datagrams`);
  t.equal(all.endpoint()?.port, client.port);
  const had = first.received.length;
  // It is there, and says so.
  client.inject(client.channel!.seal(client.n));
  forge(second, 100);
  client.mute = false;
  const heard = client.challenges.length;
  await until(() => client.challenges.length > heard, "the endpoint is asked too");
  client.inject(client.nextDatagram());
  await pause(300);
  t.ok(second.received.length <= MOST_CHALLENGES);
  const end = second.received.length;
  await pause(500);
  t.equal(second.received.length, end, "its echo ends the matter");
  t.ok(first.received.length === had);
  t.equal(all.endpoint()?.port, client.port);
};

/** A settled session whose datagrams come from elsewhere first. */
const aFasterCopier: Case = async (t, pairing, serve) => {
  const all = await scene(t, pairing, serve, 1);
  const { client, others } = all;
  const [copier] = others as [Stranger];
  await connect(all);
  for (const leadMs of [4, 60]) {
    client.copiers = others;
    client.leadMs = leadMs;
    const slots = client.received.length;
    await until(() => client.received.length > slots + 250, "slots");
    await traffic(t, all);
    t.equal(all.endpoint()?.port, client.port, `${leadMs} ms ahead`);
  }
  t.ok(copier.received.length <= MOST_CHALLENGES, `${copier.received.length} datagrams`);
};

/** The client goes somewhere else, again and again, and its server follows. */
const aMove: Case = async (t, pairing, serve) => {
  const all = await scene(t, pairing, serve, 0);
  const { client } = all;
  await connect(all);
  for (let move = 1; move <= 5; move += 1) {
    await client.open();
    await until(() => all.endpoint()?.port === client.port, `move ${move}`);
    await traffic(t, all);
  }
  t.ok(client.echoes >= 6, `${client.echoes} echoes`);
};

/** Its port changes before, while and after the response is out. */
const aMoveInAHandshake: Case = async (t, pairing, serve) => {
  const served = await serve(t);
  let stamp = Date.now();
  for (const when of [2, 5, 100, 130]) {
    const client = new WatchedClient(pairing.plain.client, WIRE, served.port, (stamp += 1000));
    t.teardown(() => client.close());
    const all = { ...served, client, others: [] };
    await client.start();
    await until(() => client.sent.length >= when, "datagrams");
    await client.open();
    await until(() => client.confirmed && all.endpoint()?.port === client.port, `after ${when}`);
    await traffic(t, all);
    client.sendClose();
    client.close();
    await pause(300);
  }
};

/** Echoes of what nobody asked, of other lengths, and challenges to a server: nothing. */
const strangeBlocks: Case = async (t, pairing, serve) => {
  const all = await scene(t, pairing, serve, 1);
  const { client, others } = all;
  const [elsewhere] = others as [Stranger];
  await connect(all);
  client.stop();
  const heard = client.challenges.at(-1)!;
  const blocks = [0, 1, 7, 9, 400].map((length) => controlBlock(ECHO, Buffer.alloc(length, 1)));
  blocks.push(controlBlock(ECHO, Buffer.alloc(8, 1)), controlBlock(ECHO, heard));
  for (const length of [0, 7, 8, 9]) blocks.push(controlBlock(5, Buffer.alloc(length, 2)));
  client.challenges.length = 0;
  // From elsewhere, and in fewer than 8 in a row.
  for (const block of blocks) {
    elsewhere.send(client.channel!.seal(client.n, [block]), all.port);
    client.inject(client.channel!.seal(client.n, [block]));
  }
  client.resume();
  await traffic(t, all);
  t.equal(all.endpoint()?.port, client.port);
  t.same(elsewhere.received, [], "the last echo's challenge stands no more");
  t.equal(client.challenges.length, 0, "nobody is asked");
};

/** Name, promises that it keeps, and what happens. */
export const CASES: readonly { name: string; promises: string; run: Case }[] = [
  { name: "faster copies of a handshake from three sources", promises: "not-drawn-away", run: copiesOfAHandshake },
  { name: "a confirmation under a forged source", promises: "unconfirmed-ends", run: aForgedConfirmation },
  { name: "later datagrams under a forged source", promises: "no-amplification", run: aForgedMove },
  { name: "a settled session, and a copier ahead of it", promises: "not-drawn-away", run: aFasterCopier },
  { name: "a client that moves", promises: "roaming", run: aMove },
  { name: "a port that changes in mid-handshake", promises: "roaming", run: aMoveInAHandshake },
  { name: "echoes that nobody asked for, and challenges to a server", promises: "roaming", run: strangeBlocks },
];
