/** Noise's symmetric state for the two patterns here, by hand (Noise rev 34 section 5.2). */
import { blake2s, hmacBlake2s, open, seal, x25519, x25519Public } from "./primitives.js";

/** What one end knows for Noise: a psk alone, or static keys as well. */
export interface NoiseSecrets {
  psk: Buffer;
  statics: { own: Buffer; peer: Buffer } | null;
}

/** Each key seals once in these patterns, so its nonce is always 0. */
export class Symmetric {
  #ck: Buffer;
  h: Buffer;
  #k: Buffer = Buffer.alloc(0);

  constructor(secrets: NoiseSecrets, prologue: Buffer) {
    const pattern = secrets.statics === null ? "NNpsk0" : "IKpsk2";
    this.#ck = blake2s(Buffer.from(`Noise_${pattern}_25519_ChaChaPoly_BLAKE2s`));
    this.h = blake2s(this.#ck, prologue);
  }

  mixHash(data: Uint8Array): void {
    this.h = blake2s(this.h, data);
  }

  mixKey(input: Uint8Array): void {
    const temp = hmacBlake2s(this.#ck, input);
    this.#ck = hmacBlake2s(temp, Buffer.from([1]));
    this.#k = hmacBlake2s(temp, this.#ck, Buffer.from([2]));
  }

  mixKeyAndHash(input: Uint8Array): void {
    const temp = hmacBlake2s(this.#ck, input);
    this.#ck = hmacBlake2s(temp, Buffer.from([1]));
    const second = hmacBlake2s(temp, this.#ck, Buffer.from([2]));
    this.mixHash(second);
    this.#k = hmacBlake2s(temp, second, Buffer.from([3]));
  }

  seal(plaintext: Uint8Array): Buffer {
    const sealed = seal(this.#k, 0, this.h, plaintext);
    this.mixHash(sealed);
    return sealed;
  }

  open(sealed: Uint8Array): Buffer {
    const plain = open(this.#k, 0, this.h, sealed);
    if (plain === null) throw new Error("a Noise tag doesn't verify");
    this.mixHash(sealed);
    return plain;
  }

  split(): { k1: Buffer; k2: Buffer } {
    const temp = hmacBlake2s(this.#ck);
    const k1 = hmacBlake2s(temp, Buffer.from([1]));
    return { k1, k2: hmacBlake2s(temp, k1, Buffer.from([2])) };
  }
}

/** The initiator's message of either pattern: e, and for IK es, s, ss. */
export function firstMessage(noise: Symmetric, secrets: NoiseSecrets, ephemeral: Buffer, payload: Buffer): Buffer {
  const { statics, psk } = secrets;
  const e = x25519Public(ephemeral);
  // IK: <- s before the first message. NNpsk0: -> psk first.
  if (statics !== null) noise.mixHash(statics.peer);
  else noise.mixKeyAndHash(psk);
  noise.mixHash(e);
  noise.mixKey(e);
  const parts = [e];
  if (statics !== null) {
    noise.mixKey(x25519(ephemeral, statics.peer));
    parts.push(noise.seal(x25519Public(statics.own)));
    noise.mixKey(x25519(statics.own, statics.peer));
  }
  parts.push(noise.seal(payload));
  return Buffer.concat(parts);
}

/** The initiator reads the responder's message of either pattern (e, ee, and for IK se, psk). Returns its payload. */
export function readSecondMessage(
  noise: Symmetric,
  secrets: NoiseSecrets,
  ephemeral: Buffer,
  response: Buffer,
): Buffer {
  const { statics, psk } = secrets;
  const e = response.subarray(0, 32);
  noise.mixHash(e);
  noise.mixKey(e);
  noise.mixKey(x25519(ephemeral, e));
  if (statics !== null) {
    noise.mixKey(x25519(statics.own, e));
    noise.mixKeyAndHash(psk);
  }
  return noise.open(response.subarray(32));
}
