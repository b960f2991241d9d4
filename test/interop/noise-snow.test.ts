/** Every pattern of the table against the `snow` crate, run live: both roles, with and without prologue. */
import t from "tap";
import { HandshakeState, type HandshakeOptions } from "../../lib/handshake/noise/handshakestate.js";
import { handshakePattern, PATTERN_NAMES, protocolName, staticKeys } from "../../lib/handshake/noise/patterns.js";
import { generateKeyPair } from "../../lib/handshake/noise/suite.js";
import { NoiseOracle, type OracleStart } from "../../lab/host/noise-oracle.js";
import { randomBytes } from "../../lab/random.js";

const MODIFIED = ["NNpsk0", "NNpsk2", "NNpsk0+psk1", "KKpsk0", "KKpsk2", "IKpsk1", "IKpsk2", "XXpsk0+psk3", "XXpsk3"];
const oracle = new NoiseOracle();
t.teardown(() => {
  oracle.end();
});

t.test("the table holds what the protocol and its tests need", (t) => {
  for (const name of ["NN", "KK", "IK", "XX"]) t.ok(PATTERN_NAMES.includes(name), name);
  t.end();
});

function otherRole(role: "initiator" | "responder"): "initiator" | "responder" {
  return role === "initiator" ? "responder" : "initiator";
}

/** Matching options for our side and for snow's. */
function sides(name: string, role: "initiator" | "responder", prologue: Uint8Array | null) {
  const pattern = handshakePattern(name);
  const ours = generateKeyPair();
  const theirs = generateKeyPair();
  const ourNeed = staticKeys(pattern, role === "initiator");
  const theirNeed = staticKeys(pattern, role !== "initiator");
  const places = [...name.matchAll(/psk(\d)/g)].map((match) => Number(match[1]));
  const psks = new Map(places.map((place) => [place, randomBytes(32)]));
  const here: HandshakeOptions = { pattern: name, role, psks: [...psks.values()] };
  const there: OracleStart = { protocol: protocolName(pattern), role: otherRole(role), psks };
  if (prologue !== null) here.prologue = there.prologue = prologue;
  if (ourNeed.own) here.staticPrivateKey = ours.privateKey;
  if (ourNeed.remote) here.remoteStaticPublicKey = theirs.publicKey;
  if (theirNeed.own) there.staticPrivateKey = theirs.privateKey;
  if (theirNeed.remote) there.remoteStaticPublicKey = ours.publicKey;
  return { pattern, here, there, ours, theirs };
}

for (const name of [...PATTERN_NAMES, ...MODIFIED]) {
  for (const role of ["initiator", "responder"] as const) {
    for (const prologue of [null, randomBytes(200)]) {
      t.test(`${name} as ${role} ${prologue === null ? "without" : "with"} prologue`, async (t) => {
        const { pattern, here, there, ours, theirs } = sides(name, role, prologue);
        const state = new HandshakeState(here);
        await oracle.start(there);

        for (const index of pattern.messages.keys()) {
          const payload = randomBytes(index * 40);
          const ourTurn = (index % 2 === 0) === (role === "initiator");
          const message = ourTurn ? state.writeMessage(payload) : await oracle.write(payload);
          const read = ourTurn ? await oracle.read(message) : state.readMessage(message);
          t.same(Buffer.from(read), payload, `payload ${index}`);
        }

        t.equal(state.finished, true);
        t.same(Buffer.from(state.handshakeHash), await oracle.command("hash"), "handshake hash");
        const tokens = pattern.messages.flat();
        if (here.remoteStaticPublicKey !== undefined || tokens.includes("s")) {
          t.same(Buffer.from(state.remoteStatic!), theirs.publicKey, "their static key");
          t.same(await oracle.command("remote"), Buffer.from(ours.publicKey), "our static key");
        }

        await oracle.command("transport");
        const { send, receive } = state.transport();
        const nothing = new Uint8Array(0);
        for (const size of [0, 1, 1400]) {
          const payload = randomBytes(size);
          t.same(await oracle.open(send.encryptWithAd(nothing, payload)), payload, `sent ${size}`);
          t.same(Buffer.from(receive.decryptWithAd(nothing, await oracle.seal(payload))), payload, `received ${size}`);
        }
        send.rekey();
        await oracle.command("rekey-receiving");
        t.same(await oracle.open(send.encryptWithAd(nothing, randomBytes(5))).then((bytes) => bytes.length), 5);
        receive.rekey();
        await oracle.command("rekey-sending");
        t.equal(receive.decryptWithAd(nothing, await oracle.seal(randomBytes(5))).length, 5);
      });
    }
  }
}

t.test("snow and we write the same bytes from the same keys", async (t) => {
  const { here, there } = sides("IKpsk2", "initiator", Buffer.from("same"));
  const ephemeralPrivateKey = randomBytes(32);
  const ours = new HandshakeState({ ...here, ephemeralPrivateKey }).writeMessage(Buffer.from("payload"));
  await oracle.start({
    ...there,
    role: "initiator",
    staticPrivateKey: here.staticPrivateKey!,
    remoteStaticPublicKey: here.remoteStaticPublicKey!,
    ephemeralPrivateKey,
  });
  t.same(Buffer.from(ours), await oracle.write(Buffer.from("payload")));
});

t.test("what one side does not share with the other ends the handshake", async (t) => {
  const cases: [string, (options: OracleStart) => OracleStart][] = [
    ["prologue", (options) => ({ ...options, prologue: Buffer.from("another") })],
    ["static key", (options) => ({ ...options, staticPrivateKey: randomBytes(32) })],
  ];
  for (const [what, change] of cases) {
    const { here, there } = sides("IKpsk2", "initiator", Buffer.from("one"));
    const state = new HandshakeState(here);
    await oracle.start(change(there));
    await t.rejects(oracle.read(state.writeMessage(Buffer.from("x"))), /noise-oracle: error/, what);
  }
  const { here, there } = sides("IKpsk2", "initiator", null);
  const state = new HandshakeState(here);
  await oracle.start({ ...there, psks: new Map([[2, randomBytes(32)]]) });
  await oracle.read(state.writeMessage());
  const response = await oracle.write(new Uint8Array(0));
  t.throws(() => state.readMessage(response), { code: "ERR_I405_HANDSHAKE" }, "psk");
});
