/** The rules of Noise that a well-behaved partner never puts to the test. */
import { inspect } from "node:util";
import t from "tap";
import { CipherState } from "../../lib/handshake/noise/cipherstate.js";
import { HandshakeState, type HandshakeOptions } from "../../lib/handshake/noise/handshakestate.js";
import { handshakePattern, protocolName } from "../../lib/handshake/noise/patterns.js";
import { dh, generateKeyPair } from "../../lib/handshake/noise/suite.js";
import { randomBytes } from "../../lab/random.js";

const client = generateKeyPair();
const server = generateKeyPair();
const psk = randomBytes(32);

function ik(role: "initiator" | "responder"): HandshakeState {
  const common = { pattern: "IKpsk2", role, psks: [psk] };
  return role === "initiator"
    ? new HandshakeState({
        ...common,
        staticPrivateKey: client.privateKey,
        remoteStaticPublicKey: server.publicKey,
      })
    : new HandshakeState({ ...common, staticPrivateKey: server.privateKey });
}

function flipped(message: Uint8Array, position: number): Uint8Array {
  const copy = Uint8Array.from(message);
  copy[position] = copy[position]! ^ 1;
  return copy;
}

t.test("a message that fails at any place leaves the state as it was", (t) => {
  const initiator = ik("initiator");
  const responder = ik("responder");
  const first = initiator.writeMessage(Buffer.from("first"));
  const before = responder.handshakeHash;
  for (const position of [0, 31, 32, 60, 79, 80, first.length - 1]) {
    t.throws(() => responder.readMessage(flipped(first, position)), { code: "ERR_I405_HANDSHAKE" }, `byte ${position}`);
  }
  for (const length of [0, 1, 31, 32, 79, 80, 95]) {
    t.throws(() => responder.readMessage(first.slice(0, length)), { code: "ERR_I405_HANDSHAKE" }, `${length} bytes`);
  }
  t.same(responder.handshakeHash, before);
  t.equal(responder.remoteStatic, null);
  t.same(Buffer.from(responder.readMessage(first)).toString(), "first", "the genuine one still reads");

  const second = responder.writeMessage(Buffer.from("second"));
  t.throws(() => initiator.readMessage(flipped(second, 3)), { code: "ERR_I405_HANDSHAKE" });
  t.throws(() => initiator.readMessage(flipped(second, second.length - 1)), { code: "ERR_I405_HANDSHAKE" });
  t.same(Buffer.from(initiator.readMessage(second)).toString(), "second");
  t.same(initiator.split(), responder.split());
  t.end();
});

t.test("messages come in turn, and the keys after the last", (t) => {
  const initiator = ik("initiator");
  t.throws(() => initiator.readMessage(new Uint8Array(96)), { code: "ERR_I405_NOISE" });
  t.throws(() => initiator.split(), { code: "ERR_I405_NOISE" });
  const first = initiator.writeMessage();
  t.throws(() => initiator.writeMessage(), { code: "ERR_I405_NOISE" });
  const responder = ik("responder");
  responder.readMessage(first);
  initiator.readMessage(responder.writeMessage());
  t.equal(initiator.finished, true);
  t.throws(() => initiator.writeMessage(), { code: "ERR_I405_NOISE" });
  t.end();
});

t.test("each handshake has an ephemeral key of its own, unless a test gives one", (t) => {
  const first = ik("initiator").writeMessage();
  const second = ik("initiator").writeMessage();
  t.notSame(first.slice(0, 32), second.slice(0, 32));
  const ephemeralPrivateKey = randomBytes(32);
  const options: HandshakeOptions = { pattern: "NN", role: "initiator", ephemeralPrivateKey };
  t.same(new HandshakeState(options).writeMessage(), new HandshakeState(options).writeMessage());
  t.end();
});

t.test("X25519 results of zeros are refused", (t) => {
  // The points of small order, RFC 7748 section 7 and its twist.
  const points = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  ].map((point) => Buffer.from(point, "hex"));
  for (const point of points) {
    t.throws(() => dh(client.privateKey, point), { code: "ERR_I405_HANDSHAKE" }, point.toString("hex"));
  }
  const responder = new HandshakeState({ pattern: "NN", role: "responder" });
  responder.readMessage(points[1]!);
  t.throws(() => responder.writeMessage(), { code: "ERR_I405_HANDSHAKE" }, "as an ephemeral key");
  t.end();
});

t.test("a key of the wrong type or length is named", (t) => {
  const wrong = (options: Record<string, unknown>, option: string) => {
    const whole = { pattern: "IKpsk2", role: "initiator", psks: [psk], staticPrivateKey: client.privateKey };
    t.throws(
      () => new HandshakeState({ ...whole, remoteStaticPublicKey: server.publicKey, ...options } as HandshakeOptions),
      { code: "ERR_I405_KEY", option },
      option,
    );
  };
  wrong({ staticPrivateKey: randomBytes(31) }, "staticPrivateKey");
  wrong({ staticPrivateKey: undefined }, "staticPrivateKey");
  wrong({ remoteStaticPublicKey: "a".repeat(32) }, "remoteStaticPublicKey");
  wrong({ psks: [randomBytes(33)] }, "psks[0]");
  wrong({ ephemeralPrivateKey: new Array(32).fill(1) }, "ephemeralPrivateKey");
  t.throws(() => new CipherState(randomBytes(16)), { code: "ERR_I405_KEY", option: "key" });
  t.throws(() => new HandshakeState({ pattern: "NNpsk0", role: "initiator" }), { code: "ERR_I405_NOISE" });
  t.throws(() => new HandshakeState({ pattern: "NN", role: "initiator", staticPrivateKey: client.privateKey }), {
    code: "ERR_I405_NOISE",
  });
  t.end();
});

t.test("names of patterns", (t) => {
  t.equal(protocolName(handshakePattern("IKpsk2")), "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s");
  t.same(handshakePattern("IKpsk2").messages, [
    ["e", "es", "s", "ss"],
    ["e", "ee", "se", "psk"],
  ]);
  t.same(handshakePattern("NNpsk0+psk1").messages, [
    ["psk", "e", "psk"],
    ["e", "ee"],
  ]);
  for (const name of ["", "ZZ", "ik", "NNpsk3", "NNpsk1+psk1", "NNpsk", "NN+psk0", "toString", "NNpsk0 "]) {
    t.throws(() => handshakePattern(name), { code: "ERR_I405_NOISE" }, JSON.stringify(name));
  }
  t.end();
});

t.test("no nonce is used twice, and none past the last", (t) => {
  const key = randomBytes(32);
  const ad = Buffer.from("ad");
  const sender = new CipherState(key);
  const receiver = new CipherState(key);
  const first = sender.encryptWithAd(ad, Buffer.from("same"));
  const second = sender.encryptWithAd(ad, Buffer.from("same"));
  t.notSame(first, second);
  t.throws(() => receiver.decryptWithAd(ad, second), { code: "ERR_I405_HANDSHAKE" });
  t.equal(receiver.nonce, 0n, "a failure does not move the nonce");
  t.same(Buffer.from(receiver.decryptWithAd(ad, first)).toString(), "same");
  t.throws(() => receiver.decryptWithAd(Buffer.from("other"), second), { code: "ERR_I405_HANDSHAKE" });
  t.throws(() => receiver.decryptWithAd(ad, second.slice(0, 15)), { code: "ERR_I405_HANDSHAKE" });

  sender.nonce = 2n ** 64n - 2n;
  sender.encryptWithAd(ad, Buffer.from("last"));
  t.throws(() => sender.encryptWithAd(ad, Buffer.from("one more")), { code: "ERR_I405_NOISE" });
  t.throws(() => (sender.nonce = 2n ** 64n), { code: "ERR_I405_NOISE" });
  t.throws(() => (sender.nonce = -1n), { code: "ERR_I405_NOISE" });
  t.end();
});

t.test("what is destroyed works no longer, above all not in plaintext", (t) => {
  const cipher = new CipherState(randomBytes(32));
  cipher.destroy();
  t.throws(() => cipher.encryptWithAd(new Uint8Array(0), Buffer.from("secret")), { code: "ERR_I405_NOISE" });
  t.throws(() => cipher.decryptWithAd(new Uint8Array(0), Buffer.from("secret")), { code: "ERR_I405_NOISE" });
  t.throws(() => cipher.clone(), { code: "ERR_I405_NOISE" });
  t.throws(() => cipher.rekey(), { code: "ERR_I405_NOISE" });

  const state = ik("initiator");
  state.destroy();
  state.destroy();
  t.throws(() => state.writeMessage(), { code: "ERR_I405_NOISE" });
  t.throws(() => state.split(), { code: "ERR_I405_NOISE" });
  t.ok(psk.some((byte) => byte !== 0) && client.privateKey.some((byte) => byte !== 0), "the caller's keys are copied");
  t.end();
});

t.test("promise: keys-not-shown: states do not print what they hold", (t) => {
  t.equal(inspect(ik("initiator")), "[HandshakeState: redacted]");
  t.equal(inspect({ nested: new CipherState(psk) }), "{ nested: [CipherState: redacted] }");
  t.equal(JSON.stringify(ik("responder")), '"[HandshakeState: redacted]"');
  t.end();
});
