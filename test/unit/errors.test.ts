import { inspect } from "node:util";
import t from "tap";
import { describe, describeSecret, I405Error, optionError } from "../../lib/common/errors.js";
import { requireBytes, zero } from "../../lib/common/secrets.js";

t.test("an error carries code, option and cause", (t) => {
  const cause = new Error("why");
  const error = new I405Error("ERR_I405_OPTION", "message", { option: "up.interval", cause });
  t.ok(error instanceof Error);
  t.equal(error.name, "I405Error");
  t.match(error, { code: "ERR_I405_OPTION", option: "up.interval", cause, message: "message" });
  t.match(inspect(error), /I405Error: message/);
  const bare = new I405Error("ERR_I405_X", "message");
  t.equal("cause" in bare, false);
  t.equal("option" in bare, false);
  t.end();
});

t.test("a bad option: which, what came, what was expected, what to do", (t) => {
  const error = optionError({
    option: "up.interval",
    came: describe("5us"),
    expected: '"10us" to "1s"',
    remedy: "Lengthen it",
  });
  t.equal(error.message, 'up.interval: got "5us", expected "10us" to "1s". Lengthen it');
  t.match(error, { code: "ERR_I405_OPTION", option: "up.interval" });
  t.equal(optionError({ option: "a", came: "1", expected: "2", code: "ERR_I405_KEY" }).code, "ERR_I405_KEY");
  t.end();
});

t.test("values are shown short, on one line", (t) => {
  t.equal(describe("a\nb"), '"a\\nb"');
  t.equal(describe("x".repeat(1000)).length, 65);
  t.equal(describe(-0.5), "-0.5");
  t.equal(describe(5n), "5n");
  t.equal(describe(undefined), "undefined");
  t.equal(describe(null), "null");
  t.equal(describe([1]), "an array");
  t.equal(
    describe({
      toString: () => {
        throw new Error("hostile");
      },
    }),
    "an object",
  );
  t.equal(describe(new Uint8Array(3)), "3 bytes");
  t.equal(describe(Symbol("s")), "a symbol");
  t.end();
});

t.test("secrets are described and not quoted", (t) => {
  t.equal(describeSecret("hunter2"), "a string of 7 characters");
  t.equal(describeSecret("x"), "a string of 1 character");
  t.equal(describeSecret(""), "an empty string");
  t.equal(describeSecret(12345), "a number");
  t.equal(describeSecret(Buffer.from("x")), "1 byte");
  t.equal(describeSecret(undefined), "undefined");
  t.end();
});

t.test("bytes are checked by name, and zeroed", (t) => {
  for (const value of [undefined, null, "a".repeat(4), [1, 2, 3, 4], new Uint8Array(3), new Uint16Array(4)]) {
    t.throws(
      () => {
        requireBytes("field", value, 4);
      },
      { code: "ERR_I405_KEY", option: "field" },
    );
  }
  const bytes = Buffer.from([1, 2, 3, 4]);
  requireBytes("field", bytes, 4);
  zero(bytes, null, undefined);
  t.same(bytes, Buffer.alloc(4));
  t.end();
});
