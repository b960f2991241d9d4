/** A thread of a load. It says once that it works, and goes on until its process ends. */
import { randomFillSync } from "node:crypto";
import { createSocket } from "node:dgram";
import { fsyncSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { parentPort, workerData } from "node:worker_threads";

export type Task =
  | { work: "cpu" }
  | { work: "memory"; bytes: number }
  | { work: "disk"; folder: string }
  | { work: "drain" }
  | { work: "flood"; port: number };

/** Arithmetic between two looks at anything else, a few milliseconds. */
const STEPS = 1_000_000;

/** Steps through memory, in words of 4 bytes: each cache line in order, then with a page and a line between two. */
const STRIDES = [16, 1040];
/** A cache line, words. */
const LINE = 16;

/** How much is written to disk before it is read again, in pieces, and how much of it may wait in memory, bytes. */
const FILE_BYTES = 64 * 1024 * 1024;
const PIECE_BYTES = 1024 * 1024;
const SYNC_BYTES = 4 * PIECE_BYTES;

const LOOPBACK = "127.0.0.1";
/** The flood, datagrams a millisecond: a core can still receive them, and does little else. */
const FLOOD_PER_MS = 50;
/** After a pause no more than so many at once, as the next pause would come of it. */
const FLOOD_BURST = 4 * FLOOD_PER_MS;
/** UDP payload, bytes. */
const FLOOD_LENGTH = 72;

function say(what: unknown = null): void {
  parentPort!.postMessage(what);
}

function compute(): never {
  // Kept, so that no compiler leaves the work out.
  const kept = Float64Array.of(1, 0.3);
  for (let round = 0; ; round += 1) {
    let [word, chaos] = kept as unknown as [number, number];
    for (let step = 0; step < STEPS; step += 1) {
      word = (Math.imul(word, 1_664_525) + 1_013_904_223) | 0;
      chaos = 3.99 * chaos * (1 - chaos);
    }
    kept.set([word, chaos]);
    if (round === 0) say();
  }
}

function scrub(bytes: number): never {
  const words = new Uint32Array(Math.floor(bytes / 4));
  const half = words.length >>> 1;
  for (let round = 0; ; round += 1) {
    words.fill(round);
    if (round === 0) say();
    for (const stride of STRIDES) {
      for (let start = 0; start < stride; start += LINE) {
        for (let index = start; index < words.length; index += stride) words[index]! += index;
      }
    }
    words.copyWithin(0, half);
  }
}

function churn(folder: string): never {
  const own = mkdtempSync(join(folder, "i405-load-"));
  let file: number;
  try {
    file = openSync(join(own, "file"), "wx+", 0o600);
  } finally {
    // The name goes at once, the contents with the process: however it ends, nothing stays.
    rmSync(own, { recursive: true, force: true });
  }
  // Random, so that no file system packs it.
  const piece = randomFillSync(Buffer.alloc(PIECE_BYTES));
  for (let round = 0; ; round += 1) {
    for (let at = 0; at < FILE_BYTES; at += PIECE_BYTES) {
      piece.writeUInt32LE(round);
      writeSync(file, piece, 0, PIECE_BYTES, at);
      if ((at + PIECE_BYTES) % SYNC_BYTES !== 0) continue;
      fsyncSync(file);
      if (round === 0 && at < SYNC_BYTES) say();
    }
    for (let at = 0; at < FILE_BYTES; at += PIECE_BYTES) readSync(file, piece, 0, PIECE_BYTES, at);
  }
}

function drain(): void {
  const socket = createSocket("udp4", () => undefined);
  socket.bind(0, LOOPBACK, () => say(socket.address().port));
}

function flood(port: number): void {
  const socket = createSocket("udp4");
  const datagram = Buffer.alloc(FLOOD_LENGTH);
  socket.connect(port, LOOPBACK, () => {
    let lastMs = performance.now();
    setInterval(() => {
      const nowMs = performance.now();
      const due = Math.min(FLOOD_BURST, Math.round((nowMs - lastMs) * FLOOD_PER_MS));
      lastMs = nowMs;
      for (let sent = 0; sent < due; sent += 1) socket.send(datagram);
    }, 1);
    say();
  });
}

const task = workerData as Task;
switch (task.work) {
  case "cpu":
    compute();
    break;
  case "memory":
    scrub(task.bytes);
    break;
  case "disk":
    churn(task.folder);
    break;
  case "drain":
    drain();
    break;
  case "flood":
    flood(task.port);
    break;
}
