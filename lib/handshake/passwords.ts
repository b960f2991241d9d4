/** Passwords: how they are made, what a generated one looks like, and which are too short to be taken. */
import { randomBytes } from "node:crypto";
import { describeSecret, optionError } from "../common/errors.js";
import { zero } from "../common/secrets.js";

/** Ours: shortest password taken, in characters (code points, as people count them). A generated one has 30. */
const LEAST_LENGTH = 8;
/** 26 digits of 5 bits hold the 128 bits of a password; the last digit carries 3 of them. */
const PASSWORD_BITS = 128;
/** Digits between two dashes: short enough to be read out, and the last group takes the 26th digit. */
const PASSWORD_GROUP = 5;
const PASSWORD_GROUPS = 5;
/** RFC 4648 section 6, in small letters: no 0, 1, 8 or 9 that would be taken for a letter. */
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

/** As `generatePassword` writes them. */
const GENERATED_PASSWORD = /^[a-z2-7]{5}(?:-[a-z2-7]{5}){3}-[a-z2-7]{6}$/;

/** 128 random bits as 26 base32 digits in groups: `abcde-fghij-klmno-pqrst-uvwxyz`. */
export function generatePassword(): string {
  const bytes = randomBytes(PASSWORD_BITS / 8);
  let digits = "";
  let pending = 0;
  let pendingBits = 0;
  for (const byte of bytes) {
    pending = (pending << 8) | byte;
    pendingBits += 8;
    while (pendingBits >= 5) {
      pendingBits -= 5;
      digits += BASE32[(pending >> pendingBits) & 31]!;
    }
    pending &= (1 << pendingBits) - 1;
  }
  digits += BASE32[(pending << (5 - pendingBits)) & 31]!;
  zero(bytes);
  const groups: string[] = [];
  for (let group = 0; group < PASSWORD_GROUPS; group += 1) {
    const start = group * PASSWORD_GROUP;
    groups.push(digits.slice(start, group === PASSWORD_GROUPS - 1 ? undefined : start + PASSWORD_GROUP));
  }
  return groups.join("-");
}

/** Whether the password was generated and not made up, as far as can be seen. */
export function looksGenerated(password: string): boolean {
  return GENERATED_PASSWORD.test(password);
}

/**
 * A password out of options. It is checked here and nowhere else.
 * @throws {I405Error} `ERR_I405_KEY` if it is too short.
 */
export function readPassword(value: unknown): string {
  // Counted as it is used: the other end may write the same characters in another way.
  if (typeof value !== "string" || Array.from(value.normalize("NFC")).length < LEAST_LENGTH) {
    throw optionError({
      option: "password",
      came: describeSecret(value),
      expected: `at least ${LEAST_LENGTH} characters`,
      remedy: "`i405 genkey --password` makes one that can't be guessed",
      code: "ERR_I405_KEY",
    });
  }
  return value;
}
