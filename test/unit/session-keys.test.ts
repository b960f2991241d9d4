/** Session keys against the plain key schedule. */
import { inspect } from "node:util";
import t from "tap";
import type { AeadId } from "../../lib/native/protocol-ids.js";
import { deriveSessionKeys, type DirectionKeys, type SessionSecrets } from "../../lib/handshake/session-keys.js";
import { randomBytes } from "../../lab/random.js";
import { sessionOf } from "../../lab/plain/key-schedule.js";

const secrets: SessionSecrets = {
  handshakeHash: randomBytes(32),
  k1: randomBytes(32),
  k2: randomBytes(32),
  kem: randomBytes(32),
  chain: null,
};
const plainOf = ({ key, iv, mask }: DirectionKeys) => ({
  key: Buffer.from(key),
  iv: Buffer.from(iv),
  mask: Buffer.from(mask),
});

for (const aead of [0, 1] as const) {
  for (const [what, change] of [
    ["a fresh handshake", {}],
    ["a rekey", { kem: null, chain: randomBytes(32) }],
    ["both secrets", { chain: randomBytes(32) }],
  ] as const) {
    t.test(`${what}, AEAD ${aead}`, (t) => {
      const given = { ...secrets, ...change };
      const { up, down, chain } = deriveSessionKeys(given, aead);
      const plain = sessionOf(given.handshakeHash, given.k1, given.k2, given.kem, given.chain, aead);
      t.same({ up: plainOf(up), down: plainOf(down), chain: Buffer.from(chain) }, plain);
      t.end();
    });
  }
}

t.test("the client sends what goes up", (t) => {
  const keys = deriveSessionKeys(secrets, 0);
  t.same(keys.forRole("client"), { send: keys.up, receive: keys.down });
  t.same(keys.forRole("server"), { send: keys.down, receive: keys.up });
  t.end();
});

t.test("secrets are checked by name", (t) => {
  for (const name of ["handshakeHash", "k1", "k2", "kem", "chain"]) {
    for (const value of [randomBytes(31), "x", undefined]) {
      const changed = { ...secrets, [name]: value };
      t.throws(() => deriveSessionKeys(changed, 0), { code: "ERR_I405_KEY", option: name });
    }
  }
  t.throws(() => deriveSessionKeys(secrets, 2 as AeadId), { code: "ERR_I405_KEY", option: "aead" });
  t.end();
});

t.test("promise: keys-not-shown, keys-zeroed: keys do not print, and are forgotten", (t) => {
  const keys = deriveSessionKeys(secrets, 1);
  t.equal(inspect(keys), "[SessionKeys: redacted]");
  keys.destroy();
  for (const bytes of [keys.up, keys.down].flatMap(({ key, iv, mask }) => [key, iv, mask]).concat(keys.chain)) {
    t.ok(bytes.every((byte) => byte === 0));
  }
  t.end();
});
