/**
 * The datagrams of docs/protocol.md ("Wire format"), one function per step:
 *
 *     data       0         4                                             n-16      n
 *                | counter | AGGFRAG payload (sealed)                    | tag     |
 *     handshake  0         4         20                                  n-16      n
 *                | zeros   | nonce   | head, fragment, padding (sealed)  | tag     |
 *                  `--- header protection (as QUIC, RFC 9001 section 5.4)
 */
import { createCipheriv, randomBytes } from "node:crypto";
import { aeadOpen, aeadSeal, type AeadName } from "./primitives.js";

export const VERSION = 1;
export const INITIATION = 1;
export const RESPONSE = 2;
export const WRONG_VERSION = 3;

/** AEAD ids as they travel in the response. */
export const CHACHA = 0;
export const AES = 1;

const NAMES: Record<number, AeadName> = { [CHACHA]: "chacha20-poly1305", [AES]: "aes-256-gcm" };
const NO_DATA = Buffer.alloc(0);

/** RFC 9001 section 5.4.4: the sample is the block counter (little-endian) and the nonce, which is OpenSSL's iv. */
export function chachaMask(key: Uint8Array, sample: Uint8Array): Buffer {
  return createCipheriv("chacha20", key, sample).update(Buffer.alloc(5));
}

/** RFC 9001 section 5.4.3: AES-256 of the sample. */
export function aesMask(key: Uint8Array, sample: Uint8Array): Buffer {
  return createCipheriv("aes-256-ecb", key, null).setAutoPadding(false).update(sample).subarray(0, 5);
}

/** Bytes 0..4 XOR the first four mask bytes; sample: bytes 4..20. Its own inverse. */
function protect(datagram: Buffer, aeadId: number, maskKey: Uint8Array): Buffer {
  const sample = datagram.subarray(4, 20);
  const mask = aeadId === AES ? aesMask(maskKey, sample) : chachaMask(maskKey, sample);
  const out = Buffer.from(datagram);
  for (let i = 0; i < 4; i++) out[i]! ^= mask[i]!;
  return out;
}

const SIGMA = Buffer.from("expand 32-byte k");

/**
 * HChaCha20 (draft-irtf-cfrg-xchacha-03 section 2.2) out of one ChaCha20 block: words 0..4 and 12..16 after the rounds,
 * without the last addition of the input words, which is taken back here.
 */
export function hChaCha20(key: Uint8Array, nonce: Uint8Array): Buffer {
  const block = createCipheriv("chacha20", key, nonce).update(Buffer.alloc(64));
  const out = Buffer.alloc(32);
  const input = Buffer.from(nonce);
  for (let i = 0; i < 16; i += 4) {
    out.writeInt32LE((block.readInt32LE(i) - SIGMA.readInt32LE(i)) | 0, i);
    out.writeInt32LE((block.readInt32LE(48 + i) - input.readInt32LE(i)) | 0, 16 + i);
  }
  return out;
}

/** The head of a handshake datagram and the part of the message that it carries. */
export interface Fragment {
  version: number;
  kind: number;
  f: number;
  stamp: number;
  /** n - 44 bytes, zeros past the end of the message. */
  bytes: Buffer;
}

/** Keys of one direction of the pairing. */
export interface WrapKeys {
  wrap: Buffer;
  mask: Buffer;
}

/** XChaCha20-Poly1305, nonce = 16 random bytes | 8 zero bytes: the inner nonce is 12 zeros. */
export function wrap(keys: WrapKeys, n: number, head: Omit<Fragment, "bytes">, message: Uint8Array): Buffer {
  const sealed = Buffer.alloc(n - 36);
  sealed[0] = (head.version << 4) | head.kind;
  sealed[1] = head.f;
  sealed.writeUIntBE(head.stamp, 2, 6);
  sealed.set(message.subarray(head.f * (n - 44), (head.f + 1) * (n - 44)), 8);
  const nonce = randomBytes(16);
  const body = aeadSeal("chacha20-poly1305", hChaCha20(keys.wrap, nonce), Buffer.alloc(12), NO_DATA, sealed);
  return protect(Buffer.concat([Buffer.alloc(4), nonce, body]), CHACHA, keys.mask);
}

/** Null: the header isn't zero under this mask, or the tag doesn't verify. */
export function unwrap(keys: WrapKeys, datagram: Buffer): Fragment | null {
  const clear = protect(datagram, CHACHA, keys.mask);
  if (clear.readUInt32BE(0) !== 0) return null;
  const subkey = hChaCha20(keys.wrap, clear.subarray(4, 20));
  const plain = aeadOpen("chacha20-poly1305", subkey, Buffer.alloc(12), NO_DATA, clear.subarray(20));
  if (plain === null) return null;
  return {
    version: plain[0]! >> 4,
    kind: plain[0]! & 15,
    f: plain[1]!,
    stamp: plain.readUIntBE(2, 6),
    bytes: plain.subarray(8),
  };
}

/** How many slots a message of this many bytes takes. */
export function fragmentCount(bytes: number, n: number): number {
  return Math.ceil(bytes / (n - 44));
}

/** Keys of one direction of a session. */
export interface DataKeys {
  key: Buffer;
  iv: Buffer;
  mask: Buffer;
}

/** AEAD nonce = iv XOR (8 zero bytes | counter). */
function dataNonce(iv: Buffer, counter: number): Buffer {
  const nonce = Buffer.from(iv);
  nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ counter) >>> 0, 8);
  return nonce;
}

export function sealData(keys: DataKeys, aeadId: number, counter: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt32BE(counter);
  const body = aeadSeal(NAMES[aeadId]!, keys.key, dataNonce(keys.iv, counter), NO_DATA, payload);
  return protect(Buffer.concat([header, body]), aeadId, keys.mask);
}

/** The counter and the AGGFRAG payload, or null: not under these keys. */
export function openData(
  keys: DataKeys,
  aeadId: number,
  datagram: Buffer,
): { counter: number; payload: Buffer } | null {
  const clear = protect(datagram, aeadId, keys.mask);
  const counter = clear.readUInt32BE(0);
  if (counter >= 2 ** 28) return null;
  const payload = aeadOpen(NAMES[aeadId]!, keys.key, dataNonce(keys.iv, counter), NO_DATA, clear.subarray(4));
  return payload === null ? null : { counter, payload };
}
