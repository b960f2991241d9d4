// A far end that means harm: a server whose inner packets say they are from whomever its arguments name. It asks for answers
// in four ways, over and over, and counts what comes back through the tunnel.
//
//     forger.mjs LISTEN PASSWORD TARGET4 TARGET6 SOURCE...
import { readFileSync } from "node:fs";
import { setInterval } from "node:timers";
import { I405Tunnel } from "i405";

const [listen, passwordFile, target4, target6, ...sources] = process.argv.slice(2);
const ICMP = 1;
const TCP = 6;
const UDP = 17;
const ICMPV6 = 58;
const CLOSED_PORT = 9;
const OPEN_PORT = 7000;
const ROUND_MS = 20;

/** @param {string} address */
function bytesOf(address) {
  if (!address.includes(":")) return Buffer.from(address.split(".").map(Number));
  const [head = "", tail = ""] = address.split("::");
  const groups = (/** @type {string} */ part) => (part === "" ? [] : part.split(":"));
  const zeros = Array(8 - groups(head).length - groups(tail).length).fill("0");
  const all = address.includes("::") ? [...groups(head), ...zeros, ...groups(tail)] : groups(address);
  return Buffer.from(all.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]));
}

/** @param {Buffer} bytes */
function checksum(bytes) {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at] << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/**
 * @param {string} from
 * @param {string} to
 * @param {number} protocol
 * @param {Buffer} body
 * @param {number | null} sumAt where the checksum over pseudo-header and body belongs, or over the body alone
 */
function packet(from, to, protocol, body, sumAt) {
  const [source, destination] = [bytesOf(from), bytesOf(to)];
  const pseudo = Buffer.concat([source, destination, Buffer.from([0, protocol, body.length >> 8, body.length & 0xff])]);
  const sum = checksum(protocol === ICMP ? body : Buffer.concat([pseudo, body]));
  if (sumAt !== null) body.writeUInt16BE(sum, sumAt);
  if (source.length === 16) {
    const header = Buffer.from([0x60, 0, 0, 0, 0, body.length, protocol, 64]);
    return Buffer.concat([header, source, destination, body]);
  }
  const header = Buffer.from([0x45, 0, 0, 20 + body.length, 0, 0, 0, 0, 64, protocol, 0, 0, ...source, ...destination]);
  header.writeUInt16BE(checksum(header), 10);
  return Buffer.concat([header, body]);
}

/**
 * What makes a machine answer: a datagram to a closed port and to an open one, an echo request, a SYN.
 * @param {string} from
 * @param {number} round
 */
function questions(from, round) {
  const isV6 = from.includes(":");
  const to = isV6 ? target6 : target4;
  const udp = (/** @type {number} */ port) => {
    const body = Buffer.from([0x9c, 0x40, port >> 8, port & 0xff, 0, 12, 0, 0, 1, 2, 3, 4]);
    return packet(from, to, UDP, body, 6);
  };
  const echo = Buffer.from([isV6 ? 128 : 8, 0, 0, 0, 0x12, 0x34, round >> 8, round & 0xff]);
  const syn = Buffer.alloc(20);
  syn.writeUInt16BE(20_000 + (round % 20_000), 0);
  syn.writeUInt16BE(CLOSED_PORT, 2);
  syn[12] = 0x50;
  syn[13] = 0x02;
  return [
    udp(CLOSED_PORT),
    udp(OPEN_PORT),
    packet(from, to, isV6 ? ICMPV6 : ICMP, echo, 2),
    packet(from, to, TCP, syn, 16),
  ];
}

const server = new I405Tunnel({ schedFifo: false });
/** Answers by whom they are to. */
const answers = Object.fromEntries(sources.map((source) => [source, 0]));
const hex = Object.fromEntries(sources.map((source) => [bytesOf(source).toString("hex"), source]));
server.on("packet", (inner) => {
  const to = Buffer.from(inner[0] >> 4 === 6 ? inner.subarray(24, 40) : inner.subarray(16, 20)).toString("hex");
  const source = hex[to];
  if (source !== undefined) answers[source] += 1;
});
await server.listen({ address: listen, password: readFileSync(passwordFile, "utf8").trim() });
console.log(JSON.stringify({ event: "listening" }));
let round = 0;
let asked = 0;
server.on("connected", () => console.log(JSON.stringify({ event: "connected" })));
setInterval(() => {
  if (server.state !== "connected") return;
  round += 1;
  for (const source of sources)
    for (const question of questions(source, round)) asked += Number(server.write(question));
}, ROUND_MS);
setInterval(() => console.log(JSON.stringify({ event: "asked", asked, round, answers })), 200);
process.on("SIGTERM", () => {
  void server.close().then(() => process.exit(0));
});
