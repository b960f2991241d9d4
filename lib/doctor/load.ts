/** The doctor's own load: a thread for each core that computes and does nothing else. */
import { Worker } from "node:worker_threads";

/** Memory traffic beside arithmetic, in a buffer larger than most second-level caches, 4 MiB. */
const BURN = `
const words = new Uint32Array(1 << 20);
for (let index = 0, word = 1; ; index = (index + 16) & (words.length - 1)) {
  word = (Math.imul(word, 1664525) + words[index] + 1013904223) >>> 0;
  words[index] = word;
}`;

/** How long it takes until every thread has started, ms. */
const START_MS = 200;

/** Runs `work` while every core is busy. */
export async function underLoad<T>(cores: number, work: () => Promise<T>): Promise<T> {
  const workers = Array.from({ length: cores }, () => new Worker(BURN, { eval: true }));
  try {
    await new Promise((resolve) => setTimeout(resolve, START_MS));
    return await work();
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
