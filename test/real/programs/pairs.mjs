// Connected pairs, opened and closed one after the other in one program: how many descriptors it has and how much memory
// after each of the given numbers. Run it without --expose-gc: what is closed is not to wait for the collector.
//   node pairs.mjs 100 1000
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { generatePrivateKey, I405Tunnel, publicKey } from "i405";

const marks = process.argv.slice(2).map(Number);
const [clientKey, serverKey] = [generatePrivateKey(), generatePrivateKey()];
const way = { interval: "1ms", length: 400 };
const local = /** @type {const} */ ({ device: "packets", schedFifo: false });

/** The collector doesn't get these: what a tunnel held is gone all the same. */
const kept = [];

async function pair() {
  const server = new I405Tunnel(local);
  await server.listen({
    address: "127.0.0.1:0",
    key: { privateKey: serverKey, peerPublicKey: publicKey(clientKey) },
    linger: 0,
  });
  const client = new I405Tunnel(local);
  const heard = once(server, "connected");
  await client.connect({
    peer: String(server.localAddress),
    key: { privateKey: clientKey, peerPublicKey: publicKey(serverKey) },
    up: way,
    down: way,
    linger: 0,
  });
  await heard;
  await Promise.all([client.close(), server.close()]);
  kept.push(client, server);
  if (kept.length > 200) kept.splice(0, 100);
}

for (let done = 1; done <= Math.max(...marks); done += 1) {
  await pair();
  if (!marks.includes(done)) continue;
  const { rss: resident, heapTotal: heap } = process.memoryUsage();
  const [descriptors, threads] = ["fd", "task"].map((kind) => readdirSync(`/proc/self/${kind}`).length);
  console.log(JSON.stringify({ event: "pairs", pairs: done, descriptors, threads, resident, heap }));
}
