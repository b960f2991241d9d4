/** Keys as people handle them: 32 bytes in base64, as WireGuard writes them. */
import { randomBytes } from "node:crypto";
import { x25519 } from "@noble/curves/ed25519.js";
import { describeSecret, optionError, type I405Error } from "../common/errors.js";
import { copyOut, isZero, zero } from "../common/secrets.js";

/** Bytes of an X25519 key, private or public, and of a preshared key. */
export const KEY_LENGTH = 32;

/** 32 bytes in base64 are 43 digits and one padding sign. */
const KEY_FORMAT = /^[A-Za-z0-9+/]{43}=$/;

/** The same in base64url (RFC 4648 section 5), where a digit gives it away. */
const URL_FORMAT = /^(?=.*[-_])[A-Za-z0-9_-]{43}=?$/;

/**
 * 32 random bytes, clamped as X25519 keys are (RFC 7748 section 5), in base64.
 * @example generatePrivateKey() // "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk="
 */
export function generatePrivateKey(): string {
  const bytes = randomBytes(KEY_LENGTH);
  bytes[0] = bytes[0]! & 248;
  bytes[31] = (bytes[31]! & 127) | 64;
  const text = bytes.toString("base64");
  zero(bytes);
  return text;
}

/** 32 random bytes in base64, for `presharedKey`. */
export function generatePresharedKey(): string {
  const bytes = randomBytes(KEY_LENGTH);
  const text = bytes.toString("base64");
  zero(bytes);
  return text;
}

/**
 * The public key of a private key, in base64.
 * @throws {I405Error} `ERR_I405_KEY` if it isn't a key.
 */
export function publicKey(privateKey: string): string {
  const bytes = parseKey("privateKey", privateKey);
  try {
    return Buffer.from(x25519.getPublicKey(bytes)).toString("base64");
  } finally {
    zero(bytes);
  }
}

/**
 * A key's bytes. Space around it (the line end of a key file) is ignored.
 * @param field Name of the option, for the message.
 * @throws {I405Error} `ERR_I405_KEY` for anything but 32 bytes in canonical base64, and for the key of zeros. That key
 *   stands for "no key" in WireGuard's tools, and as a public key it would make every shared secret zero.
 */
export function parseKey(field: string, value: unknown): Uint8Array {
  const text = typeof value === "string" ? value.trim() : "";
  const bytes = KEY_FORMAT.test(text) ? Buffer.from(text, "base64") : Buffer.alloc(0);
  // The last digit has two bits to spare; with them set, one key would have four spellings.
  if (URL_FORMAT.test(text)) {
    const remedy = "Write '+' for each '-', '/' for each '_', and '=' at the end";
    throw keyError(field, "a key in the URL alphabet of base64", "the standard alphabet, as WireGuard has it", remedy);
  }
  if (bytes.length !== KEY_LENGTH || bytes.toString("base64") !== text) {
    throw keyError(field, describeSecret(value), "32 bytes in base64: 44 characters that end in '='");
  }
  if (isZero(bytes)) throw keyError(field, "a key of zeros", "a generated key");
  const key = copyOut(bytes);
  zero(bytes);
  return key;
}

function keyError(field: string, came: string, expected: string, rewrite?: string): I405Error {
  const make = field.endsWith("resharedKey")
    ? "`i405 genpsk` makes one; both ends have the same"
    : field.endsWith("ublicKey")
      ? "`i405 pubkey` prints it from the other end's private key"
      : "`i405 genkey` makes one";
  return optionError({ option: field, came, expected, remedy: rewrite ?? make, code: "ERR_I405_KEY" });
}
