/**
 * The watcher of the demo: a relay between the two ends. It has a thread of its own, so that the demo's traffic doesn't
 * disturb it. It notes when each datagram came and how long it was, and nothing else; it could not read them.
 */
import { createSocket } from "node:dgram";
import { parentPort, workerData } from "node:worker_threads";
import { IPV4_UDP_HEADER_BYTES, REPORT_MS, type RelayMessage, type Sighting } from "./relay.js";

const { serverPort } = workerData as { serverPort: number };
const LOOPBACK = "127.0.0.1";

/** The client talks to this one, the server to the other. */
const front = createSocket("udp4");
const back = createSocket("udp4");
let clientPort: number | undefined;
let sightings: Sighting[] = [];

function note(direction: Sighting["direction"], payload: Buffer): void {
  const atMs = Number(process.hrtime.bigint()) / 1e6;
  sightings.push({ direction, atMs, length: payload.length + IPV4_UDP_HEADER_BYTES });
}

front.on("message", (payload, { port }) => {
  note("up", payload);
  clientPort = port;
  back.send(payload, serverPort, LOOPBACK);
});
back.on("message", (payload) => {
  note("down", payload);
  if (clientPort !== undefined) front.send(payload, clientPort, LOOPBACK);
});
// An end that has just closed answers with ICMP; that is no concern of a watcher.
front.on("error", () => undefined);
back.on("error", () => undefined);

back.bind(0, LOOPBACK, () => {
  front.bind(0, LOOPBACK, () => {
    send({ type: "open", port: front.address().port });
  });
});
setInterval(() => {
  if (sightings.length === 0) return;
  send({ type: "seen", sightings });
  sightings = [];
}, REPORT_MS);

function send(message: RelayMessage): void {
  parentPort?.postMessage(message);
}
