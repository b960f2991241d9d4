/** CipherState (Noise rev 34 section 5.1): a key and a counter that never repeats under it. */
import { copyOut, requireBytes, Secret, zero } from "../../common/secrets.js";
import { decrypt, encrypt, KEYLEN, stateError } from "./suite.js";

/** 2^64 - 1 is reserved for {@link CipherState.rekey}; reaching it means that the key is used up. */
const NONCE_LIMIT = 2n ** 64n - 1n;
const EMPTY = new Uint8Array(0);

export class CipherState extends Secret {
  #key: Uint8Array | null = null;
  #nonce = 0n;
  /** A destroyed state must not pass for one that never had a key, and hand out plaintext. */
  #destroyed = false;

  /** InitializeKey(key). The key is copied; null means plaintext. */
  constructor(key: Uint8Array | null = null) {
    super();
    if (key === null) return;
    requireBytes("key", key, KEYLEN);
    this.#key = copyOut(key);
  }

  /** HasKey(). */
  get hasKey(): boolean {
    return this.#key !== null;
  }

  get nonce(): bigint {
    return this.#nonce;
  }

  /** SetNonce(nonce). */
  set nonce(nonce: bigint) {
    if (nonce < 0n || nonce > NONCE_LIMIT) throw stateError("A Noise nonce is between 0 and 2^64 - 1");
    this.#nonce = nonce;
  }

  /** EncryptWithAd(ad, plaintext). */
  encryptWithAd(ad: Uint8Array, plaintext: Uint8Array): Uint8Array {
    this.#refuseIfSpent();
    if (this.#key === null) return Uint8Array.from(plaintext);
    const ciphertext = encrypt(this.#key, this.#nonce, ad, plaintext);
    this.#nonce += 1n;
    return ciphertext;
  }

  /** DecryptWithAd(ad, ciphertext). The nonce stays where it is if the tag doesn't verify. */
  decryptWithAd(ad: Uint8Array, ciphertext: Uint8Array): Uint8Array {
    this.#refuseIfSpent();
    if (this.#key === null) return Uint8Array.from(ciphertext);
    const plaintext = decrypt(this.#key, this.#nonce, ad, ciphertext);
    this.#nonce += 1n;
    return plaintext;
  }

  /** Rekey(): the first 32 bytes of zeros encrypted under the reserved nonce (section 4.2). */
  rekey(): void {
    if (this.#key === null) throw stateError("A CipherState without a key can't be rekeyed");
    const sealed = encrypt(this.#key, NONCE_LIMIT, EMPTY, new Uint8Array(KEYLEN));
    zero(this.#key);
    this.#key = sealed.slice(0, KEYLEN);
    zero(sealed);
  }

  clone(): CipherState {
    this.#refuseIfSpent();
    const copy = new CipherState(this.#key);
    copy.#nonce = this.#nonce;
    return copy;
  }

  destroy(): void {
    zero(this.#key);
    this.#key = null;
    this.#destroyed = true;
  }

  #refuseIfSpent(): void {
    if (this.#destroyed) throw stateError("This CipherState is destroyed");
    if (this.#nonce >= NONCE_LIMIT) throw stateError("The Noise nonces of this key are used up");
  }
}
