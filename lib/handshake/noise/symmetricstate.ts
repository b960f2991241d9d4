/** SymmetricState (Noise rev 34 section 5.2): chaining key, handshake hash, and the cipher of the handshake. */
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { copyOut, Secret, zero } from "../../common/secrets.js";
import { CipherState } from "./cipherstate.js";
import { hash, HASHLEN, hkdf } from "./suite.js";

const EMPTY = new Uint8Array(0);

export class SymmetricState extends Secret {
  #cipher: CipherState;
  #chainingKey: Uint8Array;
  #hash: Uint8Array;

  private constructor(cipher: CipherState, chainingKey: Uint8Array, handshakeHash: Uint8Array) {
    super();
    this.#cipher = cipher;
    this.#chainingKey = chainingKey;
    this.#hash = handshakeHash;
  }

  /** InitializeSymmetric(protocol_name). */
  static initialize(protocolName: string): SymmetricState {
    const name = utf8ToBytes(protocolName);
    const first = new Uint8Array(HASHLEN);
    if (name.length <= HASHLEN) first.set(name);
    else first.set(hash(name));
    return new SymmetricState(new CipherState(), copyOut(first), first);
  }

  /** Whether payloads are encrypted by now. */
  get hasKey(): boolean {
    return this.#cipher.hasKey;
  }

  /** MixKey(input_key_material). */
  mixKey(input: Uint8Array): void {
    const [chainingKey, key] = hkdf(this.#chainingKey, input, 2) as [Uint8Array, Uint8Array];
    this.#replace(chainingKey, key);
  }

  /** MixHash(data). */
  mixHash(data: Uint8Array): void {
    this.#hash = hash(this.#hash, data);
  }

  /** MixKeyAndHash(input_key_material). */
  mixKeyAndHash(input: Uint8Array): void {
    const [chainingKey, toHash, key] = hkdf(this.#chainingKey, input, 3) as [Uint8Array, Uint8Array, Uint8Array];
    this.mixHash(toHash);
    zero(toHash);
    this.#replace(chainingKey, key);
  }

  /** GetHandshakeHash(), as a copy. */
  handshakeHash(): Uint8Array {
    return Uint8Array.from(this.#hash);
  }

  /** EncryptAndHash(plaintext). */
  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    const ciphertext = this.#cipher.encryptWithAd(this.#hash, plaintext);
    this.mixHash(ciphertext);
    return ciphertext;
  }

  /** DecryptAndHash(ciphertext). */
  decryptAndHash(ciphertext: Uint8Array): Uint8Array {
    const plaintext = this.#cipher.decryptWithAd(this.#hash, ciphertext);
    this.mixHash(ciphertext);
    return plaintext;
  }

  /** Split(), as the two keys: the initiator's sending key first. */
  split(): [initiatorKey: Uint8Array, responderKey: Uint8Array] {
    return hkdf(this.#chainingKey, EMPTY, 2) as [Uint8Array, Uint8Array];
  }

  clone(): SymmetricState {
    return new SymmetricState(this.#cipher.clone(), copyOut(this.#chainingKey), Uint8Array.from(this.#hash));
  }

  destroy(): void {
    this.#cipher.destroy();
    zero(this.#chainingKey);
  }

  #replace(chainingKey: Uint8Array, key: Uint8Array): void {
    zero(this.#chainingKey);
    this.#chainingKey = chainingKey;
    this.#cipher.destroy();
    this.#cipher = new CipherState(key);
    zero(key);
  }
}
