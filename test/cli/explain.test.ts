import t from "tap";
import { errorLines, explainError } from "../../lib/cli/explain.js";
import { FROM_FLAGS, type Given } from "../../lib/cli/settings.js";
import { I405Error } from "../../lib/common/errors.js";

function settings(entries: Record<string, Given>): Map<string, Given> {
  return new Map(Object.entries(entries));
}

t.test("an option is called by its flag", async (t) => {
  const error = new I405Error("ERR_I405_OPTION", 'up.interval: got "5us", expected "10us" to "1s"', {
    option: "up.interval",
  });
  t.same(explainError(error, "client"), {
    code: "ERR_I405_OPTION",
    message: '--up-packet-interval: got "5us", expected "10us" to "1s"',
    option: "up-packet-interval",
  });
});

t.test("and by the config file that it came from", async (t) => {
  const error = new I405Error("ERR_I405_OPTION", 'peer: got "x"', { option: "peer" });
  const { message } = explainError(error, "client", settings({ peer: { value: "x", source: "/etc/c.toml" } }));
  t.equal(message, '--peer in /etc/c.toml: got "x"');
});

t.test("of several flags for one option, the one that was given", async (t) => {
  const error = new I405Error("ERR_I405_KEY", "password: got 3 characters", { option: "password" });
  const given = { value: "abc", source: FROM_FLAGS };
  t.match(explainError(error, "client", settings({ password: given })).message, /^--password: /);
  t.match(explainError(error, "client", settings({ "password-file": given })).message, /^--password-file: /);
});

t.test("what the machine refuses is given a flag and a remedy", async (t) => {
  const inUse = new I405Error("ERR_I405_ADDRESS_IN_USE", "cannot bind the local address 0.0.0.0:1405");
  t.equal(
    errorLines(explainError(inUse, "server"), "i405 server"),
    "i405 server: --listen-addr: cannot bind the local address 0.0.0.0:1405 (ERR_I405_ADDRESS_IN_USE)\n" +
      "  Choose another port, or end the program that has it (ss -ulpn)",
  );
  const tun = new I405Error("ERR_I405_TUN_PERMISSION", "not permitted to create a TUN interface");
  t.match(explainError(tun, "client").message, /^--device: not permitted.*\nRun it as root.*--device packets$/);
});

t.test("options inside a message are called by their flags too", async (t) => {
  const error = new I405Error("ERR_I405_OPTION", 'up.interval: got "1ms" beside up.rate', { option: "up.interval" });
  t.equal(explainError(error, "client").message, '--up-packet-interval: got "1ms" beside --up-speed');
});

t.test("anything else is a mistake of ours, on one line and without a stack", async (t) => {
  const text = errorLines(explainError(new TypeError("x is not a function")), "i405");
  t.equal(text, "i405: a mistake of i405's own: TypeError: x is not a function (ERR_I405_INTERNAL)");
  t.match(explainError("thrown text").message, /thrown text/);
});
