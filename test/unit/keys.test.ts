/** Keys in WireGuard's format, passwords, and how bad ones are reported. */
import t from "tap";
import { I405Error } from "../../lib/common/errors.js";
import { generatePassword, readPassword } from "../../lib/handshake/passwords.js";
import { generatePresharedKey, generatePrivateKey, parseKey, publicKey } from "../../lib/handshake/keys.js";
import { randomBytes } from "../../lab/random.js";
import { x25519Public } from "../../lab/plain/primitives.js";

t.test("RFC 7748 section 6.1: Bob's public key", (t) => {
  const base64 = (hex: string) => Buffer.from(hex, "hex").toString("base64");
  t.equal(
    publicKey(base64("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")),
    base64("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"),
  );
  t.end();
});

t.test("generated private keys are clamped, differ, and give the public key that node:crypto gives", (t) => {
  const seen = new Set<string>();
  for (let round = 0; round < 50; round += 1) {
    const text = generatePrivateKey();
    t.match(text, /^[A-Za-z0-9+/]{43}=$/);
    const bytes = Buffer.from(text, "base64");
    t.equal(bytes.length, 32);
    t.equal(bytes[0]! & 7, 0);
    t.equal(bytes[31]! & 0xc0, 0x40);
    t.equal(publicKey(text), x25519Public(bytes).toString("base64"));
    seen.add(text);
  }
  t.equal(seen.size, 50);
  t.not(generatePresharedKey(), generatePresharedKey());
  t.equal(parseKey("presharedKey", generatePresharedKey()).length, 32);
  t.end();
});

t.test("an unclamped private key is taken, as WireGuard takes it", (t) => {
  const bytes = Buffer.alloc(32, 0xff);
  t.equal(publicKey(bytes.toString("base64")), x25519Public(bytes).toString("base64"));
  t.end();
});

t.test("space around a key is ignored, its bytes are not shared", (t) => {
  const bytes = randomBytes(32);
  const text = bytes.toString("base64");
  const key = parseKey("privateKey", `  ${text}\n`);
  t.same(Buffer.from(key), bytes);
  t.equal(key.byteLength, key.buffer.byteLength, "not a view of a pool that others share");
  t.end();
});

t.test("promise: secrets-not-quoted: whatever is not a key is refused by name, and not quoted", (t) => {
  const good = randomBytes(32).toString("base64");
  const bad: unknown[] = [
    undefined,
    null,
    7,
    randomBytes(32),
    {},
    "",
    "secret",
    good.slice(0, 43),
    `${good}=`,
    `${good.slice(0, 10)} ${good.slice(10, 43)}`,
    `${good.slice(0, 42)}==`,
    good.replace(/^./, "*"),
    randomBytes(32).toString("hex"),
    randomBytes(31).toString("base64"),
    randomBytes(33).toString("base64"),
    // The last digit of 32 bytes has two zero bits; B would set one of them.
    `${"A".repeat(42)}B=`,
    Buffer.alloc(32).toString("base64"),
  ];
  for (const value of bad) {
    try {
      parseKey("key.privateKey", value);
      t.fail("taken", { value });
    } catch (error) {
      t.ok(error instanceof I405Error);
      t.match(error, { code: "ERR_I405_KEY", option: "key.privateKey" });
      const { message } = error as I405Error;
      t.match(message, /^key\.privateKey: got .*, expected .*i405 genkey/);
      if (typeof value === "string" && value !== "") t.notOk(message.includes(value), "does not quote");
    }
  }
  t.throws(() => publicKey("x"), { code: "ERR_I405_KEY", option: "privateKey", message: /a string of 1 character,/ });
  const url = `${"-_".repeat(21)}8`;
  for (const text of [url, `${url}=`, `${"A".repeat(41)}-A=`]) {
    const message = /URL alphabet of base64, expected the standard alphabet.*'\+' for each '-'/s;
    t.throws(() => parseKey("key.privateKey", text), { code: "ERR_I405_KEY", message }, text);
  }
  t.throws(() => parseKey("key.peerPublicKey", "x"), { message: /i405 pubkey/ });
  t.throws(() => parseKey("key.presharedKey", "x"), { message: /i405 genpsk/ });
  t.end();
});

t.test("a password is 26 base32 digits in groups: 128 bits", (t) => {
  const seen = new Set<string>();
  const lastDigits = new Set<string>();
  const digits = new Set<string>();
  for (let round = 0; round < 2000; round += 1) {
    const password = generatePassword();
    t.match(password, /^([a-z2-7]{5}-){4}[a-z2-7]{6}$/);
    seen.add(password);
    for (const digit of password.replaceAll("-", "")) digits.add(digit);
    lastDigits.add(password.at(-1)!);
  }
  t.equal(seen.size, 2000);
  t.equal(digits.size, 32, "every digit occurs");
  t.same([...lastDigits].sort(), ["4", "a", "e", "i", "m", "q", "u", "y"], "the last digit carries three bits");
  t.end();
});

t.test("a password has at least 8 characters, however many units those are", (t) => {
  for (const password of [undefined, 12345678, "", "1234567", "\u{1f511}".repeat(7)]) {
    t.throws(() => readPassword(password), { code: "ERR_I405_KEY", option: "password" }, String(password));
  }
  for (const password of ["12345678", "\u{1f511}".repeat(8)]) t.equal(readPassword(password), password);
  t.end();
});
