/** Payload bytes, at the offsets that docs/protocol.md gives. */
import t from "tap";
import {
  decodeInitiation,
  decodeResponse,
  encodeInitiation,
  encodeResponse,
  VERDICTS,
  type InitiationSettings,
} from "../../lib/handshake/payloads.js";
import { randomBytes } from "../../lab/random.js";

const settings: InitiationSettings = {
  aeads: 3,
  wire: {
    up: { length: 1500, intervalNs: 8_500_000, jitterNs: 2_125_000, jitterShape: "cos4" },
    down: { length: 100, intervalNs: 1_000_000_000, jitterNs: 0, jitterShape: "uniform" },
  },
  clientTimeoutMs: 10_000,
  serverTimeoutMs: 86_400_000,
};
const encapsulationKey = randomBytes(1184);

/** Written by hand from the text: two bytes, two directions of 19, two timeouts, zeros to 64. */
function byHand(): Buffer {
  return Buffer.concat([
    Buffer.from("0300", "hex"),
    Buffer.from("05dc" + "000000000081b320" + "0000000000206cc8" + "00", "hex"),
    Buffer.from("0064" + "000000003b9aca00" + "0000000000000000" + "01", "hex"),
    Buffer.from("00002710" + "05265c00", "hex"),
    Buffer.alloc(16),
    encapsulationKey,
  ]);
}

t.test("an initiation, byte for byte, there and back", (t) => {
  const payload = encodeInitiation(settings, encapsulationKey);
  t.equal(payload.length, 1248);
  t.same(Buffer.from(payload), byHand());
  const read = decodeInitiation(payload);
  t.equal(read.understood, true);
  t.same(read.settings, settings);
  t.same(Buffer.from(read.encapsulationKey), encapsulationKey);
  t.same(decodeInitiation(Buffer.concat([randomBytes(7), payload]).subarray(7)), read, "from a view inside a buffer");
  t.end();
});

t.test("settings that make no sense are not understood, and clipped for the refusal's schedule", (t) => {
  const up = (field: string) => (wire: InitiationSettings["wire"]) => wire.up[field as "length"];
  const cases: [string, number, string, ((wire: InitiationSettings["wire"]) => unknown) | null, unknown][] = [
    ["no ChaCha20-Poly1305", 0, "02", null, null],
    ["reserved byte", 1, "01", null, null],
    ["length 99", 2, "0063", up("length"), 100],
    ["interval 0", 4, "0000000000000000", up("intervalNs"), 10_000],
    ["interval below 10 us", 4, "000000000000270f", up("intervalNs"), 10_000],
    ["interval above 1 s", 4, "000000003b9aca01", up("intervalNs"), 1_000_000_000],
    ["interval of 2^64 - 1", 4, "ffffffffffffffff", up("intervalNs"), 1_000_000_000],
    ["jitter above the interval", 12, "000000000081b321", up("jitterNs"), 8_500_000],
    ["jitter of 2^64 - 1", 12, "ffffffffffffffff", up("jitterNs"), 8_500_000],
    ["shape 2", 20, "02", up("jitterShape"), "cos4"],
    ["down shape 255", 39, "ff", (wire) => wire.down.jitterShape, "cos4"],
    ["client timeout 0", 40, "00000000", null, null],
    ["server timeout 0", 44, "00000000", null, null],
    ["first zero set", 48, "01", null, null],
    ["last zero set", 63, "01", null, null],
  ];
  for (const [what, offset, hex, pick, expected] of cases) {
    const payload = byHand();
    payload.write(hex, offset, "hex");
    const read = decodeInitiation(payload);
    t.equal(read.understood, false, what);
    if (pick !== null) t.equal(pick(read.settings.wire), expected, `${what}: clipped`);
    t.ok(read.settings.clientTimeoutMs > 0 && read.settings.serverTimeoutMs > 0);
  }
  t.end();
});

t.test("timeouts above a day are read as a day", (t) => {
  for (const [hex, ms] of [
    ["05265c00", 86_400_000],
    ["05265c01", 86_400_000],
    ["ffffffff", 86_400_000],
    ["05265bff", 86_399_999],
  ] as const) {
    const payload = byHand();
    payload.write(hex + hex, 40, "hex");
    t.match(decodeInitiation(payload), { understood: true, settings: { clientTimeoutMs: ms, serverTimeoutMs: ms } });
  }
  t.end();
});

t.test("an AEAD of the future may be offered", (t) => {
  const payload = byHand();
  payload[0] = 0xff;
  t.match(decodeInitiation(payload), { understood: true, settings: { aeads: 255 } });
  t.end();
});

t.test("whatever bytes come, an initiation decodes to a schedule that can be run", (t) => {
  for (let round = 0; round < 500; round += 1) {
    const { settings } = decodeInitiation(randomBytes(1248));
    // Encoding refuses whatever is out of bounds.
    const read = decodeInitiation(encodeInitiation({ ...settings, aeads: 1 }, encapsulationKey));
    t.same(read.settings.wire, settings.wire);
  }
  t.end();
});

t.test("settings outside the protocol's bounds can't be asked for", (t) => {
  const refuse = (option: string, changed: InitiationSettings) => {
    t.throws(() => encodeInitiation(changed, encapsulationKey), { code: "ERR_I405_OPTION", option }, option);
  };
  const down = (changed: object) => ({
    ...settings,
    wire: { ...settings.wire, down: { ...settings.wire.down, ...changed } },
  });
  refuse("aeads", { ...settings, aeads: 2 });
  refuse("aeads", { ...settings, aeads: 256 });
  refuse("down.length", down({ length: 99 }));
  refuse("down.length", down({ length: 65_536 }));
  refuse("down.intervalNs", down({ intervalNs: 9_999 }));
  refuse("down.intervalNs", down({ intervalNs: 20_000.5 }));
  refuse("down.intervalNs", down({ intervalNs: Number.NaN }));
  refuse("down.jitterNs", down({ jitterNs: 1_000_000_001 }));
  refuse("down.jitterNs", down({ jitterNs: -1 }));
  refuse("down.jitterShape", down({ jitterShape: "cos2" }));
  refuse("clientTimeoutMs", { ...settings, clientTimeoutMs: 0 });
  refuse("serverTimeoutMs", { ...settings, serverTimeoutMs: 86_400_001 });
  t.throws(() => encodeInitiation(settings, randomBytes(1183)), { code: "ERR_I405_KEY", option: "encapsulationKey" });
  t.end();
});

t.test("responses, byte for byte, there and back", (t) => {
  const ciphertext = randomBytes(1088);
  const verdicts = ["accepted", "length", "interval", "bandwidth", "notUnderstood"] as const;
  t.same(VERDICTS, verdicts);
  for (const [number, verdict] of verdicts.entries()) {
    const response = { verdict, aead: number === 0 ? 1 : 0, limit: number * 100_000_000_000, ciphertext } as const;
    const payload = encodeResponse(response);
    const limit = Buffer.alloc(8);
    limit.writeBigUInt64BE(BigInt(response.limit));
    t.same(
      Buffer.from(payload),
      Buffer.concat([Buffer.from([number, response.aead]), limit, Buffer.alloc(22), ciphertext]),
      verdict,
    );
    const read = decodeResponse(payload);
    t.same({ ...read, ciphertext: Buffer.from(read.ciphertext) }, response);
  }
  t.end();
});

t.test("a response that this version does not know is refused", (t) => {
  for (const [offset, value] of [
    [0, 5],
    [0, 255],
    [1, 2],
    [10, 1],
    [31, 1],
  ] as const) {
    const payload = Buffer.alloc(1120);
    payload[offset] = value;
    t.throws(() => decodeResponse(payload), { code: "ERR_I405_RESPONSE" }, `byte ${offset} = ${value}`);
  }
  const payload = Buffer.alloc(1120);
  payload[0] = 3;
  payload.fill(0xff, 2, 10);
  t.equal(decodeResponse(payload).limit, Number.MAX_SAFE_INTEGER, "a limit beyond what a number holds is clipped");
  t.end();
});
