// Several tunnels in one program, some in worker threads: each carries packets of its own.
import { once } from "node:events";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { generatePassword, I405Tunnel } from "i405";

const way = { interval: "5ms", length: 400 };

function packetOf(/** @type {number} */ number) {
  const packet = Buffer.alloc(200, number);
  packet[0] = 0x45;
  packet.writeUInt16BE(packet.length, 2);
  return packet;
}

/** A pair of ends, a packet through it each way, and its end. */
async function pair(/** @type {number} */ number) {
  const password = generatePassword();
  const server = new I405Tunnel({ schedFifo: false });
  const client = new I405Tunnel({ schedFifo: false });
  await server.listen({ address: "127.0.0.1:0", password });
  await client.connect({ peer: server.localAddress ?? "", password, up: way, down: way });
  const [up] = await sendOne(client, server, number);
  const [down] = await sendOne(server, client, number + 1);
  await Promise.all([client.close(), server.close()]);
  return up.equals(packetOf(number)) && down.equals(packetOf(number + 1));
}

async function sendOne(/** @type {I405Tunnel} */ from, /** @type {I405Tunnel} */ to, /** @type {number} */ number) {
  const arrived = once(to, "packet");
  from.write(packetOf(number));
  return /** @type {[Buffer]} */ ((await arrived).map((packet) => Buffer.from(packet)));
}

if (isMainThread) {
  const workers = [0, 1].map(() => new Worker(new URL(import.meta.url)));
  const answers = Promise.all(
    workers.map(async (worker) => /** @type {[boolean]} */ (await once(worker, "message"))[0]),
  );
  const exits = Promise.all(workers.map(async (worker) => /** @type {[number]} */ (await once(worker, "exit"))[0]));
  const here = await Promise.all([10, 20, 30, 40].map(pair));
  console.log(JSON.stringify({ event: "done", here, workers: await answers, exits: await exits }));
} else {
  parentPort?.postMessage(await pair(50));
}
