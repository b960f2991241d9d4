/** Handshake payloads and messages: bytes of any kind are read or refused, and what was changed does not authenticate. */
import { deepStrictEqual, ok } from "node:assert/strict";
import fc from "fast-check";
import t from "tap";
import {
  chooseAead,
  INITIATION_LENGTHS,
  InitiatorHandshake,
  RESPONSE_LENGTH,
  ResponderHandshake,
} from "../../lib/handshake/messages.js";
import {
  CIPHERTEXT_LENGTH,
  decodeInitiation,
  decodeResponse,
  encodeInitiation,
  encodeResponse,
  INITIATION_PAYLOAD_LENGTH,
  RESPONSE_PAYLOAD_LENGTH,
  VERDICTS,
  type InitiationSettings,
} from "../../lib/handshake/payloads.js";
import { generatePrivateKey, publicKey } from "../../lib/handshake/keys.js";
import { pairingFromKeys } from "../../lib/handshake/pairing.js";
import { anything, holds, orRefusal } from "./properties.js";

/** Bytes of a length, most of them zero: that is what the unused parts have to be. */
const sparse = (length: number) =>
  fc.array(fc.tuple(fc.nat(63), fc.nat(255)), { maxLength: 20 }).map((changes) => {
    const bytes = new Uint8Array(length);
    for (const [at, byte] of changes) bytes[at] = byte;
    return bytes;
  });
const payload = (length: number) => fc.oneof(sparse(length), fc.uint8Array({ minLength: length, maxLength: length }));

const direction = fc
  .record({
    length: fc.integer({ min: 100, max: 65_535 }),
    intervalNs: fc.integer({ min: 10_000, max: 1_000_000_000 }),
    part: fc.double({ min: 0, max: 1, noNaN: true }),
    jitterShape: fc.constantFrom("cos4" as const, "uniform" as const),
  })
  .map(({ part, ...rest }) => ({ ...rest, jitterNs: Math.floor(part * rest.intervalNs) }));
const DAY_MS = 86_400_000;
const timeout = fc.integer({ min: 1, max: DAY_MS });
const settings: fc.Arbitrary<InitiationSettings> = fc.record(
  {
    aeads: fc.nat(255).map((bits) => bits | 1),
    wire: fc.record({ up: direction, down: direction }, { noNullPrototype: true }),
    clientTimeoutMs: timeout,
    serverTimeoutMs: timeout,
  },
  { noNullPrototype: true },
);

t.test("payloads", async (t) => {
  await holds(t, "any initiation is read, clipped to the bounds", [payload(INITIATION_PAYLOAD_LENGTH)], (bytes) => {
    const { settings, understood, encapsulationKey } = decodeInitiation(bytes);
    const again = encodeInitiation({ ...settings, aeads: settings.aeads | 1 }, encapsulationKey);
    if (!decodeInitiation(again).understood) throw new Error("clipped settings are out of bounds");
    // Longer timeouts than a day are understood, and cut to one.
    const cut = bytes.slice();
    const view = new DataView(cut.buffer);
    for (const at of [40, 44]) view.setUint32(at, Math.min(view.getUint32(at), DAY_MS));
    if (understood && !Buffer.from(again).equals(cut)) throw new Error("understood, and another when written");
  });
  await holds(
    t,
    "settings come back as they were",
    [settings],
    (settings) => {
      const read = decodeInitiation(encodeInitiation(settings, new Uint8Array(1184)));
      ok(read.understood);
      deepStrictEqual(read.settings, settings);
    },
    5,
  );
  await holds(t, "any response is read or refused", [payload(RESPONSE_PAYLOAD_LENGTH)], (bytes) => {
    const read = orRefusal(() => decodeResponse(bytes), "ERR_I405_RESPONSE");
    if (read === undefined || read.limit === Number.MAX_SAFE_INTEGER) return;
    if (!Buffer.from(encodeResponse(read)).equals(bytes)) throw new Error("another when written");
  });
  const limit = fc.nat(Number.MAX_SAFE_INTEGER - 1);
  await holds(
    t,
    "a response comes back as it was",
    [fc.constantFrom(...VERDICTS), limit],
    (verdict, limit) => {
      const response = { verdict, aead: 0 as const, limit, ciphertext: new Uint8Array(CIPHERTEXT_LENGTH) };
      deepStrictEqual(decodeResponse(encodeResponse(response)), response);
    },
    5,
  );
  await holds(t, "other things than payloads are refused", [anything], (value) => {
    orRefusal(() => decodeInitiation(value as Uint8Array));
    orRefusal(() => decodeResponse(value as Uint8Array));
    orRefusal(() => encodeInitiation({ aeads: 1, wire: { up: {}, down: {} } } as never, value as Uint8Array));
  });
});

t.test("messages", async (t) => {
  const [one, other] = [generatePrivateKey(), generatePrivateKey()];
  const client = pairingFromKeys("client", { privateKey: one, peerPublicKey: publicKey(other) });
  const server = pairingFromKeys("server", { privateKey: other, peerPublicKey: publicKey(one) });
  const wire = { length: 1500, intervalNs: 1_000_000, jitterNs: 0, jitterShape: "cos4" } as const;
  const asked = { aeads: 3, wire: { up: wire, down: wire }, clientTimeoutMs: 1, serverTimeoutMs: 1 };
  const STAMP = 1_700_000_000_123;
  const flip = fc.tuple(fc.nat(INITIATION_LENGTHS.IKpsk2 - 1), fc.integer({ min: 1, max: 255 }));
  await holds(
    t,
    "a changed message is refused, and the genuine one still counts",
    [flip],
    ([at, bits]) => {
      const initiator = new InitiatorHandshake(client, STAMP, asked);
      const changed = (message: Uint8Array) => {
        const copy = Uint8Array.from(message);
        copy[at % copy.length]! ^= bits;
        return copy;
      };
      const taken = orRefusal(
        () => new ResponderHandshake(server, STAMP, changed(initiator.message)),
        "ERR_I405_HANDSHAKE",
      );
      if (taken !== undefined) throw new Error("a changed initiation was taken");
      const responder = new ResponderHandshake(server, STAMP, initiator.message);
      const { message } = responder.accept(chooseAead(3, 3));
      const early = orRefusal(() => initiator.readResponse(changed(message)), "ERR_I405_HANDSHAKE");
      if (early !== undefined) throw new Error("a changed response was taken");
      if (initiator.readResponse(message).verdict !== "accepted")
        throw new Error("the genuine response is not accepted");
    },
    50,
  );
  const lengths = [0, 1, RESPONSE_LENGTH, INITIATION_LENGTHS.IKpsk2, INITIATION_LENGTHS.NNpsk0];
  const anyMessage = fc.constantFrom(...lengths).chain((length) => payload(length));
  const initiator = new InitiatorHandshake(client, STAMP, asked);
  await holds(
    t,
    "bytes that nobody sealed are refused",
    [anyMessage],
    (message) => {
      const taken = [
        orRefusal(() => new ResponderHandshake(server, STAMP, message), "ERR_I405_HANDSHAKE"),
        orRefusal(() => initiator.readResponse(message), "ERR_I405_HANDSHAKE"),
      ];
      if (taken.some((each) => each !== undefined)) throw new Error("taken");
    },
    20,
  );
});
