// A program that has fewer and fewer descriptors left as it opens tunnels: what fails, and what that leaves.
import { closeSync, openSync, readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { generatePassword, I405Tunnel } from "i405";

const password = generatePassword();
const local = /** @type {const} */ ({ device: "packets", schedFifo: false });

/** How the opening failed, or null. */
async function open() {
  const tunnel = new I405Tunnel(local);
  try {
    await tunnel.listen({ address: "127.0.0.1:0", password });
    await tunnel.close();
    return null;
  } catch (error) {
    return /** @type {{ code: string }} */ (error).code;
  }
}

const count = () => readdirSync("/proc/self/fd").length;

// The first one loads what a program needs once.
await open();
const before = count();

const taken = [];
for (;;) {
  try {
    taken.push(openSync("/dev/null", "r"));
  } catch {
    break;
  }
}
const codes = [];
for (;;) {
  const failed = await open();
  if (failed === null) break;
  codes.push(failed);
  closeSync(/** @type {number} */ (taken.pop()));
}
for (const descriptor of taken) closeSync(descriptor);
await sleep(10);
console.log(JSON.stringify({ event: "exhausted", codes, before, after: count() }));
