/**
 * HandshakeState (Noise rev 34 section 5.3).
 *
 * 1. `new HandshakeState` hashes protocol name, prologue and the static keys that are known beforehand.
 * 2. `writeMessage` and `readMessage` take turns. Each works on a copy of everything that changes, and the copy takes
 *    the state's place only when the whole message has gone through: a forged message leaves no trace.
 * 3. After the last message `split` or `transport` gives the keys, and `destroy` zeroes the rest.
 */
import { concatBytes } from "@noble/hashes/utils.js";
import { copyOut, requireBytes, Secret, zero } from "../../common/secrets.js";
import { CipherState } from "./cipherstate.js";
import { handshakePattern, protocolName, staticKeys, type HandshakePattern } from "./patterns.js";
import { Progress } from "./progress.js";
import { DHLEN, keyPair, KEYLEN, MAX_MESSAGE_LENGTH, stateError, type KeyPair } from "./suite.js";
import { SymmetricState } from "./symmetricstate.js";

export interface HandshakeOptions {
  /** Name with modifiers, `IKpsk2`. */
  pattern: string;
  role: "initiator" | "responder";
  /** What both sides must agree on, sent or not. Default: empty. */
  prologue?: Uint8Array;
  /** Own static private key, where the pattern has one. */
  staticPrivateKey?: Uint8Array;
  /** The other side's static public key, where the pattern needs it beforehand. */
  remoteStaticPublicKey?: Uint8Array;
  /** One for each psk modifier, in the order of their tokens. */
  psks?: readonly Uint8Array[];
  /** For tests: the ephemeral private key. Default: a fresh one, as everything outside tests needs. */
  ephemeralPrivateKey?: Uint8Array;
}

export class HandshakeState extends Secret {
  readonly #pattern: HandshakePattern;
  readonly #initiator: boolean;
  readonly #statics: KeyPair | null;
  readonly #psks: readonly Uint8Array[];
  readonly #givenEphemeral: Uint8Array | null;
  #progress: Progress;
  #destroyed = false;

  /**
   * Initialize(handshake_pattern, initiator, prologue, s, e, rs, re). Keys are copied.
   * @throws {I405Error} `ERR_I405_KEY` for a key that is missing, superfluous or of another length.
   */
  constructor(options: HandshakeOptions) {
    super();
    this.#pattern = handshakePattern(options.pattern);
    this.#initiator = options.role === "initiator";
    const { preMessages } = this.#pattern;
    const needed = staticKeys(this.#pattern, this.#initiator);
    const own = requireKey("staticPrivateKey", options.staticPrivateKey, needed.own);
    const remote = requireKey("remoteStaticPublicKey", options.remoteStaticPublicKey, needed.remote);
    const ephemeral = options.ephemeralPrivateKey ?? null;
    if (ephemeral !== null) requireBytes("ephemeralPrivateKey", ephemeral, DHLEN);
    const psks = options.psks ?? [];
    if (psks.length !== this.#pattern.psks) {
      throw stateError(`The Noise pattern ${options.pattern} takes ${this.#pattern.psks} psks, not ${psks.length}`);
    }
    for (const [index, psk] of psks.entries()) requireBytes(`psks[${index}]`, psk, KEYLEN);

    this.#psks = psks.map((psk) => copyOut(psk));
    this.#statics = own === null ? null : keyPair(own);
    this.#givenEphemeral = ephemeral === null ? null : copyOut(ephemeral);
    const symmetric = SymmetricState.initialize(protocolName(this.#pattern));
    symmetric.mixHash(options.prologue ?? new Uint8Array(0));
    const initiatorStatic = this.#initiator ? this.#statics?.publicKey : remote;
    const responderStatic = this.#initiator ? remote : this.#statics?.publicKey;
    if (preMessages.initiator) symmetric.mixHash(initiatorStatic!);
    if (preMessages.responder) symmetric.mixHash(responderStatic!);
    this.#progress = new Progress(symmetric, remote);
  }

  /** Whether all messages have gone through. */
  get finished(): boolean {
    return this.#progress.messages === this.#pattern.messages.length;
  }

  /** The other side's static public key, once it is known. A copy. */
  get remoteStatic(): Uint8Array | null {
    const { remoteStatic } = this.#progress;
    return remoteStatic === null ? null : Uint8Array.from(remoteStatic);
  }

  /** GetHandshakeHash(), final once {@link finished}. */
  get handshakeHash(): Uint8Array {
    return this.#progress.symmetric.handshakeHash();
  }

  /** WriteMessage(payload). */
  writeMessage(payload: Uint8Array = new Uint8Array(0)): Uint8Array {
    return this.#step(true, (draft, tokens) => {
      const context = this.#context();
      const parts = tokens.map((token) => draft.write(token, context));
      const message = concatBytes(...parts, draft.symmetric.encryptAndHash(payload));
      if (message.length > MAX_MESSAGE_LENGTH) throw stateError("A Noise message has at most 65535 bytes");
      return message;
    });
  }

  /**
   * ReadMessage(message), which returns the payload.
   * @throws {I405Error} `ERR_I405_HANDSHAKE` if the message doesn't authenticate; the state is then as before.
   */
  readMessage(message: Uint8Array): Uint8Array {
    return this.#step(false, (draft, tokens) => {
      const context = this.#context();
      let rest = message;
      for (const token of tokens) rest = rest.subarray(draft.read(token, rest, context));
      return draft.symmetric.decryptAndHash(rest);
    });
  }

  /** Split(), as the two keys: the initiator's sending key first. */
  split(): [initiatorKey: Uint8Array, responderKey: Uint8Array] {
    this.#refuseIfDestroyed();
    if (!this.finished) throw stateError("The Noise handshake isn't finished");
    return this.#progress.symmetric.split();
  }

  /** Split(), as this side's two cipher states. */
  transport(): { send: CipherState; receive: CipherState } {
    const [initiatorKey, responderKey] = this.split();
    const first = new CipherState(initiatorKey);
    const second = new CipherState(responderKey);
    zero(initiatorKey, responderKey);
    return this.#initiator ? { send: first, receive: second } : { send: second, receive: first };
  }

  destroy(): void {
    this.#destroyed = true;
    this.#progress.destroy();
    zero(this.#statics?.privateKey, this.#givenEphemeral, ...this.#psks);
  }

  #context() {
    return {
      initiator: this.#initiator,
      statics: this.#statics,
      psks: this.#psks,
      givenEphemeral: this.#givenEphemeral,
    };
  }

  #step(
    writing: boolean,
    run: (draft: Progress, tokens: HandshakePattern["messages"][number]) => Uint8Array,
  ): Uint8Array {
    this.#refuseIfDestroyed();
    const tokens = this.#pattern.messages[this.#progress.messages];
    if (tokens === undefined) throw stateError("The Noise handshake is finished");
    const ownTurn = (this.#progress.messages % 2 === 0) === this.#initiator;
    if (ownTurn !== writing) throw stateError(`It is the ${ownTurn ? "own" : "other"} side's turn to write`);
    const draft = this.#progress.clone();
    let result: Uint8Array;
    try {
      result = run(draft, tokens);
    } catch (error) {
      draft.destroy();
      throw error;
    }
    draft.messages += 1;
    this.#progress.destroy();
    this.#progress = draft;
    return result;
  }

  #refuseIfDestroyed(): void {
    if (this.#destroyed) throw stateError("This HandshakeState is destroyed");
  }
}

function requireKey(field: string, value: Uint8Array | undefined, needed: boolean): Uint8Array | null {
  if (needed) {
    requireBytes(field, value, DHLEN);
    return value;
  }
  if (value !== undefined) throw stateError(`${field} has no place in this Noise pattern`);
  return null;
}
