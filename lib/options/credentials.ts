/** What the two ends know each other by, as options have it. */
import { optionError } from "../common/errors.js";
import { readObject, type Raw } from "../common/option-readers.js";
import type { PairingKeys } from "../handshake/pairing.js";
import { readPassword } from "../handshake/passwords.js";

/** Keys or a password: which of the two, and nothing else beside. `handshake/pairing.ts` reads the keys themselves. */
export type Credentials = { kind: "keys"; keys: PairingKeys } | { kind: "password"; password: string };

/** @throws {I405Error} `ERR_I405_OPTION`, `ERR_I405_KEY` */
export function readCredentials(raw: Raw): Credentials {
  if ((raw.key === undefined) === (raw.password === undefined)) {
    throw optionError({
      option: "key",
      came: raw.key === undefined ? "neither key nor password" : "both key and password",
      expected: "one of the two",
      remedy: "`i405 genkey` makes a key, `i405 genkey --password` a password",
    });
  }
  if (raw.password !== undefined) return { kind: "password", password: readPassword(raw.password) };
  const key = readObject("key", raw.key, ["privateKey", "peerPublicKey", "presharedKey"]);
  // If it isn't a key, or not even text, that is told when the keys are read.
  const { privateKey, peerPublicKey, presharedKey } = key as unknown as PairingKeys;
  return { kind: "keys", keys: { privateKey, peerPublicKey, presharedKey } };
}
