/**
 * The two Noise handshakes of docs/protocol.md, each written out step by step by somebody who knows the secrets of both
 * sides: no state objects, no tokens, no patterns.
 */
import { blake2s, hmacBlake2s, seal, x25519, x25519Public } from "./primitives.js";

export interface Transcript {
  initiation: Buffer;
  response: Buffer;
  h: Buffer;
  k1: Buffer;
  k2: Buffer;
}

export interface Ephemerals {
  client: Uint8Array;
  server: Uint8Array;
}

export interface Payloads {
  initiation: Uint8Array;
  response: Uint8Array;
}

/** Noise HKDF: outputs 1 to `count` of HMAC chained under HMAC(ck, input). */
function hkdf(ck: Buffer, input: Uint8Array, count: number): Buffer[] {
  const temp = hmacBlake2s(ck, input);
  const outputs = [hmacBlake2s(temp, Buffer.from([1]))];
  while (outputs.length < count) {
    outputs.push(hmacBlake2s(temp, outputs[outputs.length - 1]!, Buffer.from([outputs.length + 1])));
  }
  return outputs;
}

/** Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s: -> psk, e; <- e, ee */
export function nnPsk0(prologue: Uint8Array, psk: Uint8Array, e: Ephemerals, payloads: Payloads): Transcript {
  let ck = blake2s(Buffer.from("Noise_NNpsk0_25519_ChaChaPoly_BLAKE2s"));
  let h = blake2s(ck, prologue);
  let k: Buffer;

  // -> psk
  const mixed = hkdf(ck, psk, 3) as [Buffer, Buffer, Buffer];
  h = blake2s(h, mixed[1]);
  [ck, , k] = mixed;
  // -> e
  const clientE = x25519Public(e.client);
  h = blake2s(h, clientE);
  [ck, k] = hkdf(ck, clientE, 2) as [Buffer, Buffer];
  const first = seal(k, 0, h, payloads.initiation);
  h = blake2s(h, first);

  // <- e
  const serverE = x25519Public(e.server);
  h = blake2s(h, serverE);
  [ck, k] = hkdf(ck, serverE, 2) as [Buffer, Buffer];
  // <- ee
  [ck, k] = hkdf(ck, x25519(e.client, serverE), 2) as [Buffer, Buffer];
  const second = seal(k, 0, h, payloads.response);
  h = blake2s(h, second);

  const [k1, k2] = hkdf(ck, Buffer.alloc(0), 2) as [Buffer, Buffer];
  return { initiation: Buffer.concat([clientE, first]), response: Buffer.concat([serverE, second]), h, k1, k2 };
}

/** Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s: <- s ...; -> e, es, s, ss; <- e, ee, se, psk */
export function ikPsk2(
  prologue: Uint8Array,
  statics: Ephemerals,
  psk: Uint8Array,
  e: Ephemerals,
  payloads: Payloads,
): Transcript {
  const clientS = x25519Public(statics.client);
  const serverS = x25519Public(statics.server);
  let ck = blake2s(Buffer.from("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"));
  let h = blake2s(ck, prologue);
  h = blake2s(h, serverS);
  let k: Buffer;

  // -> e, which joins the chaining key in a handshake with a psk
  const clientE = x25519Public(e.client);
  h = blake2s(h, clientE);
  [ck, k] = hkdf(ck, clientE, 2) as [Buffer, Buffer];
  // -> es
  [ck, k] = hkdf(ck, x25519(e.client, serverS), 2) as [Buffer, Buffer];
  // -> s
  const sealedS = seal(k, 0, h, clientS);
  h = blake2s(h, sealedS);
  // -> ss
  [ck, k] = hkdf(ck, x25519(statics.client, serverS), 2) as [Buffer, Buffer];
  const first = seal(k, 0, h, payloads.initiation);
  h = blake2s(h, first);

  // <- e
  const serverE = x25519Public(e.server);
  h = blake2s(h, serverE);
  [ck, k] = hkdf(ck, serverE, 2) as [Buffer, Buffer];
  // <- ee
  [ck, k] = hkdf(ck, x25519(e.client, serverE), 2) as [Buffer, Buffer];
  // <- se
  [ck, k] = hkdf(ck, x25519(statics.client, serverE), 2) as [Buffer, Buffer];
  // <- psk
  const mixed = hkdf(ck, psk, 3) as [Buffer, Buffer, Buffer];
  h = blake2s(h, mixed[1]);
  [ck, , k] = mixed;
  const second = seal(k, 0, h, payloads.response);
  h = blake2s(h, second);

  const [k1, k2] = hkdf(ck, Buffer.alloc(0), 2) as [Buffer, Buffer];
  return {
    initiation: Buffer.concat([clientE, sealedS, first]),
    response: Buffer.concat([serverE, second]),
    h,
    k1,
    k2,
  };
}
