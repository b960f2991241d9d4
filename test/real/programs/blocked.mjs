// Two ends over loopback in one program, whose event loop then stands still for two seconds.
import { hrtime } from "node:process";
import { generatePassword, I405Tunnel } from "i405";

const INTERVAL_MS = 2;
const BLOCKED_MS = 2000;

const password = generatePassword();
const server = new I405Tunnel({ schedFifo: false });
const client = new I405Tunnel({ schedFifo: false });
await server.listen({ address: "127.0.0.1:0", password });
// Without jitter, so that elapsed time says how many slots there were.
const way = { interval: `${INTERVAL_MS}ms`, jitter: /** @type {const} */ (0), length: 500 };
await client.connect({ peer: server.localAddress ?? "", password, up: way, down: way });
if (server.connection === null) await new Promise((resolve) => server.once("connected", resolve));

/** Blocks for that long and says what happened to the slots meanwhile. */
function block(/** @type {number} */ ms) {
  const look = () => ({ ns: hrtime.bigint(), slots: [client, server].map((end) => end.stats().slots) });
  const before = look();
  while (hrtime.bigint() - before.ns < BigInt(ms) * 1_000_000n);
  const after = look();
  const elapsedMs = Number(after.ns - before.ns) / 1e6;
  const ends = after.slots.map((slots, index) => {
    const old = before.slots[index] ?? slots;
    return { sent: Number(slots.sent - old.sent), missed: Number(slots.missed - old.missed) };
  });
  console.log(JSON.stringify({ event: "blocked", expected: elapsedMs / INTERVAL_MS, ends }));
}

block(BLOCKED_MS);
// Life goes on where it was.
const packet = Buffer.alloc(60, 7);
packet[0] = 0x45;
packet.writeUInt16BE(packet.length, 2);
const arrived = new Promise((resolve) => server.once("packet", resolve));
client.write(packet);
const received = /** @type {Uint8Array} */ (await arrived);
const states = [client.state, server.state];
console.log(JSON.stringify({ event: "after", intact: packet.equals(received), states }));
await client.close();
await server.close();
