/** No JavaScript on the timed path: slots missed while the event loop is blocked, and in the stretches between. */
import { I405Tunnel, generatePassword } from "i405";
import { stolenSeconds } from "../lab/figures/stats.js";
import { sleep } from "./lib/bench.js";
import { readOptions, Report, rounded } from "./lib/report.js";

const options = readOptions({ times: 10, blockMs: 2000, intervalMs: 1, length: 1500, mode: "sleepy", how: "loop" });
const report = new Report(options.json);

/** A long computation (`loop`), or a wait that leaves the core alone (`wait`). */
function block(): void {
  if (options.how === "wait") {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, options.blockMs);
    return;
  }
  const end = performance.now() + options.blockMs;
  while (performance.now() < end);
}

const password = generatePassword();
const server = new I405Tunnel({ pollMode: "sleepy" });
const client = new I405Tunnel({ pollMode: options.mode as "sleepy" | "dozy" | "spinny" });
for (const tunnel of [server, client])
  tunnel.on("warning", ({ code, message }) => report.progress(`${code}: ${message}`));
await server.listen({ address: "127.0.0.1:0", password });
const wire = { interval: `${options.intervalMs}ms`, length: options.length };
await client.connect({ peer: server.localAddress!, password, up: wire, down: wire });
await sleep(1000);

const total = { blocked: 0, free: 0 };
for (let round = 1; round <= options.times; round += 1) {
  for (const condition of ["blocked", "free"] as const) {
    const [before, stolen, start] = [client.stats().slots, stolenSeconds(), performance.now()];
    if (condition === "blocked") block();
    else await sleep(options.blockMs);
    const after = client.stats().slots;
    const expected = (performance.now() - start) / options.intervalMs;
    const missed = Number(after.missed - before.missed);
    total[condition] += missed;
    report.add({
      round,
      condition,
      expected: rounded(expected, 1),
      sent: Number(after.sent - before.sent),
      missed,
      stolenMs: rounded((stolenSeconds() - stolen) * 1000, 0),
    });
  }
}
await Promise.all([client.close(), server.close()]);
report.table("Slots of the client while its event loop is blocked and while it is free");
report.add({ missedBlocked: total.blocked, missedFree: total.free });
report.table("All rounds");
