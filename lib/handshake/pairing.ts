/**
 * What two ends share before they talk (docs/protocol.md, "Handshake and sessions"): the wrap and header-protection
 * keys of handshake datagrams, and what Noise needs. It comes from static keys, which is recommended, or from a
 * password.
 */
import { scrypt } from "node:crypto";
import { I405Error, optionError } from "../common/errors.js";
import { copyOut, moveOut, Secret, zero } from "../common/secrets.js";
import type { NativePairing, Role } from "../native/options.js";
import { hkdfExpand, hkdfExtract } from "./hkdf.js";
import { KEY_LENGTH, parseKey } from "./keys.js";
import { dh, keyPair } from "./noise/suite.js";

/** Wrap and mask keys of handshake datagrams, 32 bytes each. */
export interface WrapKeys {
  readonly wrapUp: Uint8Array;
  readonly wrapDown: Uint8Array;
  readonly maskUp: Uint8Array;
  readonly maskDown: Uint8Array;
}

/** What the Noise handshake of this pairing takes. */
export type PairingNoise =
  | {
      readonly pattern: "IKpsk2";
      readonly psk: Uint8Array;
      readonly staticPrivateKey: Uint8Array;
      readonly peerPublicKey: Uint8Array;
    }
  | { readonly pattern: "NNpsk0"; readonly psk: Uint8Array };

/** Static keys in WireGuard's format. */
export interface PairingKeys {
  privateKey: string;
  peerPublicKey: string;
  presharedKey?: string | undefined;
}

/**
 * scrypt's cost: 128 MiB and about half a second for each guess, and once per tunnel for the password's owner. It is
 * the protocol's, so that both ends get the same key.
 */
const SCRYPT = { N: 2 ** 17, r: 8, p: 1 };
/** Node's limit is 32 MiB by default. scrypt needs 128 N r bytes and a little for its blocks. */
const SCRYPT_MAXMEM = 128 * SCRYPT.N * SCRYPT.r + 1024 * 1024;
const PAIRING_LABEL = "i405 pairing";
const PASSWORD_SALT = "i405 password";
const NO_SUFFIX = new Uint8Array(0);

/** One pairing's keys, for as long as its tunnel is open. */
export class Pairing extends Secret {
  readonly wrap: WrapKeys;
  readonly noise: PairingNoise;

  /** @internal Use {@link pairingFromKeys} or {@link pairingFromPassword}. */
  constructor(wrap: WrapKeys, noise: PairingNoise) {
    super();
    this.wrap = wrap;
    this.noise = noise;
  }

  /** Copies of the wrap keys as the addon takes them: by what this end sends and receives. */
  forRole(role: Role): NativePairing {
    const { wrapUp, wrapDown, maskUp, maskDown } = this.wrap;
    const client = role === "client";
    return {
      sendWrap: copyOut(client ? wrapUp : wrapDown),
      sendMask: copyOut(client ? maskUp : maskDown),
      receiveWrap: copyOut(client ? wrapDown : wrapUp),
      receiveMask: copyOut(client ? maskDown : maskUp),
    };
  }

  destroy(): void {
    const { wrapUp, wrapDown, maskUp, maskDown } = this.wrap;
    zero(wrapUp, wrapDown, maskUp, maskDown, this.noise.psk);
    if (this.noise.pattern === "IKpsk2") zero(this.noise.staticPrivateKey);
  }
}

/**
 * The pairing of two static keys: Extract("i405 pairing", X25519(client, server static) | psk or zeros | client | server
 * public key).
 * @param role Whose private key it is.
 * @throws {I405Error} `ERR_I405_KEY`, naming `key.privateKey`, `key.peerPublicKey` or `key.presharedKey`.
 */
export function pairingFromKeys(role: Role, keys: PairingKeys): Pairing {
  const staticPrivateKey = parseKey("key.privateKey", keys.privateKey);
  const peerPublicKey = parseKey("key.peerPublicKey", keys.peerPublicKey);
  const psk =
    keys.presharedKey === undefined ? new Uint8Array(KEY_LENGTH) : parseKey("key.presharedKey", keys.presharedKey);
  const own = keyPair(staticPrivateKey);
  zero(own.privateKey);
  if (Buffer.compare(own.publicKey, peerPublicKey) === 0) {
    throw peerKeyError("this end's own public key", "the other end's public key");
  }
  let shared: Uint8Array;
  try {
    shared = dh(staticPrivateKey, peerPublicKey);
  } catch (cause) {
    throw peerKeyError("a point of small order", "a generated public key", cause);
  }
  const [client, server] = role === "client" ? [own.publicKey, peerPublicKey] : [peerPublicKey, own.publicKey];
  const root = hkdfExtract(PAIRING_LABEL, shared, psk, client, server);
  const wrap = wrapKeys(root);
  zero(shared, root);
  return new Pairing(wrap, { pattern: "IKpsk2", psk, staticPrivateKey, peerPublicKey });
}

/**
 * The pairing of a password: Extract("i405 pairing", scrypt(password in NFC)). scrypt runs on Node's thread pool.
 * @param password As `readPassword` gives it.
 */
export async function pairingFromPassword(password: string): Promise<Pairing> {
  const stretched = await stretch(password);
  const root = hkdfExtract(PAIRING_LABEL, stretched);
  const wrap = wrapKeys(root);
  const psk = hkdfExpand(root, "i405 noise psk", NO_SUFFIX, KEY_LENGTH);
  zero(stretched, root);
  return new Pairing(wrap, { pattern: "NNpsk0", psk });
}

function stretch(password: string): Promise<Uint8Array> {
  const bytes = Buffer.from(password.normalize("NFC"), "utf8");
  return new Promise((resolve, reject) => {
    scrypt(bytes, PASSWORD_SALT, KEY_LENGTH, { ...SCRYPT, maxmem: SCRYPT_MAXMEM }, (cause, key) => {
      zero(bytes);
      if (cause === null) resolve(moveOut(key));
      else
        reject(
          new I405Error("ERR_I405_KEY", `password: scrypt failed: ${cause.message}`, { option: "password", cause }),
        );
    });
  });
}

function wrapKeys(root: Uint8Array): WrapKeys {
  const key = (label: string): Uint8Array => hkdfExpand(root, label, NO_SUFFIX, KEY_LENGTH);
  return {
    wrapUp: key("i405 wrap up"),
    wrapDown: key("i405 wrap down"),
    maskUp: key("i405 mask up"),
    maskDown: key("i405 mask down"),
  };
}

function peerKeyError(came: string, expected: string, cause?: unknown): I405Error {
  return optionError({
    option: "key.peerPublicKey",
    came,
    expected,
    remedy: "`i405 pubkey` prints it from the other end's private key",
    code: "ERR_I405_KEY",
    cause,
  });
}
