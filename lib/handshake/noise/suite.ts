/**
 * The functions behind `25519_ChaChaPoly_BLAKE2s` (Noise rev 34 section 12), on bytes that the callers have checked.
 */
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { x25519 } from "@noble/curves/ed25519.js";
import { blake2s } from "@noble/hashes/blake2.js";
import { hmac } from "@noble/hashes/hmac.js";
import { concatBytes } from "@noble/hashes/utils.js";
import { I405Error } from "../../common/errors.js";
import { copyOut, isZero, moveOut, zero } from "../../common/secrets.js";

/** Ending of every protocol name here. */
export const SUITE_NAME = "25519_ChaChaPoly_BLAKE2s";
/** Bytes of a Diffie-Hellman key and result. */
export const DHLEN = 32;
/** Bytes of a hash. */
export const HASHLEN = 32;
/** Bytes of an AEAD key and of a psk. */
export const KEYLEN = 32;
/** Bytes of an AEAD tag. */
export const TAGLEN = 16;
/** Longest Noise message, tags included (section 3). */
export const MAX_MESSAGE_LENGTH = 65_535;

const EMPTY = new Uint8Array(0);

/** Something did not authenticate. Every cause has the same message, so that nobody learns which check failed. */
export function authenticationError(cause?: unknown): I405Error {
  return new I405Error("ERR_I405_HANDSHAKE", "The handshake message does not authenticate", { cause });
}

/** A call that the handshake's state doesn't allow: a mistake of the caller, not of the peer. */
export function stateError(message: string): I405Error {
  return new I405Error("ERR_I405_NOISE", message);
}

/** A key pair of X25519. */
export interface KeyPair {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** The pair of a private key, which is copied. */
export function keyPair(privateKey: Uint8Array): KeyPair {
  const own = copyOut(privateKey);
  return { privateKey: own, publicKey: x25519.getPublicKey(own) };
}

/** A fresh pair. */
export function generateKeyPair(): KeyPair {
  const { secretKey, publicKey } = x25519.keygen();
  return { privateKey: moveOut(secretKey), publicKey };
}

/**
 * DH(private, public). A result of zeros, which only a public key of small order gives, is refused.
 * @throws {I405Error} `ERR_I405_HANDSHAKE`
 */
export function dh(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  let shared: Uint8Array;
  try {
    shared = moveOut(x25519.getSharedSecret(privateKey, publicKey));
  } catch (cause) {
    throw authenticationError(cause);
  }
  // Checked here too: whether the library does is its own affair, and everything rests on it.
  if (isZero(shared)) throw authenticationError();
  return shared;
}

/** HASH(data). */
export function hash(...data: Uint8Array[]): Uint8Array {
  return blake2s(concatBytes(...data));
}

/** HKDF(chaining_key, input_key_material) with two or three outputs (section 4.3). */
export function hkdf(chainingKey: Uint8Array, input: Uint8Array, outputs: 2 | 3): Uint8Array[] {
  const tempKey = moveOut(hmac(blake2s, chainingKey, input));
  const results: Uint8Array[] = [];
  let previous: Uint8Array = EMPTY;
  for (let index = 1; index <= outputs; index += 1) {
    const joined = moveOut(concatBytes(previous, Uint8Array.of(index)));
    previous = moveOut(hmac(blake2s, tempKey, joined));
    zero(joined);
    results.push(previous);
  }
  zero(tempKey);
  return results;
}

/** ENCRYPT(k, n, ad, plaintext). */
export function encrypt(key: Uint8Array, nonce: bigint, ad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  return chacha20poly1305(key, nonceBytes(nonce), ad).encrypt(plaintext);
}

/**
 * DECRYPT(k, n, ad, ciphertext).
 * @throws {I405Error} `ERR_I405_HANDSHAKE` if the tag doesn't verify.
 */
export function decrypt(key: Uint8Array, nonce: bigint, ad: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  if (ciphertext.length < TAGLEN) throw authenticationError();
  try {
    return chacha20poly1305(key, nonceBytes(nonce), ad).decrypt(ciphertext);
  } catch (cause) {
    throw authenticationError(cause);
  }
}

/** 32 bits of zeros, then n in little-endian (section 12.3). */
function nonceBytes(nonce: bigint): Uint8Array {
  const bytes = new Uint8Array(12);
  new DataView(bytes.buffer).setBigUint64(4, nonce, true);
  return bytes;
}
