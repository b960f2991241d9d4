/** The rekey from both ends, and against the one that is written out in lab/plain. */
import { inspect } from "node:util";
import t from "tap";
import { generatePresharedKey, generatePrivateKey, publicKey } from "../../lib/handshake/keys.js";
import { pairingFromKeys, pairingFromPassword, type Pairing } from "../../lib/handshake/pairing.js";
import {
  answerRekey,
  REKEY_INITIATION_LENGTHS,
  REKEY_RESPONSE_LENGTH,
  RekeyInitiation,
} from "../../lib/handshake/rekey-messages.js";
import { SessionRoot, type SessionKeys } from "../../lib/handshake/session-keys.js";
import { randomBytes } from "../../lab/random.js";
import { PlainRekeyInitiator, plainRekeyAnswer } from "../../lab/plain/rekey.js";

const clientKey = generatePrivateKey();
const serverKey = generatePrivateKey();
const presharedKey = generatePresharedKey();
const bytes = (text: string) => Buffer.from(text, "base64");
const password = await pairingFromPassword("abcde-fghij-klmno-pqrst-uvwxyz");
const keyed = (role: "client" | "server") =>
  pairingFromKeys(role, {
    privateKey: role === "client" ? clientKey : serverKey,
    peerPublicKey: publicKey(role === "client" ? serverKey : clientKey),
    presharedKey,
  });
const pairs: [keyof typeof REKEY_INITIATION_LENGTHS, Pairing, Pairing][] = [
  ["IKpsk2", keyed("client"), keyed("server")],
  ["NNpsk0", password, password],
];

function root(mark: number, aead: 0 | 1 = 1): SessionRoot {
  return new SessionRoot(aead, new Uint8Array(32).fill(mark), new Uint8Array(32).fill(mark + 1));
}

const plain = ({ up, down, chain }: SessionKeys) => ({
  keys: [up, down].flatMap(({ key, iv, mask }) => [key, iv, mask]).map((each) => Buffer.from(each).toString("hex")),
  chain: Buffer.from(chain).toString("hex"),
});

t.test("promise: forward-secrecy: both ends come to the same keys, which are none of those before", async (t) => {
  t.same(REKEY_INITIATION_LENGTHS, { IKpsk2: 96, NNpsk0: 48 });
  t.equal(REKEY_RESPONSE_LENGTH, 48);
  for (const [pattern, client, server] of pairs) {
    const initiation = new RekeyInitiation(client, root(1));
    t.equal(initiation.message.length, REKEY_INITIATION_LENGTHS[pattern]);
    const { message, session } = answerRekey(server, root(1), initiation.message);
    t.equal(message.length, REKEY_RESPONSE_LENGTH);
    const ours = initiation.readResponse(message);
    t.same(plain(ours), plain(session));
    t.equal(ours.aead, 1);
    t.not(
      plain(ours).chain,
      plain(answerRekey(server, root(1), new RekeyInitiation(client, root(1)).message).session).chain,
    );
    const next = ours.root();
    ours.destroy();
    t.ok(
      next.chain.some((byte) => byte !== 0),
      "what the next rekey goes on from outlives the keys",
    );
    t.notMatch(inspect(next), Buffer.from(next.chain).toString("hex").slice(0, 8));
  }
});

t.test("the chain counts, and the session's hash", async (t) => {
  for (const [, client, server] of pairs) {
    const initiation = new RekeyInitiation(client, root(1));
    const otherChain = new SessionRoot(1, new Uint8Array(32).fill(9), root(1).handshakeHash);
    const { message, session } = answerRekey(server, otherChain, initiation.message);
    t.notSame(plain(initiation.readResponse(message)), plain(session), "another chain, other keys");
    const otherHash = new SessionRoot(1, root(1).chain, new Uint8Array(32));
    const moved = () => answerRekey(server, otherHash, new RekeyInitiation(client, root(1)).message);
    t.throws(moved, { code: "ERR_I405_HANDSHAKE" }, "moved to another session");
  }
});

t.test("what doesn't authenticate leaves a rekey as it was", async (t) => {
  for (const [, client, server] of pairs) {
    const initiation = new RekeyInitiation(client, root(3));
    for (const at of [0, initiation.message.length - 1]) {
      const altered = Uint8Array.from(initiation.message);
      altered[at]! ^= 1;
      t.throws(() => answerRekey(server, root(3), altered), { code: "ERR_I405_HANDSHAKE" });
    }
    t.throws(() => answerRekey(server, root(3), initiation.message.subarray(1)), { code: "ERR_I405_HANDSHAKE" });
    const { message, session } = answerRekey(server, root(3), initiation.message);
    t.throws(() => initiation.readResponse(randomBytes(48)), { code: "ERR_I405_HANDSHAKE" });
    t.throws(() => initiation.readResponse(randomBytes(47)), { code: "ERR_I405_HANDSHAKE" });
    t.same(plain(initiation.readResponse(message)), plain(session));
  }
  const stranger = pairingFromKeys("client", {
    privateKey: generatePrivateKey(),
    peerPublicKey: publicKey(serverKey),
    presharedKey,
  });
  const foreign = new RekeyInitiation(stranger, root(3));
  t.throws(() => answerRekey(keyed("server"), root(3), foreign.message), { code: "ERR_I405_HANDSHAKE" });
});

t.test("each end against the plain one", async (t) => {
  for (const [pattern, client, server] of pairs) {
    const noise = (own: string, peer: string) => ({
      psk: Buffer.from(client.noise.psk),
      statics: pattern === "NNpsk0" ? null : { own: bytes(own), peer: bytes(publicKey(peer)) },
    });
    for (const aead of [0, 1] as const) {
      const before = root(5, aead);
      const plainRoot = { h: Buffer.from(before.handshakeHash), chain: Buffer.from(before.chain), aeadId: aead };
      const hex = (session: { up: Record<string, Buffer>; down: Record<string, Buffer>; chain: Buffer }) => ({
        keys: [session.up, session.down].flatMap((each) =>
          ["key", "iv", "mask"].map((name) => each[name]!.toString("hex")),
        ),
        chain: session.chain.toString("hex"),
      });
      const initiation = new RekeyInitiation(client, before);
      const theirs = plainRekeyAnswer(noise(serverKey, clientKey), plainRoot, Buffer.from(initiation.message));
      t.same(hex(theirs.session), plain(initiation.readResponse(theirs.message)), "our client");
      const initiator = new PlainRekeyInitiator(noise(clientKey, serverKey), plainRoot);
      const answer = answerRekey(server, before, initiator.message);
      t.same(hex(initiator.finish(Buffer.from(answer.message))), plain(answer.session), "our server");
    }
  }
});
