/** The documents say what the program does: flags, exit codes, error codes, labels, and links that lead somewhere. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { OPTION_NAMES } from "../../bench/timing/selection.js";
import { AUDIT_TUNNEL_FLAGS } from "../../lib/cli/audit/options.js";
import { EXIT_CODES_HELP, exitCodeOf } from "../../lib/cli/exit-codes.js";
import { FLAGS } from "../../lib/cli/flag-table.js";
import { buildProgram } from "../../lib/cli/program.js";
import { CHECKS } from "../../lib/doctor/checks.js";
import { anchors, fences, localLinks } from "../../lab/texts/markdown.js";

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const documents = () =>
  readdirSync(join(ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`);
const DOCUMENTS = ["README.md", "CONTRIBUTING.md", ...documents()];

/** Flags of i405 that are not of `server` and `client`. */
const OTHER_FLAGS = ["help", "out", "password", "version", "seconds", "poll-mode"];
/** Flags of other programs in the documents' commands. */
const FOREIGN_FLAGS = [
  "json",
  "all-platforms",
  "no-setup",
  "vm",
  "hdd",
  "ulimit",
  "long-slots",
  "nano",
  "search",
  "reporter",
  "tests",
  ...OPTION_NAMES,
];
/** Of setpriv, systemctl, systemd-analyze and podman in deployment.md. */
const DEPLOYMENT_FLAGS =
  "reuid regid init-groups no-new-privs inh-caps ambient-caps bounding-set now offline rm name cap-drop cap-add read-only " +
  "volume publish network privileged";
/** Flags of `npm run fuzz`, and of cargo in its document. */
const FUZZ_FLAGS = ["executions", "sanitizer", "minimise", "test"];
/** Flags by their whole names, where prose writes `--outgoing-...`. */
const FAMILIES = ["up-", "down-", "outgoing-", "incoming-"];

/** Flags of `i405 doctor` and of no other command. */
const DOCTOR_FLAGS = ["no-measure", "quick", "uplink", "fix", "undo", "undo-file", "dry-run"];

/** Flags of `i405 audit` and of no other command. */
const AUDIT_FLAGS = buildProgram(() => undefined, { out: () => undefined })
  .commands.find((command) => command.name() === "audit")!
  .options.map(({ long }) => long!.slice(2));

function flagsIn(text: string): string[] {
  return [...text.matchAll(/(?<![\w-])--([a-z][a-z0-9-]*)/g)].map(([, name = ""]) => name);
}

t.test("every flag is in commands.md, and no other", async (t) => {
  const known = new Set(FLAGS.flatMap(({ name, aliases }) => [name, ...(aliases ?? [])]));
  const documented = new Set(flagsIn(read("docs/commands.md")));
  t.same(
    FLAGS.map(({ name }) => name).filter((name) => !documented.has(name)),
    [],
  );
  for (const document of DOCUMENTS) {
    const all = [
      ...known,
      ...OTHER_FLAGS,
      ...DOCTOR_FLAGS,
      ...AUDIT_FLAGS,
      ...FOREIGN_FLAGS,
      ...DEPLOYMENT_FLAGS.split(" "),
      ...FUZZ_FLAGS,
      ...FAMILIES,
    ];
    const unknown = flagsIn(read(document)).filter((name) => !all.includes(name));
    t.same(unknown, [], document);
  }
});

t.test("every flag of the audit is in audit.md", async (t) => {
  const documented = new Set(flagsIn(read("docs/audit.md")));
  // Those of its tunnel are the client's, and in commands.md.
  const tunnels = new Set(AUDIT_TUNNEL_FLAGS.map(({ name }) => name));
  t.same(
    AUDIT_FLAGS.filter((name) => !documented.has(name) && !tunnels.has(name)),
    [],
  );
});

t.test("a config file in the documents has keys that are flags", async (t) => {
  const files = DOCUMENTS.flatMap((document) => fences(read(document))).filter(({ language }) => language === "toml");
  t.ok(files.length > 0);
  for (const { text } of files) {
    for (const [, key = ""] of text.matchAll(/^([\w-]+) = /gm))
      t.ok(
        FLAGS.find(({ name }) => name === key),
        key,
      );
  }
});

t.test("every exit code is in commands.md", async (t) => {
  const codes = [...EXIT_CODES_HELP.matchAll(/^ {2}(\d+) /gm)].map(([, code]) => code);
  t.same(codes, ["0", "1", "2", "3", "4", "5", "6", "7", "128"]);
  for (const code of codes) t.match(read("docs/commands.md"), new RegExp(`^\\| ${code}\\b`, "m"));
});

t.test("every check of the doctor is in doctor.md, and no other", async (t) => {
  const section = /^## What it looks at$([^]*?)^## /m.exec(read("docs/doctor.md"))?.[1] ?? "";
  const documented = [...section.matchAll(/^\| `([a-z-]+)` +\|/gm)].map(([, id = ""]) => id);
  const measured = ["addon", "measured-losses", "measured-lateness", "uplink"];
  t.same([...documented].sort(), [...CHECKS.map(({ id }) => id), ...measured].sort());
});

/** What the addon is made of. */
const CRATES = ["sys", "rt", "process", "probe", "bridge", "node"].map((name) => `crates/i405-${name}/src`);

/** Everything that the program is made of. */
function sourceTexts(folders = ["lib", ...CRATES]): string[] {
  return folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => /\.(ts|rs)$/.test(name))
      .map((name) => read(join(folder, name))),
  );
}

t.test("every code of the program is in errors.md, errors with their exit codes", async (t) => {
  const texts = sourceTexts();
  const codesIn = (pattern: RegExp) =>
    [...new Set(texts.flatMap((text) => [...text.matchAll(pattern)].map(([, code = ""]) => code)))].sort();
  const [errors = "", warnings = ""] = read("docs/errors.md").split("## Warnings");
  const rows = [...errors.matchAll(/^\| `(ERR_\w+)` \|.*\| (\d) \|$/gm)];
  const inside = ["ERR_I405_HANDSHAKE", "ERR_I405_NOISE"];
  t.same([...rows.map(([, code]) => code!), ...inside].sort(), codesIn(/"(ERR_I405_[A-Z0-9_]*[A-Z0-9])"/g));
  for (const [, code = "", exit] of rows) t.equal(exitCodeOf(code), Number(exit), code);
  // Variables of the environment look alike.
  const variables = /^I405_(PASSWORD|PRIVATE_KEY|PRESHARED_KEY|BENCH_.*|FUZZ_.*)$/;
  t.same(
    [...warnings.matchAll(/^\| `(I405_\w+)` \|/gm)].map(([, code]) => code).sort(),
    codesIn(/"(I405_[A-Z0-9_]*[A-Z0-9])"/g).filter((code) => !variables.test(code)),
  );
});

t.test("the files that CONTRIBUTING.md and architecture.md name are there", async (t) => {
  const files = ["lib", "crates", "scripts", "lab", "test", "types"].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).map((name) => `/${folder}/${name}`),
  );
  // The documents leave out what every crate has: crates/i405-rt/src/send/slots.rs is send/slots.rs.
  const known = files.map((file) => file.replace("/src/", "/"));
  for (const document of ["CONTRIBUTING.md", "docs/architecture.md"]) {
    const named = [...read(document).matchAll(/`([\w./-]+\.(?:ts|rs|mjs))`/g)].map(([, name = ""]) => name);
    t.ok(named.length > 10, document);
    for (const name of named) {
      const short = `/${name.replace("/src/", "/")}`;
      t.ok(existsSync(join(ROOT, name)) || known.some((file) => file.endsWith(short)), `${document}: ${name}`);
    }
  }
});

t.test("every bench is in benches.md", async (t) => {
  const table = read("docs/benches.md").split("## The timing bench")[0]!;
  const cells = [...table.matchAll(/^\| (`[^|]*`) \|/gm)].map(([, cell = ""]) => cell);
  const documented = cells.flatMap((cell) => [...cell.matchAll(/`([\w-]+)`/g)].map(([, name]) => name));
  const benches = readdirSync(join(ROOT, "bench")).filter((name) => name.endsWith(".ts"));
  t.same(documented.sort(), benches.map((name) => name.slice(0, -3)).sort());
});

t.test("codes in the documents are codes in the program", async (t) => {
  const sources = [...sourceTexts(), ...sourceTexts(["crates/i405-fuzz/tests", "test/fuzz"])];
  for (const document of DOCUMENTS) {
    for (const [code] of read(document).matchAll(/\b(?:ERR_)?I405_[A-Z_]*[A-Z]\b/g)) {
      // Variables of the environment look alike, and are in the sources as well.
      t.ok(
        sources.find((text) => text.includes(code)),
        `${document}: ${code}`,
      );
    }
  }
});

t.test("the protocol's labels and sections are those that the code names", async (t) => {
  const protocol = read("docs/protocol.md");
  const headings = anchors(protocol);
  const sources = ["lib", "crates/i405-proto/src", "lab/plain"].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => /\.(ts|rs)$/.test(name))
      .map((name) => read(join(folder, name))),
  );
  const cited = sources.flatMap((text) =>
    [...text.matchAll(/docs\/protocol\.md, "([^"]+)"/g)].map(([, heading = ""]) => heading),
  );
  t.ok(cited.length > 5);
  for (const heading of new Set(cited)) t.ok(headings.includes(anchors(`# ${heading}`)[0] ?? ""), heading);
  const scripts = ["lib/handshake", "lib/session", "lab/plain"].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => read(join(folder, name))),
  );
  const labels = scripts.flatMap((text) =>
    [...text.matchAll(/"(i405[ /][a-z0-9/ ]+)"/g)].map(([, label = ""]) => label),
  );
  t.ok(labels.length > 5);
  for (const label of new Set(labels)) t.ok(protocol.includes(`"${label}"`), label);
});

t.test("links lead somewhere", async (t) => {
  for (const document of DOCUMENTS) {
    for (const link of localLinks(read(document))) {
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? document : join(dirname(document), path);
      t.ok(existsSync(join(ROOT, target)), `${document}: ${link}`);
      if (anchor !== undefined) t.ok(anchors(read(target)).includes(anchor), `${document}: ${link}`);
    }
  }
});
