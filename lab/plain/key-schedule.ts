/** The key schedule, line by line as docs/protocol.md has it ("Handshake and sessions"). */
import { expand, extract, scrypt, x25519, x25519Public } from "./primitives.js";

const ZEROS = Buffer.alloc(32);

export interface PlainPairing {
  wrapUp: Buffer;
  wrapDown: Buffer;
  maskUp: Buffer;
  maskDown: Buffer;
  noisePsk: Buffer;
}

/** Extract(salt "i405 pairing", X25519(client, server static) | psk or zeros | client | server public key) */
export function pairingOfKeys(clientPrivate: Buffer, serverPrivate: Buffer, psk: Buffer | null): PlainPairing {
  const client = x25519Public(clientPrivate);
  const server = x25519Public(serverPrivate);
  const input = Buffer.concat([x25519(clientPrivate, server), psk ?? ZEROS, client, server]);
  return expandPairing(extract(Buffer.from("i405 pairing"), input));
}

/** Extract("i405 pairing", scrypt(password in NFC, salt "i405 password", N 2^17, r 8, p 1, 32 bytes)) */
export function pairingOfPassword(password: string): PlainPairing {
  return expandPairing(extract(Buffer.from("i405 pairing"), scrypt(password)));
}

/** Expand, 32 each: "i405 wrap up|down", "i405 mask up|down", and for NNpsk0's psk "i405 noise psk" */
function expandPairing(prk: Buffer): PlainPairing {
  return {
    wrapUp: expand(prk, Buffer.from("i405 wrap up"), 32),
    wrapDown: expand(prk, Buffer.from("i405 wrap down"), 32),
    maskUp: expand(prk, Buffer.from("i405 mask up"), 32),
    maskDown: expand(prk, Buffer.from("i405 mask down"), 32),
    noisePsk: expand(prk, Buffer.from("i405 noise psk"), 32),
  };
}

export interface PlainSession {
  up: { key: Buffer; iv: Buffer; mask: Buffer };
  down: { key: Buffer; iv: Buffer; mask: Buffer };
  chain: Buffer;
}

/**
 * Extract(salt h, k1 | k2 | kem | chain); kem: zeros in a rekey; chain: zeros in a fresh handshake. Expand, info = label |
 * AEAD id (1 byte): "i405 key up|down" 32, "i405 iv up|down" 12, "i405 mask up|down" 32, "i405 chain" 32
 */
export function sessionOf(
  h: Uint8Array,
  k1: Uint8Array,
  k2: Uint8Array,
  kem: Uint8Array | null,
  chain: Uint8Array | null,
  aeadId: number,
): PlainSession {
  const prk = extract(h, Buffer.concat([k1, k2, kem ?? ZEROS, chain ?? ZEROS]));
  const info = (label: string) => Buffer.concat([Buffer.from(label), Buffer.from([aeadId])]);
  return {
    up: {
      key: expand(prk, info("i405 key up"), 32),
      iv: expand(prk, info("i405 iv up"), 12),
      mask: expand(prk, info("i405 mask up"), 32),
    },
    down: {
      key: expand(prk, info("i405 key down"), 32),
      iv: expand(prk, info("i405 iv down"), 12),
      mask: expand(prk, info("i405 mask down"), 32),
    },
    chain: expand(prk, info("i405 chain"), 32),
  };
}
