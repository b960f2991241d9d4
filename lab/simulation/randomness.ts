/** Randomness from a seed in the place of the system's, for the whole process, so that a run can be repeated. */
import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";

/** Keystream made at once, bytes. */
const BLOCK = 4096;

/**
 * AES-256 in counter mode under a hash of the seed.
 *
 * @returns what fills a buffer.
 */
function generator(seed: string): (bytes: Uint8Array) => void {
  const key = crypto.createHash("sha256").update(seed).digest();
  const cipher = crypto.createCipheriv("aes-256-ctr", key, Buffer.alloc(16));
  const zeros = Buffer.alloc(BLOCK);
  let block = Buffer.alloc(0);
  return (bytes) => {
    for (let filled = 0; filled < bytes.length;) {
      if (block.length === 0) block = cipher.update(zeros);
      const part = block.subarray(0, bytes.length - filled);
      bytes.set(part, filled);
      filled += part.length;
      block = block.subarray(part.length);
    }
  };
}

/**
 * Replaces `randomBytes` and `randomInt` of `node:crypto` and `getRandomValues` of Web Crypto: what the handshake and the libraries
 * under it draw from. Nothing in a process may need secrets while this lasts.
 *
 * @returns what puts the system's back.
 */
export function seedRandomness(seed: string): () => void {
  const fill = generator(seed);
  const { randomBytes, randomInt } = crypto;
  const seeded = (length: number): Buffer => {
    const bytes = Buffer.alloc(length);
    fill(bytes);
    return bytes;
  };
  crypto.randomBytes = seeded as typeof crypto.randomBytes;
  // Bounds are far below 2^48, so that the bias is nothing that a test could see.
  crypto.randomInt = (bound: number) => seeded(6).readUIntBE(0, 6) % bound;
  syncBuiltinESMExports();
  const getRandomValues = (into: Uint8Array): Uint8Array => {
    fill(into);
    return into;
  };
  Object.defineProperty(globalThis.crypto, "getRandomValues", { value: getRandomValues, configurable: true });
  return () => {
    crypto.randomBytes = randomBytes;
    crypto.randomInt = randomInt;
    syncBuiltinESMExports();
    // The one of the prototype shows again.
    Reflect.deleteProperty(globalThis.crypto, "getRandomValues");
  };
}
