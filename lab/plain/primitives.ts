/**
 * The primitives of docs/protocol.md from node:crypto, put together by hand. Nothing under lab/plain imports from lib/:
 * it is the second opinion on the key schedule.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  scryptSync,
} from "node:crypto";

const PKCS8_X25519 = Buffer.from("302e020100300506032b656e04220420", "hex");
const SPKI_X25519 = Buffer.from("302a300506032b656e032100", "hex");

export function blake2s(...parts: Uint8Array[]): Buffer {
  return createHash("blake2s256").update(Buffer.concat(parts)).digest();
}

export function hmacBlake2s(key: Uint8Array, ...parts: Uint8Array[]): Buffer {
  return createHmac("blake2s256", key).update(Buffer.concat(parts)).digest();
}

/** RFC 5869 section 2.2. */
export function extract(salt: Uint8Array, input: Uint8Array): Buffer {
  return hmacBlake2s(salt, input);
}

/** RFC 5869 section 2.3, for at most 32 bytes: T(1) = HMAC(PRK, info | 0x01). */
export function expand(prk: Uint8Array, info: Uint8Array, length: number): Buffer {
  return hmacBlake2s(prk, info, Buffer.from([1])).subarray(0, length);
}

export function x25519(privateKey: Uint8Array, publicKey: Uint8Array): Buffer {
  return diffieHellman({
    privateKey: createPrivateKey({ key: Buffer.concat([PKCS8_X25519, privateKey]), format: "der", type: "pkcs8" }),
    publicKey: createPublicKey({ key: Buffer.concat([SPKI_X25519, publicKey]), format: "der", type: "spki" }),
  });
}

export function x25519Public(privateKey: Uint8Array): Buffer {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_X25519, privateKey]), format: "der", type: "pkcs8" });
  return createPublicKey(key).export({ format: "der", type: "spki" }).subarray(SPKI_X25519.length);
}

export type AeadName = "chacha20-poly1305" | "aes-256-gcm";

/** Ciphertext | tag (16). */
export function aeadSeal(
  name: AeadName,
  key: Uint8Array,
  nonce: Uint8Array,
  ad: Uint8Array,
  plaintext: Uint8Array,
): Buffer {
  // Both names take the same options; only the overloads of Node's types differ.
  const cipher = createCipheriv(name as "chacha20-poly1305", key, nonce, { authTagLength: 16 });
  cipher.setAAD(ad, { plaintextLength: plaintext.length });
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** The plaintext, or null if the tag doesn't verify. */
export function aeadOpen(
  name: AeadName,
  key: Uint8Array,
  nonce: Uint8Array,
  ad: Uint8Array,
  sealed: Uint8Array,
): Buffer | null {
  const end = sealed.length - 16;
  const decipher = createDecipheriv(name as "chacha20-poly1305", key, nonce, { authTagLength: 16 });
  decipher.setAAD(ad, { plaintextLength: end });
  decipher.setAuthTag(sealed.subarray(end));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, end)), decipher.final()]);
  } catch {
    return null;
  }
}

/** Noise's nonce: 4 zeros and n in little-endian. */
function noiseNonce(n: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32LE(n, 4);
  return nonce;
}

/** ChaCha20-Poly1305 as Noise uses it. */
export function seal(key: Uint8Array, n: number, ad: Uint8Array, plaintext: Uint8Array): Buffer {
  return aeadSeal("chacha20-poly1305", key, noiseNonce(n), ad, plaintext);
}

export function open(key: Uint8Array, n: number, ad: Uint8Array, sealed: Uint8Array): Buffer | null {
  return aeadOpen("chacha20-poly1305", key, noiseNonce(n), ad, sealed);
}

export function scrypt(password: string): Buffer {
  return scryptSync(Buffer.from(password.normalize("NFC")), "i405 password", 32, {
    N: 131072,
    r: 8,
    p: 1,
    maxmem: 256 * 1024 * 1024,
  });
}
