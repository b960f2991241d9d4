/** The command line and the config file, with anything on them: one of the documented exit codes, and a message. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { stringify } from "smol-toml";
import t from "tap";
import { runCli } from "../../lib/cli/cli.js";
import { readConfig } from "../../lib/cli/config.js";
import { EXIT_OK, EXIT_USAGE } from "../../lib/cli/exit-codes.js";
import { FLAGS } from "../../lib/cli/flag-table.js";
import { flagsOf } from "../../lib/cli/flags.js";
import { pretendWorld } from "../../lab/fake/cli-world.js";
import { holds, orRefusal } from "./properties.js";

const folder = mkdtempSync(join(tmpdir(), "i405-fuzz-"));
/** Where a relative path leads to. */
const current = mkdtempSync(join(tmpdir(), "i405-fuzz-"));
const before = process.cwd();
process.chdir(current);
t.teardown(() => {
  process.chdir(before);
  for (const each of [folder, current]) rmSync(each, { recursive: true });
});

const names = FLAGS.flatMap(({ name, aliases }) => [name, ...(aliases ?? [])]);
const words = ["8.5ms", "1MiB/s", "203.0.113.7:1405", "10.0.0.2/24", "1500", "0x1405", "dozy", "packets", "0,1", "-1"];
const word = fc.oneof(
  fc.constantFrom(...words),
  fc.string({ maxLength: 30 }),
  fc.string({ unit: "binary", maxLength: 9 }),
);
const flag = fc.oneof({ arbitrary: fc.constantFrom(...names), weight: 9 }, { arbitrary: fc.string(), weight: 1 });
const argument = fc.oneof(
  fc.tuple(flag, word).map(([name, value]) => [`--${name}`, value]),
  fc.tuple(flag, word).map(([name, value]) => [`--${name}=${value}`]),
  flag.map((name) => [`--${name}`]),
  word.map((word) => [word]),
);
/** A command that would open, before whatever else comes. */
const command = fc.constantFrom(
  ["client", "--peer", "203.0.113.7:1405", "--password", "a-long-password"],
  ["server", "--listen-addr", "0.0.0.0:1405", "--password", "a-long-password"],
  ["client"],
  ["server"],
);

t.test("flags", async (t) => {
  const parameters = fc.tuple(command, fc.array(argument, { maxLength: 6 })).map((parts) => parts.flat(2));
  await holds(
    t,
    "any parameters end as documented",
    [parameters],
    async (parameters) => {
      const world = pretendWorld();
      world.stop.request();
      const code = await runCli(parameters, world);
      // With --json, what went wrong is an event on standard output.
      const said = world.errors() + world.output();
      if (code !== EXIT_OK && code !== EXIT_USAGE) throw new Error(`exit code ${code}: ${said}`);
      if (code === EXIT_USAGE && said.trim() === "") throw new Error("refused without a word");
      if (/\bat .*\.[tj]s:\d+/.test(said) || said.includes("TypeError")) throw new Error(`a stack trace: ${said}`);
      if (said.includes("a-long-password")) throw new Error("it tells the password");
      const left = readdirSync(current);
      if (left.length > 0) throw new Error(`it left ${left.join(", ")} behind`);
    },
    2,
  );
});

t.test("config file", async (t) => {
  const file = join(folder, "config.toml");
  const allNames = new Set(names);
  const read = (text: string) => {
    writeFileSync(file, text, { mode: 0o600 });
    return orRefusal(() => readConfig(file, flagsOf("client"), allNames), "ERR_I405_CONFIG");
  };
  await holds(t, "any text is read or refused", [fc.oneof(fc.string(), fc.string({ unit: "binary" }))], (text) => {
    read(text);
  });
  const value = fc.oneof(
    word,
    fc.integer(),
    fc.boolean(),
    fc.array(word),
    fc.array(fc.nat()),
    fc.date({ noInvalidDate: true }),
  );
  const table = fc.dictionary(flag, value, { maxKeys: 5 });
  await holds(t, "any table is read or refused", [table], (table) => {
    const values = read(stringify(table));
    for (const name of values?.keys() ?? []) if (!FLAGS.some((flag) => flag.name === name)) throw new Error(name);
  });
  const nearly = fc.array(fc.oneof(flag, word, fc.constantFrom("=", "\n", "[", "]", '"', "'", "#", "{", ".")));
  await holds(t, "what looks like TOML is read or refused", [nearly], (parts) => {
    read(parts.join(""));
  });
});
