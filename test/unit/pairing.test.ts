/** The pairing against the plain key schedule. */
import { inspect } from "node:util";
import t, { type Test } from "tap";
import { generatePrivateKey, generatePresharedKey, publicKey } from "../../lib/handshake/keys.js";
import { pairingFromKeys, pairingFromPassword, type Pairing } from "../../lib/handshake/pairing.js";
import { randomBytes } from "../../lab/random.js";
import { pairingOfKeys, pairingOfPassword, type PlainPairing } from "../../lab/plain/key-schedule.js";

const client = generatePrivateKey();
const server = generatePrivateKey();
const bytes = (text: string) => Buffer.from(text, "base64");

function sameWrap(t: Test, pairing: Pairing, plain: PlainPairing): void {
  const { wrap } = pairing;
  t.same(Buffer.from(wrap.wrapUp), plain.wrapUp, "wrap up");
  t.same(Buffer.from(wrap.wrapDown), plain.wrapDown, "wrap down");
  t.same(Buffer.from(wrap.maskUp), plain.maskUp, "mask up");
  t.same(Buffer.from(wrap.maskDown), plain.maskDown, "mask down");
}

for (const presharedKey of [undefined, generatePresharedKey()]) {
  t.test(`static keys, ${presharedKey === undefined ? "no" : "a"} preshared key`, (t) => {
    const plain = pairingOfKeys(bytes(client), bytes(server), presharedKey === undefined ? null : bytes(presharedKey));
    const atClient = pairingFromKeys("client", { privateKey: client, peerPublicKey: publicKey(server), presharedKey });
    const atServer = pairingFromKeys("server", { privateKey: server, peerPublicKey: publicKey(client), presharedKey });
    sameWrap(t, atClient, plain);
    sameWrap(t, atServer, plain);
    for (const { noise } of [atClient, atServer]) {
      t.equal(noise.pattern, "IKpsk2");
      t.same(Buffer.from(noise.psk), presharedKey === undefined ? Buffer.alloc(32) : bytes(presharedKey));
    }
    t.end();
  });
}

t.test("a password, in whatever Unicode form it is typed", async (t) => {
  const plain = pairingOfPassword("gar\u00e7on-de-caf\u00e9");
  const pairing = await pairingFromPassword("garc\u0327on-de-cafe\u0301");
  sameWrap(t, pairing, plain);
  t.equal(pairing.noise.pattern, "NNpsk0");
  t.same(Buffer.from(pairing.noise.psk), plain.noisePsk);
});

t.test("what one end sends with, the other receives with", (t) => {
  const pairing = pairingFromKeys("client", { privateKey: client, peerPublicKey: publicKey(server) });
  const { wrapUp, wrapDown, maskUp, maskDown } = pairing.wrap;
  t.same(pairing.forRole("client"), {
    sendWrap: wrapUp,
    sendMask: maskUp,
    receiveWrap: wrapDown,
    receiveMask: maskDown,
  });
  t.same(pairing.forRole("server"), {
    sendWrap: wrapDown,
    sendMask: maskDown,
    receiveWrap: wrapUp,
    receiveMask: maskUp,
  });
  t.end();
});

t.test("promise: identity-hiding: another key, role or preshared key is another pairing", (t) => {
  const keys = { privateKey: client, peerPublicKey: publicKey(server) };
  const wraps = [
    pairingFromKeys("client", keys),
    pairingFromKeys("server", keys),
    pairingFromKeys("client", { ...keys, presharedKey: generatePresharedKey() }),
    pairingFromKeys("client", { ...keys, peerPublicKey: publicKey(generatePrivateKey()) }),
  ].map(({ wrap }) => Buffer.from(wrap.wrapUp).toString("hex"));
  t.equal(new Set(wraps).size, wraps.length);
  t.end();
});

t.test("bad keys are named", async (t) => {
  const good = { privateKey: client, peerPublicKey: publicKey(server) };
  const refuse = (keys: Record<string, unknown>, option: string, message: RegExp) => {
    const whole = { ...good, ...keys };
    t.throws(() => pairingFromKeys("client", whole), { code: "ERR_I405_KEY", option, message }, String(message));
  };
  refuse({ privateKey: undefined }, "key.privateKey", /got undefined/);
  refuse({ privateKey: randomBytes(16).toString("base64") }, "key.privateKey", /a string of 24 characters/);
  refuse({ peerPublicKey: "x" }, "key.peerPublicKey", /a string of 1 character/);
  refuse({ peerPublicKey: publicKey(client) }, "key.peerPublicKey", /own public key/);
  refuse(
    { peerPublicKey: Buffer.from([1, ...Buffer.alloc(31)]).toString("base64") },
    "key.peerPublicKey",
    /small order/,
  );
  refuse({ presharedKey: "" }, "key.presharedKey", /an empty string/);
});

t.test("promise: keys-not-shown: a pairing does not print its keys, and forgets them", (t) => {
  const pairing = pairingFromKeys("client", { privateKey: client, peerPublicKey: publicKey(server) });
  t.equal(inspect({ pairing }), "{ pairing: [Pairing: redacted] }");
  t.equal(JSON.stringify(pairing), '"[Pairing: redacted]"');
  t.equal(String(pairing), "[Pairing: redacted]");
  const native = pairing.forRole("client");
  pairing.destroy();
  const { wrap, noise } = pairing;
  for (const key of [...Object.values(wrap), noise.psk]) t.same(Buffer.from(key), Buffer.alloc(32));
  if (noise.pattern === "IKpsk2") t.same(Buffer.from(noise.staticPrivateKey), Buffer.alloc(32));
  t.notSame(Buffer.from(native.sendWrap), Buffer.alloc(32), "what the addon was given is a copy");
  t.end();
});
