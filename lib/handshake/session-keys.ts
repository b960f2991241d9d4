/**
 * The keys of one session (docs/protocol.md, "Handshake and sessions"):
 *
 *     Extract(salt h, k1 | k2 | kem | chain), then Expand with label | AEAD id
 *
 * h is the handshake hash, k1 and k2 come from Noise's Split, kem is the ML-KEM-768 secret of a fresh handshake, chain
 * comes from the session that a rekey replaces.
 */
import { describe, optionError } from "../common/errors.js";
import { copyOut, requireBytes, Secret, zero } from "../common/secrets.js";
import type { Role } from "../native/options.js";
import { AEAD_AES_256_GCM, AEAD_CHACHA20_POLY1305, type AeadId } from "../native/protocol-ids.js";
import type { NativeDirectionKeys } from "../native/tunnel.js";
import { hkdfExpand, hkdfExtract } from "./hkdf.js";

/** Bytes of each secret that goes in, and of the chain. */
const SECRET_LENGTH = 32;
const KEY_LENGTH = 32;
const IV_LENGTH = 12;
const MASK_LENGTH = 32;

/** Key, nonce base and header-protection key of one direction. */
export type DirectionKeys = NativeDirectionKeys;

export interface SessionSecrets {
  /** h, of the finished handshake. */
  handshakeHash: Uint8Array;
  /** First key of Split: the initiator's. */
  k1: Uint8Array;
  /** Second key of Split: the responder's. */
  k2: Uint8Array;
  /** ML-KEM-768's shared secret; null in a rekey. */
  kem: Uint8Array | null;
  /** The replaced session's chain; null in a fresh handshake. */
  chain: Uint8Array | null;
}

/** What stays of a session's keys until it is replaced. A rekey starts from it, and no datagram opens under it. */
export class SessionRoot extends Secret {
  readonly aead: AeadId;
  readonly chain: Uint8Array;
  /** Not a secret. */
  readonly handshakeHash: Uint8Array;

  /** Copies both. */
  constructor(aead: AeadId, chain: Uint8Array, handshakeHash: Uint8Array) {
    super();
    this.aead = aead;
    this.chain = copyOut(chain);
    this.handshakeHash = Uint8Array.from(handshakeHash);
  }

  destroy(): void {
    zero(this.chain);
  }
}

/** One session's keys. */
export class SessionKeys extends Secret {
  readonly aead: AeadId;
  /** Client to server. */
  readonly up: DirectionKeys;
  /** Server to client. */
  readonly down: DirectionKeys;
  /** Goes into the session that a rekey puts in this one's place. */
  readonly chain: Uint8Array;
  /** It is not a secret. A rekey's prologue names the session by it. */
  readonly handshakeHash: Uint8Array;

  /** @internal Use {@link deriveSessionKeys}. */
  constructor(aead: AeadId, up: DirectionKeys, down: DirectionKeys, chain: Uint8Array, handshakeHash: Uint8Array) {
    super();
    this.aead = aead;
    this.up = up;
    this.down = down;
    this.chain = chain;
    this.handshakeHash = handshakeHash;
  }

  /** The two directions as this end uses them. */
  forRole(role: Role): { send: DirectionKeys; receive: DirectionKeys } {
    return role === "client" ? { send: this.up, receive: this.down } : { send: this.down, receive: this.up };
  }

  /** Lives on when the keys are destroyed. */
  root(): SessionRoot {
    return new SessionRoot(this.aead, this.chain, this.handshakeHash);
  }

  destroy(): void {
    for (const { key, iv, mask } of [this.up, this.down]) zero(key, iv, mask);
    zero(this.chain);
  }
}

/**
 * Derives a session's keys. What goes in stays the caller's, to be zeroed there.
 * @throws {I405Error} `ERR_I405_KEY` for a secret that isn't 32 bytes, naming it.
 */
export function deriveSessionKeys(secrets: SessionSecrets, aead: AeadId): SessionKeys {
  const { handshakeHash, k1, k2, kem, chain } = secrets;
  requireBytes("handshakeHash", handshakeHash, SECRET_LENGTH);
  requireBytes("k1", k1, SECRET_LENGTH);
  requireBytes("k2", k2, SECRET_LENGTH);
  if (kem !== null) requireBytes("kem", kem, SECRET_LENGTH);
  if (chain !== null) requireBytes("chain", chain, SECRET_LENGTH);
  requireAead(aead);

  const absent = new Uint8Array(SECRET_LENGTH);
  const root = hkdfExtract(handshakeHash, k1, k2, kem ?? absent, chain ?? absent);
  const suffix = Uint8Array.of(aead);
  const direction = (name: "up" | "down"): DirectionKeys => ({
    key: hkdfExpand(root, `i405 key ${name}`, suffix, KEY_LENGTH),
    iv: hkdfExpand(root, `i405 iv ${name}`, suffix, IV_LENGTH),
    mask: hkdfExpand(root, `i405 mask ${name}`, suffix, MASK_LENGTH),
  });
  const nextChain = hkdfExpand(root, "i405 chain", suffix, SECRET_LENGTH);
  const keys = new SessionKeys(aead, direction("up"), direction("down"), nextChain, Uint8Array.from(handshakeHash));
  zero(root);
  return keys;
}

function requireAead(aead: unknown): asserts aead is AeadId {
  if (aead === AEAD_CHACHA20_POLY1305 || aead === AEAD_AES_256_GCM) return;
  throw optionError({
    option: "aead",
    came: describe(aead),
    expected: "0 (ChaCha20-Poly1305) or 1 (AES-256-GCM)",
    code: "ERR_I405_KEY",
  });
}
