/** HKDF (RFC 5869) with HMAC-BLAKE2s, as the pairing and the session keys use it. Labels are ASCII. */
import { blake2s } from "@noble/hashes/blake2.js";
import { expand, extract } from "@noble/hashes/hkdf.js";
import { concatBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { moveOut } from "../common/secrets.js";

/** Extract(salt, input). */
export function hkdfExtract(salt: string | Uint8Array, ...input: Uint8Array[]): Uint8Array {
  const joined = concatBytes(...input);
  const key = moveOut(extract(blake2s, joined, typeof salt === "string" ? utf8ToBytes(salt) : salt));
  joined.fill(0);
  return key;
}

/** Expand(key, label | suffix). */
export function hkdfExpand(key: Uint8Array, label: string, suffix: Uint8Array, length: number): Uint8Array {
  return moveOut(expand(blake2s, key, concatBytes(utf8ToBytes(label), suffix), length));
}
