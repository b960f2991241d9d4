/**
 * The part of a HandshakeState that changes from message to message, and the tokens that change it. It is cloned before
 * each message and replaced afterwards. If a message fails half-way, the whole clone is thrown away.
 */
import { copyOut, Secret, zero } from "../../common/secrets.js";
import type { Token } from "./patterns.js";
import { authenticationError, dh, DHLEN, generateKeyPair, keyPair, stateError, TAGLEN, type KeyPair } from "./suite.js";
import type { SymmetricState } from "./symmetricstate.js";

/** What the tokens need of the part that doesn't change. */
export interface TokenContext {
  readonly initiator: boolean;
  readonly statics: KeyPair | null;
  readonly psks: readonly Uint8Array[];
  readonly givenEphemeral: Uint8Array | null;
}

const NOTHING = new Uint8Array(0);

export class Progress extends Secret {
  symmetric: SymmetricState;
  ephemeral: KeyPair | null = null;
  remoteEphemeral: Uint8Array | null = null;
  remoteStatic: Uint8Array | null;
  /** Messages that have gone through. */
  messages = 0;
  /** psk tokens that have gone through. */
  #psksUsed = 0;

  constructor(symmetric: SymmetricState, remoteStatic: Uint8Array | null) {
    super();
    this.symmetric = symmetric;
    this.remoteStatic = copyOf(remoteStatic);
  }

  /** A token of WriteMessage: the bytes that it adds to the message. */
  write(token: Token, context: TokenContext): Uint8Array {
    if (token === "e") {
      this.ephemeral = context.givenEphemeral === null ? generateKeyPair() : keyPair(context.givenEphemeral);
      this.#mixEphemeral(this.ephemeral.publicKey, context);
      return this.ephemeral.publicKey;
    }
    if (token === "s") return this.symmetric.encryptAndHash(required(context.statics).publicKey);
    this.#mix(token, context);
    return NOTHING;
  }

  /** A token of ReadMessage: how many bytes of the message it takes. */
  read(token: Token, message: Uint8Array, context: TokenContext): number {
    if (token === "e") {
      this.remoteEphemeral = take(message, DHLEN);
      this.#mixEphemeral(this.remoteEphemeral, context);
      return DHLEN;
    }
    if (token === "s") {
      const length = DHLEN + (this.symmetric.hasKey ? TAGLEN : 0);
      this.remoteStatic = this.symmetric.decryptAndHash(take(message, length));
      return length;
    }
    this.#mix(token, context);
    return 0;
  }

  clone(): Progress {
    const copy = new Progress(this.symmetric.clone(), this.remoteStatic);
    if (this.ephemeral !== null) {
      const { privateKey, publicKey } = this.ephemeral;
      copy.ephemeral = { privateKey: copyOut(privateKey), publicKey };
    }
    copy.remoteEphemeral = copyOf(this.remoteEphemeral);
    copy.messages = this.messages;
    copy.#psksUsed = this.#psksUsed;
    return copy;
  }

  destroy(): void {
    this.symmetric.destroy();
    zero(this.ephemeral?.privateKey);
  }

  #mixEphemeral(publicKey: Uint8Array, context: TokenContext): void {
    this.symmetric.mixHash(publicKey);
    // Section 9.2: with a psk, the ephemeral keys go into the chaining key too.
    if (context.psks.length > 0) this.symmetric.mixKey(publicKey);
  }

  #mix(token: Token, { initiator, statics, psks }: TokenContext): void {
    if (token === "psk") {
      this.symmetric.mixKeyAndHash(required(psks[this.#psksUsed]));
      this.#psksUsed += 1;
      return;
    }
    // The first letter is the initiator's key, the second the responder's.
    const ownLetter = initiator ? token[0] : token[1];
    const remoteLetter = initiator ? token[1] : token[0];
    const own = required(ownLetter === "e" ? this.ephemeral : statics);
    const remote = required(remoteLetter === "e" ? this.remoteEphemeral : this.remoteStatic);
    const shared = dh(own.privateKey, remote);
    this.symmetric.mixKey(shared);
    zero(shared);
  }
}

function copyOf(bytes: Uint8Array | null): Uint8Array | null {
  return bytes === null ? null : Uint8Array.from(bytes);
}

function take(message: Uint8Array, length: number): Uint8Array {
  if (message.length < length) throw authenticationError();
  // A copy: `slice` of a Buffer would be a view of memory that the caller may reuse.
  return new Uint8Array(message.subarray(0, length));
}

function required<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw stateError("The Noise pattern uses a key that isn't there");
  return value;
}
