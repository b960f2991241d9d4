/**
 * The rekey from either end, as whole Noise messages in and out (docs/protocol.md, "Rekey"). They travel in control
 * blocks under the session that they replace. Pattern, psk, AEAD and settings stay the same, and there is no payload.
 *
 *     client   RekeyInitiation: `message` -> ... -> `readResponse` gives the keys
 *     server   answerRekey: the response's bytes and the keys
 */
import { concatBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { Secret, zero } from "../common/secrets.js";
import type { HandshakeState } from "./noise/handshakestate.js";
import { authenticationError, DHLEN, TAGLEN } from "./noise/suite.js";
import { noiseState, requirePeer } from "./pairing-noise.js";
import type { Pairing } from "./pairing.js";
import { deriveSessionKeys, type SessionKeys, type SessionRoot } from "./session-keys.js";

const REKEY_PROLOGUE = "i405/1 rekey";

/** Bytes of a rekey initiation, by the pairing's Noise pattern. */
export const REKEY_INITIATION_LENGTHS = { IKpsk2: DHLEN + DHLEN + TAGLEN + TAGLEN, NNpsk0: DHLEN + TAGLEN } as const;
/** Bytes of a rekey response. */
export const REKEY_RESPONSE_LENGTH = DHLEN + TAGLEN;

const NO_PAYLOAD = new Uint8Array(0);

/** A client's rekey: one initiation, until its response or {@link destroy}. */
export class RekeyInitiation extends Secret {
  /** Made once; every copy carries these bytes. */
  readonly message: Uint8Array;
  readonly #noise: HandshakeState;
  /** The session's that is to be replaced; it stays its owner's. */
  readonly #root: SessionRoot;

  /** @param ephemeralPrivateKey 32 bytes that tests give and everybody else leaves out. */
  constructor(pairing: Pairing, root: SessionRoot, ephemeralPrivateKey?: Uint8Array) {
    super();
    this.#root = root;
    this.#noise = noiseState(pairing, "initiator", rekeyPrologue(root), ephemeralPrivateKey);
    this.message = this.#noise.writeMessage(NO_PAYLOAD);
  }

  /**
   * Gives the new session's keys. A message that doesn't authenticate leaves the rekey as it was. After any other, the
   * rekey is over and zeroed.
   * @throws {I405Error} `ERR_I405_HANDSHAKE`
   */
  readResponse(message: Uint8Array): SessionKeys {
    if (message.length !== REKEY_RESPONSE_LENGTH) throw authenticationError();
    this.#noise.readMessage(message);
    try {
      return rekeyed(this.#noise, this.#root);
    } finally {
      this.destroy();
    }
  }

  destroy(): void {
    this.#noise.destroy();
  }
}

/**
 * Answers a rekey initiation that came under the session of this root.
 * @param ephemeralPrivateKey 32 bytes that tests give and everybody else leaves out.
 * @throws {I405Error} `ERR_I405_HANDSHAKE` if it doesn't authenticate as the pairing's client in this session.
 */
export function answerRekey(
  pairing: Pairing,
  root: SessionRoot,
  initiation: Uint8Array,
  ephemeralPrivateKey?: Uint8Array,
): { message: Uint8Array; session: SessionKeys } {
  if (initiation.length !== REKEY_INITIATION_LENGTHS[pairing.noise.pattern]) throw authenticationError();
  const noise = noiseState(pairing, "responder", rekeyPrologue(root), ephemeralPrivateKey);
  try {
    noise.readMessage(initiation);
    requirePeer(pairing, noise);
    const message = noise.writeMessage(NO_PAYLOAD);
    return { message, session: rekeyed(noise, root) };
  } finally {
    noise.destroy();
  }
}

/** "i405/1 rekey" | h of the session whose key carries it, so that a message can't be moved to another session. */
function rekeyPrologue({ handshakeHash }: SessionRoot): Uint8Array {
  return concatBytes(utf8ToBytes(REKEY_PROLOGUE), handshakeHash);
}

function rekeyed(noise: HandshakeState, { aead, chain }: SessionRoot): SessionKeys {
  const [k1, k2] = noise.split();
  try {
    return deriveSessionKeys({ handshakeHash: noise.handshakeHash, k1, k2, kem: null, chain }, aead);
  } finally {
    zero(k1, k2);
  }
}
