// @ts-check
// One end of a tunnel that waits for a client.
//
//   node examples/server.mjs                                 packets of its own, sent back as they come; no root
//   sudo node examples/server.mjs --tun-ipv4 10.140.5.1/24   a TUN interface
//
// The password comes from --password-file or I405_PASSWORD. Without either one is made up and printed, which is good
// for trying things out and for nothing else.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { generatePassword, I405Tunnel } from "i405";
import { sentBack } from "./inner-packet.mjs";

const { values } = parseArgs({
  options: {
    "listen-addr": { type: "string", default: "127.0.0.1:1405" },
    "password-file": { type: "string" },
    "tun-ipv4": { type: "string" },
  },
});

const file = values["password-file"];
const given = file === undefined ? process.env.I405_PASSWORD : readFileSync(file, "utf8").trim();
const password = given ?? generatePassword();

const ipv4 = values["tun-ipv4"];
const tunnel = new I405Tunnel({ device: ipv4 === undefined ? "packets" : { tun: { ipv4 } }, deviationInterval: "2s" });

tunnel.on("connected", ({ endpoint, cipher }) => console.log(`connected with ${endpoint}, ${cipher}`));
tunnel.on("silent", ({ forMs }) => console.log(`nothing heard for ${forMs} ms`));
tunnel.on("disconnected", ({ reason }) => console.log(`disconnected: ${reason}`));
tunnel.on("warning", ({ code, message, remedy }) => console.log(`warning ${code}: ${message}. ${remedy}`));
tunnel.on("deviation", ({ count, p50, p99, missed }) => {
  if (count > 0)
    console.log(`${count} slots: p50 ${p50.toFixed(1)} us late, p99 ${p99.toFixed(1)} us, ${missed} missed`);
});
if (ipv4 === undefined) {
  // False means that the queue is full: dropped, as any network drops what it can't carry.
  tunnel.on("packet", (packet) => tunnel.write(sentBack(packet)));
}

// One listener for whatever ends the tunnel: a signal here, or an error.
tunnel.on("close", () => {
  const { slots, inner } = tunnel.stats();
  console.log(`closed: ${slots.sent} slots sent, ${inner.packetsReceived} inner packets received`);
});
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => void tunnel.close());

await tunnel.listen({ address: values["listen-addr"], password });
console.log(`listening on ${tunnel.localAddress}${ipv4 === undefined ? "" : `, interface ${tunnel.deviceName}`}`);
if (given === undefined) {
  console.log(`the client: I405_PASSWORD=${password} node examples/client.mjs --peer ${tunnel.localAddress}`);
}
