// @ts-check
// The other end of server.mjs.
//
//   I405_PASSWORD=... node examples/client.mjs --peer 127.0.0.1:1405
//       sends a few packets of its own, prints how long each took there and back, and closes; no root
//   sudo node examples/client.mjs --peer 203.0.113.7:1405 --password-file tunnel.password --tun-ipv4 10.140.5.2/24
//       a TUN interface, until SIGINT or SIGTERM
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { I405Tunnel } from "i405";
import { innerPacket, textOf } from "./inner-packet.mjs";

const { values } = parseArgs({
  options: {
    peer: { type: "string", default: "127.0.0.1:1405" },
    "password-file": { type: "string" },
    "tun-ipv4": { type: "string" },
    count: { type: "string", default: "5" },
  },
});

const file = values["password-file"];
const password = file === undefined ? process.env.I405_PASSWORD : readFileSync(file, "utf8").trim();
if (password === undefined) {
  console.error("give --password-file FILE or I405_PASSWORD: the same password as the server's");
  process.exit(2);
}

const ipv4 = values["tun-ipv4"];
const tunnel = new I405Tunnel({ device: ipv4 === undefined ? "packets" : { tun: { ipv4 } } });
tunnel.on("disconnected", ({ reason }) => console.log(`disconnected: ${reason}; handshaking anew`));
tunnel.on("warning", ({ code, message, remedy }) => console.log(`warning ${code}: ${message}. ${remedy}`));

// Both directions are the client's to ask for. The schedule begins at once, before the server has answered.
const { endpoint, wire, cipher } = await tunnel.connect({
  peer: values.peer,
  password,
  up: { rate: "200KiB/s" },
  down: { rate: "200KiB/s" },
  connectTimeout: "30s",
});
const { length, intervalNs } = wire.up;
console.log(`connected with ${endpoint}, ${cipher}: ${length} bytes up every ${(intervalNs / 1e6).toFixed(1)} ms`);

if (ipv4 === undefined) {
  for (let number = 1; number <= Number(values.count); number += 1) {
    const text = `packet ${number}`;
    const sentMs = performance.now();
    tunnel.write(innerPacket({ from: "10.140.5.2", to: "10.140.5.1", text }));
    const [packet] = await once(tunnel, "packet", { signal: AbortSignal.timeout(10_000) });
    console.log(`${textOf(packet)} came back after ${(performance.now() - sentMs).toFixed(1)} ms`);
    await delay(50);
  }
} else {
  console.log(`interface ${tunnel.deviceName} with ${ipv4}; Ctrl-C ends it`);
  await new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, resolve);
  });
}

await tunnel.close();
const { slots } = tunnel.stats();
console.log(`closed: ${slots.sent} slots sent, ${slots.carrying} of them carried something`);
