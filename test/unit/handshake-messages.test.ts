/** The fresh handshake from both ends, and against the handshakes that are written out in lab/plain. */
import { inspect } from "node:util";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import t, { type Test } from "tap";
import {
  chooseAead,
  freshPrologue,
  INITIATION_LENGTHS,
  InitiatorHandshake,
  RESPONSE_LENGTH,
  ResponderHandshake,
} from "../../lib/handshake/messages.js";
import { encodeInitiation, type InitiationSettings } from "../../lib/handshake/payloads.js";
import { generatePresharedKey, generatePrivateKey, publicKey } from "../../lib/handshake/keys.js";
import { HandshakeState } from "../../lib/handshake/noise/handshakestate.js";
import { pairingFromKeys, pairingFromPassword, type Pairing } from "../../lib/handshake/pairing.js";
import type { DirectionKeys, SessionKeys } from "../../lib/handshake/session-keys.js";
import { randomBytes } from "../../lab/random.js";
import { sessionOf, type PlainSession } from "../../lab/plain/key-schedule.js";
import { ikPsk2, nnPsk0, type Transcript } from "../../lab/plain/noise.js";

const clientKey = generatePrivateKey();
const serverKey = generatePrivateKey();
const presharedKey = generatePresharedKey();
const bytes = (text: string) => Buffer.from(text, "base64");

const wire = { length: 1500, intervalNs: 1_000_000, jitterNs: 250_000, jitterShape: "cos4" } as const;
const settings: InitiationSettings = {
  aeads: 3,
  wire: { up: { ...wire }, down: { ...wire, length: 1200 } },
  clientTimeoutMs: 10_000,
  serverTimeoutMs: 20_000,
};
const STAMP = 1_700_000_000_123;

interface Pair {
  client: Pairing;
  server: Pairing;
}

function keyPairing(psk: string | undefined): Pair {
  return {
    client: pairingFromKeys("client", {
      privateKey: clientKey,
      peerPublicKey: publicKey(serverKey),
      presharedKey: psk,
    }),
    server: pairingFromKeys("server", {
      privateKey: serverKey,
      peerPublicKey: publicKey(clientKey),
      presharedKey: psk,
    }),
  };
}

const passwordPairing = await pairingFromPassword("abcde-fghij-klmno-pqrst-uvwxyz");
const pairs: [string, Pair][] = [
  ["IKpsk2", keyPairing(presharedKey)],
  ["IKpsk2 without a preshared key", keyPairing(undefined)],
  ["NNpsk0", { client: passwordPairing, server: passwordPairing }],
];

function plain(session: SessionKeys): PlainSession {
  const direction = ({ key, iv, mask }: DirectionKeys) => ({
    key: Buffer.from(key),
    iv: Buffer.from(iv),
    mask: Buffer.from(mask),
  });
  return { up: direction(session.up), down: direction(session.down), chain: Buffer.from(session.chain) };
}

function accepted(t: Test, outcome: ReturnType<InitiatorHandshake["readResponse"]>): SessionKeys {
  if (outcome.verdict !== "accepted") t.bailout("the handshake was refused");
  return (outcome as { session: SessionKeys }).session;
}

t.test("message lengths are the protocol's", (t) => {
  t.same(INITIATION_LENGTHS, { IKpsk2: 1344, NNpsk0: 1296 });
  t.equal(RESPONSE_LENGTH, 1168);
  t.same(
    Buffer.from(freshPrologue(0x0102_0304_0506)),
    Buffer.concat([Buffer.from("i405/1 fresh"), Buffer.from([1, 2, 3, 4, 5, 6])]),
  );
  for (const stamp of [-1, 0.5, 2 ** 48, Number.NaN]) t.throws(() => freshPrologue(stamp), { code: "ERR_I405_NOISE" });
  t.end();
});

t.test("an AEAD is AES-256-GCM where both ends have it", (t) => {
  t.same(
    [
      [3, 3],
      [3, 1],
      [1, 3],
      [1, 1],
      [255, 3],
    ].map(([offered, own]) => chooseAead(offered!, own!)),
    [1, 0, 0, 0, 1],
  );
  t.end();
});

for (const [name, pair] of pairs) {
  for (const aead of [0, 1] as const) {
    t.test(`promise: post-quantum: ${name} with AEAD ${aead}: the same bytes and keys as written out by hand`, (t) => {
      const e = { client: randomBytes(32), server: randomBytes(32) };
      const kemSeed = randomBytes(64);
      const kemMessage = randomBytes(32);
      const initiator = new InitiatorHandshake(pair.client, STAMP, settings, {
        ephemeralPrivateKey: e.client,
        kemSeed,
      });
      const responder = new ResponderHandshake(pair.server, STAMP, initiator.message, {
        ephemeralPrivateKey: e.server,
        kemMessage,
      });
      t.equal(responder.understood, true);
      t.same(responder.settings, settings);
      const { message, session } = responder.accept(aead);
      const outcome = initiator.readResponse(message);

      const kem = ml_kem768.keygen(kemSeed);
      const { cipherText, sharedSecret } = ml_kem768.encapsulate(kem.publicKey, kemMessage);
      const payloads = {
        initiation: encodeInitiation(settings, kem.publicKey),
        response: Buffer.concat([Buffer.from([0, aead]), Buffer.alloc(30), cipherText]),
      };
      const prologue = Buffer.concat([
        Buffer.from("i405/1 fresh"),
        Buffer.from(STAMP.toString(16).padStart(12, "0"), "hex"),
      ]);
      const statics = { client: bytes(clientKey), server: bytes(serverKey) };
      const expected: Transcript =
        pair.client.noise.pattern === "IKpsk2"
          ? ikPsk2(prologue, statics, pair.client.noise.psk, e, payloads)
          : nnPsk0(prologue, pair.client.noise.psk, e, payloads);

      t.same(Buffer.from(initiator.message), expected.initiation, "initiation");
      t.same(Buffer.from(message), expected.response, "response");
      const keys = sessionOf(expected.h, expected.k1, expected.k2, sharedSecret, null, aead);
      t.same(plain(session), keys, "the server's keys");
      t.same(plain(accepted(t, outcome)), keys, "the client's keys");
      t.same(Buffer.from(session.handshakeHash), expected.h);
      t.equal(session.aead, aead);
      t.end();
    });
  }

  t.test(`${name}: every handshake is another`, (t) => {
    const run = () => {
      const initiator = new InitiatorHandshake(pair.client, STAMP, settings);
      const { message, session } = new ResponderHandshake(pair.server, STAMP, initiator.message).accept(0);
      t.equal(initiator.message.length, INITIATION_LENGTHS[pair.client.noise.pattern]);
      t.equal(message.length, RESPONSE_LENGTH);
      t.same(plain(accepted(t, initiator.readResponse(message))), plain(session));
      return [initiator.message, message, session.up.key].map((part) => Buffer.from(part).toString("hex"));
    };
    const [first, second] = [run(), run()];
    for (const [index, part] of first.entries()) t.not(part, second[index]);
    t.end();
  });

  t.test(`${name}: a refusal says why`, (t) => {
    for (const verdict of ["length", "interval", "bandwidth", "notUnderstood"] as const) {
      const initiator = new InitiatorHandshake(pair.client, STAMP, settings);
      const message = new ResponderHandshake(pair.server, STAMP, initiator.message).refuse(verdict, 134_217_728);
      t.equal(message.length, RESPONSE_LENGTH);
      t.same(initiator.readResponse(message), { verdict, limit: 134_217_728 });
    }
    t.end();
  });

  t.test(`${name}: what does not authenticate leaves no trace`, (t) => {
    const initiator = new InitiatorHandshake(pair.client, STAMP, settings);
    const flip = (message: Uint8Array, at: number) => {
      const copy = Uint8Array.from(message);
      copy[at] = copy[at]! ^ 0x80;
      return copy;
    };
    // 31: X25519 ignores the top bit of a public key, but the hash does not.
    for (const at of [0, 31, 40, 100, initiator.message.length - 1]) {
      t.throws(() => new ResponderHandshake(pair.server, STAMP, flip(initiator.message, at)), {
        code: "ERR_I405_HANDSHAKE",
      });
    }
    t.throws(() => new ResponderHandshake(pair.server, STAMP + 1, initiator.message), { code: "ERR_I405_HANDSHAKE" });
    for (const length of [0, 32, initiator.message.length - 1]) {
      t.throws(() => new ResponderHandshake(pair.server, STAMP, initiator.message.slice(0, length)), {
        code: "ERR_I405_HANDSHAKE",
      });
    }
    const { message, session } = new ResponderHandshake(pair.server, STAMP, initiator.message).accept(1);
    for (const at of [0, 32, message.length - 1]) {
      t.throws(() => initiator.readResponse(flip(message, at)), { code: "ERR_I405_HANDSHAKE" });
    }
    t.throws(() => initiator.readResponse(message.slice(1)), { code: "ERR_I405_HANDSHAKE" });
    t.throws(() => initiator.readResponse(randomBytes(RESPONSE_LENGTH)), { code: "ERR_I405_HANDSHAKE" });
    t.same(plain(accepted(t, initiator.readResponse(message))), plain(session), "the genuine one still reads");
    t.throws(() => initiator.readResponse(message), { code: "ERR_I405_NOISE" }, "once");
    t.end();
  });

  t.test(`${name}: a message of our own does not answer itself`, (t) => {
    const one = new InitiatorHandshake(pair.client, STAMP, settings);
    const other = new InitiatorHandshake(pair.client, STAMP + 5, settings);
    const response = new ResponderHandshake(pair.server, STAMP, one.message).accept(0).message;
    t.throws(() => other.readResponse(response), { code: "ERR_I405_HANDSHAKE" }, "another attempt's response");
    t.throws(() => one.readResponse(one.message), { code: "ERR_I405_HANDSHAKE" });
    t.end();
  });
}

t.test("promise: peer-identity: another static key, preshared key or password", async (t) => {
  const { client, server } = keyPairing(presharedKey);
  const stranger = pairingFromKeys("client", {
    privateKey: generatePrivateKey(),
    peerPublicKey: publicKey(serverKey),
    presharedKey,
  });
  const fromStranger = new InitiatorHandshake(stranger, STAMP, settings).message;
  t.throws(() => new ResponderHandshake(server, STAMP, fromStranger), { code: "ERR_I405_HANDSHAKE" }, "static key");

  // In IKpsk2 the psk comes with the second message: there it must stop the client.
  const other = keyPairing(generatePresharedKey());
  const initiator = new InitiatorHandshake(client, STAMP, settings);
  const { message } = new ResponderHandshake(other.server, STAMP, initiator.message).accept(0);
  t.throws(() => initiator.readResponse(message), { code: "ERR_I405_HANDSHAKE" }, "preshared key");

  const guess = await pairingFromPassword("abcde-fghij-klmno-pqrst-uvwxy2");
  const guessed = new InitiatorHandshake(guess, STAMP, settings).message;
  t.throws(() => new ResponderHandshake(passwordPairing, STAMP, guessed), { code: "ERR_I405_HANDSHAKE" }, "password");
});

/** An initiation whose payload this test has spoiled before Noise sealed it. */
function spoiled(spoil: (payload: Uint8Array) => void): Uint8Array {
  const { client } = keyPairing(presharedKey);
  if (client.noise.pattern !== "IKpsk2") throw new Error("not IKpsk2");
  const payload = encodeInitiation(settings, ml_kem768.keygen().publicKey);
  spoil(payload);
  return new HandshakeState({
    pattern: "IKpsk2",
    role: "initiator",
    prologue: freshPrologue(STAMP),
    psks: [client.noise.psk],
    staticPrivateKey: client.noise.staticPrivateKey,
    remoteStaticPublicKey: client.noise.peerPublicKey,
  }).writeMessage(payload);
}

t.test("a genuine initiation that makes no sense is read, and can only be refused", (t) => {
  const { server } = keyPairing(presharedKey);
  const cases: [string, (payload: Uint8Array) => void][] = [
    ["settings", (payload) => payload.fill(0xff, 4, 12)],
    ["encapsulation key", (payload) => payload.fill(0xff, 64, 96)],
  ];
  for (const [what, spoil] of cases) {
    const responder = new ResponderHandshake(server, STAMP, spoiled(spoil));
    t.equal(responder.understood, false, what);
    t.throws(() => responder.accept(0), { code: "ERR_I405_NOISE" });
    t.equal(responder.refuse("notUnderstood", 0).length, RESPONSE_LENGTH);
    t.throws(() => responder.refuse("notUnderstood", 0), { code: "ERR_I405_NOISE" }, "once");
  }
  t.end();
});

/** A genuine server's response with a payload that our server would not write. */
function answered(initiation: Uint8Array, payload: Uint8Array): Uint8Array {
  const { server } = keyPairing(presharedKey);
  if (server.noise.pattern !== "IKpsk2") throw new Error("not IKpsk2");
  const state = new HandshakeState({
    pattern: "IKpsk2",
    role: "responder",
    prologue: freshPrologue(STAMP),
    psks: [server.noise.psk],
    staticPrivateKey: server.noise.staticPrivateKey,
  });
  state.readMessage(initiation);
  return state.writeMessage(payload);
}

t.test("a genuine response that is not acceptable ends the attempt", (t) => {
  const cases: [string, number, number[]][] = [
    ["AEAD not offered", 1, [0, 1]],
    ["unknown AEAD", 3, [0, 2]],
    ["unknown verdict", 3, [9, 0]],
  ];
  for (const [what, aeads, head] of cases) {
    const initiator = new InitiatorHandshake(keyPairing(presharedKey).client, STAMP, { ...settings, aeads });
    const response = answered(initiator.message, Buffer.concat([Buffer.from(head), Buffer.alloc(1118)]));
    t.throws(() => initiator.readResponse(response), { code: "ERR_I405_RESPONSE" }, what);
    t.throws(() => initiator.readResponse(response), { code: "ERR_I405_NOISE" }, `${what}: over`);
  }
  const initiator = new InitiatorHandshake(keyPairing(presharedKey).client, STAMP, { ...settings, aeads: 1 });
  const responder = new ResponderHandshake(keyPairing(presharedKey).server, STAMP, initiator.message);
  t.throws(() => responder.accept(1), { code: "ERR_I405_NOISE" }, "our server does not choose it either");
  t.end();
});

t.test("attempts do not print what they hold, and a destroyed one is over", (t) => {
  const { client, server } = keyPairing(undefined);
  const initiator = new InitiatorHandshake(client, STAMP, settings);
  const responder = new ResponderHandshake(server, STAMP, initiator.message);
  t.equal(inspect([initiator, responder]), "[ [InitiatorHandshake: redacted], [ResponderHandshake: redacted] ]");
  responder.destroy();
  t.throws(() => responder.accept(0), { code: "ERR_I405_NOISE" });
  initiator.destroy();
  t.throws(() => initiator.readResponse(new Uint8Array(RESPONSE_LENGTH)), { code: "ERR_I405_NOISE" });
  t.end();
});
