/**
 * The fresh handshake from either end, as whole Noise messages in and out. No clock, no state machine, no datagrams:
 * the caller knows stamps and attempts, Rust wraps and fragments.
 *
 *     client   InitiatorHandshake: `message` -> ... -> `readResponse` gives the verdict, and the session keys if accepted
 *     server   ResponderHandshake: made from an initiation; `accept` or `refuse` gives the response
 *
 * ML-KEM-768 rides in the payloads, and its secret joins the session keys after Noise's Split.
 */
import { randomBytes } from "node:crypto";
import { concatBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import { I405Error } from "../common/errors.js";
import { moveOut, Secret, zero } from "../common/secrets.js";
import { AEAD_AES_256_GCM, AEAD_CHACHA20_POLY1305, type AeadId } from "../native/protocol-ids.js";
import type { HandshakeState } from "./noise/handshakestate.js";
import { authenticationError, DHLEN, stateError, TAGLEN } from "./noise/suite.js";
import { noiseState, requirePeer } from "./pairing-noise.js";
import type { Pairing } from "./pairing.js";
import {
  CIPHERTEXT_LENGTH,
  decodeInitiation,
  decodeResponse,
  encodeInitiation,
  encodeResponse,
  INITIATION_PAYLOAD_LENGTH,
  OFFER_AES_256_GCM,
  RESPONSE_PAYLOAD_LENGTH,
  type InitiationSettings,
  type Refusal,
} from "./payloads.js";
import { deriveSessionKeys, type SessionKeys } from "./session-keys.js";

/** Version in the head of every fragment. */
export const PROTOCOL_VERSION = 1;

/** Bytes of an initiation's Noise message, by the pairing's pattern. */
export const INITIATION_LENGTHS = {
  IKpsk2: DHLEN + DHLEN + TAGLEN + INITIATION_PAYLOAD_LENGTH + TAGLEN,
  NNpsk0: DHLEN + INITIATION_PAYLOAD_LENGTH + TAGLEN,
} as const;
/** Bytes of a response's Noise message. */
export const RESPONSE_LENGTH = DHLEN + RESPONSE_PAYLOAD_LENGTH + TAGLEN;

const FRESH_PROLOGUE = "i405/1 fresh";
const STAMP_LENGTH = 6;
const MAX_STAMP = 2 ** 48 - 1;
/** FIPS 203: seed of key generation (d | z), message of encapsulation. */
const KEM_SEED_LENGTH = 64;
const KEM_MESSAGE_LENGTH = 32;

/** Randomness that tests give and everybody else leaves out. */
export interface InitiatorRandomness {
  /** 32 bytes. */
  ephemeralPrivateKey?: Uint8Array;
  /** 64 bytes. */
  kemSeed?: Uint8Array;
}
export interface ResponderRandomness {
  /** 32 bytes. */
  ephemeralPrivateKey?: Uint8Array;
  /** 32 bytes. */
  kemMessage?: Uint8Array;
}

/** What a client learns from a response. */
export type ResponseOutcome =
  | { verdict: "accepted"; session: SessionKeys }
  /** `limit`: the one that was passed, in bytes, ns or bytes/s after the verdict. */
  | { verdict: Refusal; limit: number };

/** A client's attempt: one initiation, until its response or {@link destroy}. */
export class InitiatorHandshake extends Secret {
  /** The initiation, 1344 or 1296 bytes. Made once; every copy on the wire carries these bytes. */
  readonly message: Uint8Array;
  readonly stamp: number;
  readonly #aeads: number;
  readonly #noise: HandshakeState;
  readonly #decapsulationKey: Uint8Array;

  /** @throws {I405Error} `ERR_I405_OPTION` for settings outside the protocol's bounds. */
  constructor(pairing: Pairing, stamp: number, settings: InitiationSettings, randomness: InitiatorRandomness = {}) {
    super();
    const kemSeed = Uint8Array.from(randomness.kemSeed ?? randomBytes(KEM_SEED_LENGTH));
    const kem = ml_kem768.keygen(kemSeed);
    zero(kemSeed);
    const payload = encodeInitiation(settings, kem.publicKey);
    this.#noise = noiseState(pairing, "initiator", freshPrologue(stamp), randomness.ephemeralPrivateKey);
    this.message = this.#noise.writeMessage(payload);
    this.stamp = stamp;
    this.#aeads = settings.aeads;
    this.#decapsulationKey = kem.secretKey;
  }

  /**
   * Reads the response with this initiation's stamp. A message that doesn't authenticate leaves the attempt as it was.
   * After any other, the attempt is over and zeroed.
   * @throws {I405Error} `ERR_I405_HANDSHAKE` if it doesn't authenticate, `ERR_I405_RESPONSE` if it is genuine and not
   *   acceptable (a verdict or an AEAD that nobody offered).
   */
  readResponse(message: Uint8Array): ResponseOutcome {
    if (message.length !== RESPONSE_LENGTH) throw authenticationError();
    const payload = this.#noise.readMessage(message);
    try {
      const { verdict, aead, limit, ciphertext } = decodeResponse(payload);
      if (verdict !== "accepted") return { verdict, limit };
      if (!offers(this.#aeads, aead)) {
        throw new I405Error("ERR_I405_RESPONSE", "The server chose an AEAD that this client did not offer");
      }
      const kem = moveOut(ml_kem768.decapsulate(ciphertext, this.#decapsulationKey));
      return { verdict, session: sessionKeys(this.#noise, kem, aead) };
    } finally {
      this.destroy();
    }
  }

  destroy(): void {
    this.#noise.destroy();
    zero(this.#decapsulationKey);
  }
}

/** A server's answer to one initiation: read first, then accepted or refused, once. */
export class ResponderHandshake extends Secret {
  /** What the client asks for, clipped to the protocol's bounds. */
  readonly settings: InitiationSettings;
  /** Whether what came made sense; otherwise only `refuse("notUnderstood", 0)` is left. */
  readonly understood: boolean;
  readonly stamp: number;
  readonly #noise: HandshakeState;
  readonly #kem: Encapsulation | null;

  /**
   * Reads an initiation.
   * @throws {I405Error} `ERR_I405_HANDSHAKE` if it doesn't authenticate as the pairing's client with this stamp.
   */
  constructor(pairing: Pairing, stamp: number, message: Uint8Array, randomness: ResponderRandomness = {}) {
    super();
    this.stamp = stamp;
    if (message.length !== INITIATION_LENGTHS[pairing.noise.pattern]) throw authenticationError();
    this.#noise = noiseState(pairing, "responder", freshPrologue(stamp), randomness.ephemeralPrivateKey);
    try {
      const payload = decodeInitiation(this.#noise.readMessage(message));
      requirePeer(pairing, this.#noise);
      this.settings = payload.settings;
      this.#kem = payload.understood ? encapsulate(payload.encapsulationKey, randomness.kemMessage) : null;
      this.understood = this.#kem !== null;
    } catch (error) {
      this.#noise.destroy();
      throw error;
    }
  }

  /** Accepts with one of the AEADs offered; {@link chooseAead} picks it. */
  accept(aead: AeadId): { message: Uint8Array; session: SessionKeys } {
    if (this.#kem === null) throw stateError("An initiation that was not understood can't be accepted");
    if (!offers(this.settings.aeads, aead)) throw stateError("The client did not offer this AEAD");
    const message = this.#write({ verdict: "accepted", aead, limit: 0, ciphertext: this.#kem.cipherText });
    const session = sessionKeys(this.#noise, this.#kem.sharedSecret, aead);
    this.destroy();
    return { message, session };
  }

  /** Refuses: the response's bytes. `limit` is in bytes, ns or bytes/s after the verdict, 0 for `notUnderstood`. */
  refuse(verdict: Refusal, limit: number): Uint8Array {
    const ciphertext = new Uint8Array(CIPHERTEXT_LENGTH);
    const message = this.#write({ verdict, aead: AEAD_CHACHA20_POLY1305, limit, ciphertext });
    this.destroy();
    return message;
  }

  destroy(): void {
    this.#noise.destroy();
    zero(this.#kem?.sharedSecret);
  }

  #write(response: Parameters<typeof encodeResponse>[0]): Uint8Array {
    return this.#noise.writeMessage(encodeResponse(response));
  }
}

/** AES-256-GCM where both ends have it in hardware, else ChaCha20-Poly1305. Both arguments are bits as offered. */
export function chooseAead(offered: number, own: number): AeadId {
  return (offered & own & OFFER_AES_256_GCM) !== 0 ? AEAD_AES_256_GCM : AEAD_CHACHA20_POLY1305;
}

/** "i405/1 fresh" | stamp, so that a message can't be moved to another stamp. */
export function freshPrologue(stamp: number): Uint8Array {
  if (!Number.isInteger(stamp) || stamp < 0 || stamp > MAX_STAMP) {
    throw stateError("A stamp is a whole number of milliseconds, 48 bits");
  }
  const bytes = Buffer.alloc(STAMP_LENGTH);
  bytes.writeUIntBE(stamp, 0, STAMP_LENGTH);
  return concatBytes(utf8ToBytes(FRESH_PROLOGUE), bytes);
}

type Encapsulation = ReturnType<typeof ml_kem768.encapsulate>;

/** Null for an encapsulation key that FIPS 203's check (section 7.2) refuses. */
function encapsulate(encapsulationKey: Uint8Array, given: Uint8Array | undefined): Encapsulation | null {
  const message = Uint8Array.from(given ?? randomBytes(KEM_MESSAGE_LENGTH));
  try {
    const { cipherText, sharedSecret } = ml_kem768.encapsulate(encapsulationKey, message);
    return { cipherText, sharedSecret: moveOut(sharedSecret) };
  } catch {
    return null;
  } finally {
    zero(message);
  }
}

/** The session's keys from a finished handshake; zeroes what they came from. */
function sessionKeys(noise: HandshakeState, kem: Uint8Array, aead: AeadId): SessionKeys {
  const [k1, k2] = noise.split();
  try {
    return deriveSessionKeys({ handshakeHash: noise.handshakeHash, k1, k2, kem, chain: null }, aead);
  } finally {
    zero(k1, k2, kem);
  }
}

function offers(aeads: number, aead: AeadId): boolean {
  return (aeads & (1 << aead)) !== 0;
}
