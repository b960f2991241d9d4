// @ts-check
// A tunnel inside one's own program: the program is the device, packets go in and out as a stream, no root.
//
//   node examples/in-process.mjs
//
// Both ends are in this one program to have something to run; normally each is somewhere else. A quiet second and a
// busy one follow each other, and the wire's figures of both are printed: they have nothing to do with the contents.
import { once } from "node:events";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import { generatePrivateKey, generatePresharedKey, I405Tunnel, publicKey } from "i405";
import { innerPacket, textOf } from "./inner-packet.mjs";

const PACKETS = 300;
const PACKET_LENGTH = 1000;
/** A network may lose packets; after this long the rest counts as lost. */
const PATIENCE_MS = 30_000;

// Static keys are the recommended way: each end has its own private key and the other's public one.
const clientKey = generatePrivateKey();
const serverKey = generatePrivateKey();
const presharedKey = generatePresharedKey();

const server = new I405Tunnel();
await server.listen({
  address: "127.0.0.1:0",
  key: { privateKey: serverKey, peerPublicKey: publicKey(clientKey), presharedKey },
});

const client = new I405Tunnel();
await client.connect({
  peer: String(server.localAddress),
  key: { privateKey: clientKey, peerPublicKey: publicKey(serverKey), presharedKey },
  up: { interval: "4ms", length: 1400 },
  down: { interval: "10ms", length: 600, jitter: "5ms" },
});

/**
 * What the wire showed while something was done.
 * @param {string} what
 * @param {() => Promise<unknown>} work
 */
async function observe(what, work) {
  const before = client.stats();
  const startMs = performance.now();
  await work();
  const seconds = (performance.now() - startMs) / 1000;
  const after = client.stats();
  const sent = Number(after.slots.sent - before.slots.sent);
  const carrying = Number(after.slots.carrying - before.slots.carrying);
  console.log(`${what}: ${(sent / seconds).toFixed(0)} datagrams a second on the wire, ${carrying} of ${sent} carried`);
}

await observe("quiet", () => delay(1000));

// The stream pushes back while the tunnel's queue is full, so nothing is lost however fast the source is.
const source = Readable.from(
  (function* () {
    for (let number = 1; number <= PACKETS; number += 1) {
      yield innerPacket({ from: "10.0.0.2", to: "10.0.0.1", text: `packet ${number}`, length: PACKET_LENGTH });
    }
  })(),
);
await observe("busy", async () => {
  const patience = setTimeout(() => void server.close(), PATIENCE_MS);
  const writing = pipeline(source, client.stream());
  let received = 0;
  for await (const packet of server) {
    received += 1;
    if (textOf(packet) === `packet ${PACKETS}`) break;
  }
  await writing;
  clearTimeout(patience);
  console.log(`${received} of ${PACKETS} packets received`);
  process.exitCode = received === PACKETS ? 0 : 1;
});

// Either end may close; the other one hears of it.
const heard = once(server, "disconnected");
await client.close();
const [{ reason }] = await heard;
console.log(`the server was told: ${reason}`);
await server.close();
