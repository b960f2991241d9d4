// @ts-check
// A circuit: home -> guard -> exit. Two tunnels, one behind the other, each with a schedule of its own.
//
//   node examples/circuit.mjs [--packets 200]
//
//     home                    guard                         exit
//     client ---- tunnel ---- server | client ---- tunnel ---- server
//
// The guard joins its two tunnels in its own program: packets from the one are written to the other, and a full queue
// on either side pushes back to the sender. It needs neither root nor a TUN interface for that. Here all three are one
// program on loopback, so that it runs as it stands; on three machines each function below runs on one of them, with
// the keys of its neighbours and real addresses.
//
// The guard sees the inner packets. Whoever doesn't want that encrypts them inside, for example with a third tunnel
// from home to exit whose datagrams are inner packets here.
import { once } from "node:events";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import { generatePrivateKey, I405Tunnel, publicKey } from "i405";
import { innerPacket, sentBack, textOf } from "./inner-packet.mjs";

/** @typedef {import("i405").StaticKeys} StaticKeys */

const { values } = parseArgs({ options: { packets: { type: "string", default: "200" } } });
const total = Number(values.packets);
/** A network may lose packets; after this long the rest counts as lost. */
const PATIENCE_MS = 30_000;

/** Each hop has a wire of its own: who watches one learns nothing about the rhythm of the other. */
const HOME_TO_GUARD = { up: { interval: "5ms" }, down: { interval: "5ms" } };
const GUARD_TO_EXIT = { up: { interval: "4ms", length: 1280 }, down: { interval: "4ms", length: 1280 } };

/**
 * Prints what happens at one end.
 * @param {string} name
 * @param {I405Tunnel} tunnel
 */
function report(name, tunnel) {
  const say = (/** @type {string} */ text) => console.log(`${name.padEnd(15)}${text}`);
  tunnel.on("connected", ({ endpoint, wire }) => {
    say(`connected with ${endpoint}, ${wire.up.length} bytes every ${wire.up.intervalNs / 1e6} ms up`);
  });
  tunnel.on("silent", ({ forMs }) => say(`silent for ${forMs} ms`));
  tunnel.on("heard", () => say("heard again"));
  tunnel.on("disconnected", ({ reason }) => say(`disconnected: ${reason}`));
  tunnel.on("warning", ({ code, message }) => say(`warning ${code}: ${message}`));
  tunnel.on("deviation", ({ count, p50, p99, max, missed }) => {
    if (count === 0) return;
    const [typical, rare, most] = [p50, p99, max].map((us) => us.toFixed(1));
    say(`deviation of ${count} slots: p50 ${typical} us, p99 ${rare} us, max ${most} us, ${missed} missed`);
  });
  tunnel.on("close", () => say("closed"));
}

/** @param {string} name */
function makeTunnel(name) {
  const tunnel = new I405Tunnel({ deviationInterval: "500ms" });
  report(name, tunnel);
  return tunnel;
}

/**
 * Runs at the exit: sends every packet back. A real one would hand them to a TUN interface and NAT.
 * @param {StaticKeys} key
 */
async function openExit(key) {
  const tunnel = makeTunnel("exit");
  await tunnel.listen({ address: "127.0.0.1:0", key });
  const stream = tunnel.stream();
  pipeline(stream, back, stream).catch(ended);
  return tunnel;
}

/** @param {AsyncIterable<Uint8Array>} packets */
async function* back(packets) {
  for await (const packet of packets) yield sentBack(packet);
}

/**
 * Runs at the guard.
 * @param {{ homeward: StaticKeys, onward: StaticKeys, exit: string }} options
 */
async function openGuard({ homeward, onward, exit }) {
  const server = makeTunnel("guard homeward");
  const client = makeTunnel("guard onward");
  await Promise.all([
    server.listen({ address: "127.0.0.1:0", key: homeward }),
    client.connect({ peer: exit, key: onward, ...GUARD_TO_EXIT }),
  ]);
  join(server, client);
  return { server, client };
}

/**
 * Joins two tunnels. `pipeline` waits while a queue is full, so nothing is lost in between.
 * @param {I405Tunnel} one
 * @param {I405Tunnel} other
 */
function join(one, other) {
  const [left, right] = [one.stream(), other.stream()];
  pipeline(left, right, left).catch(ended);
}

/**
 * Runs at home.
 * @param {{ key: StaticKeys, guard: string }} options
 */
async function openHome({ key, guard }) {
  const tunnel = makeTunnel("home");
  await tunnel.connect({ peer: guard, key, ...HOME_TO_GUARD });
  return tunnel;
}

/**
 * A pipeline between tunnels ends when one of them closes, early by its own account.
 * @param {NodeJS.ErrnoException} error
 */
function ended(error) {
  if (error.code !== "ERR_STREAM_PREMATURE_CLOSE") throw error;
}

/**
 * The keys of one hop. Here one program makes them all; otherwise each end makes its own private key and tells the
 * other end the public one.
 * @returns {{ client: StaticKeys, server: StaticKeys }}
 */
function makeKeys() {
  const client = generatePrivateKey();
  const server = generatePrivateKey();
  return {
    client: { privateKey: client, peerPublicKey: publicKey(server) },
    server: { privateKey: server, peerPublicKey: publicKey(client) },
  };
}

// From the far end on: each server has to be there before its client asks.
const near = makeKeys();
const far = makeKeys();
const exit = await openExit(far.server);
const guard = await openGuard({ homeward: near.server, onward: far.client, exit: String(exit.localAddress) });
const home = await openHome({ key: near.client, guard: String(guard.server.localAddress) });

const source = Readable.from(
  (function* () {
    for (let number = 1; number <= total; number += 1) {
      yield innerPacket({ from: "10.0.0.2", to: "192.0.2.1", text: `packet ${number}`, length: 900 });
    }
  })(),
);
const patience = setTimeout(() => void home.close(), PATIENCE_MS);
const sending = pipeline(source, home.stream()).catch(ended);
let received = 0;
for await (const packet of home) {
  received += 1;
  if (textOf(packet) === `packet ${total}`) break;
}
await sending;
clearTimeout(patience);
console.log(`${received} of ${total} packets went home -> guard -> exit and back`);
process.exitCode = received === total ? 0 : 1;

// Either end of a hop may close; the other one is told.
const told = Promise.all([once(guard.server, "disconnected"), once(exit, "disconnected")]);
await Promise.all([home.close(), guard.client.close()]);
await told;
await Promise.all([guard.server.close(), exit.close()]);
