// A program that ends without close(): by process.exit, by an exception, or because nothing keeps it alive.
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { generatePassword, I405Tunnel } from "i405";

const [how] = process.argv.slice(2);
const password = generatePassword();
const packet = Buffer.from("4500001c00000000401166cf0a0000020a0000010009000900080000", "hex");
const way = { interval: "2ms", length: 400 };
const server = new I405Tunnel({ schedFifo: false });
await server.listen({ address: "127.0.0.1:0", password });
const client = new I405Tunnel({ schedFifo: false, deviationInterval: "100ms" });
const connected = client.connect({ peer: server.localAddress ?? "", password, up: way, down: way });
// In the middle of a handshake as well as in the middle of a session.
if (how !== "exit while connecting") await connected;
console.log(JSON.stringify({ event: "leaving" }));

/** How many threads of tunnels this process has. */
function timedThreads() {
  const names = readdirSync("/proc/self/task").map((thread) => {
    try {
      return readFileSync(`/proc/self/task/${thread}/comm`, "utf8");
    } catch {
      return ""; // It has ended meanwhile.
    }
  });
  return names.filter((name) => name.startsWith("i405-")).length;
}

switch (how) {
  case "exit":
  case "exit while connecting":
    process.exit(7);
    break;
  case "exit in a listener":
    client.on("deviation", () => process.exit(7));
    break;
  case "exit in a stream's listener":
    client.stream().on("data", () => process.exit(7));
    // The server's session may come up after the client's.
    while (!server.write(packet)) await once(server, "drain");
    break;
  case "throw":
    throw new Error("on purpose");
  case "unref":
    server.unref();
    client.unref();
    break;
  case "terminate": {
    // Worker threads that are ended from outside, with tunnels inside that just then report something or other.
    const before = timedThreads();
    for (let round = 0; round < 5; round += 1) {
      const worker = new Worker(new URL(import.meta.url), { argv: ["stay"], stdout: true });
      await once(worker.stdout, "data");
      await new Promise((resolve) => setTimeout(resolve, round * 3));
      await worker.terminate();
    }
    // Nobody closed those tunnels: they end with the thread that had them.
    while (timedThreads() > before) await new Promise((resolve) => setTimeout(resolve, 20));
    await client.close();
    await server.close();
    console.log(JSON.stringify({ event: "closed" }));
    break;
  }
  default:
}
