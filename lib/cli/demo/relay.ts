/** The demo's side of the relay: starts its thread and hands on what it saw. */
import { Worker } from "node:worker_threads";

/** What somebody on the wire can tell of a datagram. */
export interface Sighting {
  direction: "up" | "down";
  /** CLOCK_MONOTONIC when the relay had it, ms. */
  atMs: number;
  /** IP length, bytes. */
  length: number;
}

export type RelayMessage = { type: "open"; port: number } | { type: "seen"; sightings: Sighting[] };

/** IPv4 without options, and UDP. */
export const IPV4_UDP_HEADER_BYTES = 28;

/** How often sightings are handed on, ms: often enough for a view that moves, rarely enough to cost nothing. */
export const REPORT_MS = 50;

export interface Relay {
  /** Where the client is to connect. */
  port: number;
  stop(): Promise<unknown>;
}

export function startRelay(serverPort: number, onSeen: (sightings: Sighting[]) => void): Promise<Relay> {
  const worker = new Worker(new URL("./relay-worker.js", import.meta.url), { workerData: { serverPort } });
  return new Promise((resolve, reject) => {
    worker.on("error", reject);
    worker.on("message", (message: RelayMessage) => {
      if (message.type === "seen") onSeen(message.sightings);
      else resolve({ port: message.port, stop: () => worker.terminate() });
    });
  });
}
