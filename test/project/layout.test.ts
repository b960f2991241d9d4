/**
 * The lint rule that holds lib/ in its order (scripts/lint/layout.mjs), as eslint.config.js sets it: it is silent about
 * lib/ as it is, and speaks about each file once something wrong is planted in its text.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ESLint } from "eslint";
import t from "tap";

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const RULE = "i405/layout";

const eslint = new ESLint({
  cwd: ROOT,
  ruleFilter: ({ ruleId }) => ruleId === RULE,
  // The rule reads text; types would only cost time.
  overrideConfig: { languageOptions: { parserOptions: { projectService: false } } },
});

/** What the rule says of a file once these lines stand before its own. */
async function saidOf(file: string, planted: string): Promise<string[]> {
  let text = "";
  try {
    text = readFileSync(join(ROOT, file), "utf8");
  } catch {
    // A file that isn't there consists of what is planted.
  }
  const [result] = await eslint.lintText(`${planted}\n${text}`, { filePath: join(ROOT, file) });
  return result!.messages.map(({ ruleId, message }) => `${ruleId ?? "parser"}: ${message}`);
}

t.test("lib/ and the contract are in order", async (t) => {
  const results = await eslint.lintFiles(["lib", "index.d.ts", "types"]);
  t.ok(results.length > 250, `${results.length} files`);
  // A comment that switches the rule off would be an exception, and there are none.
  const said = results.flatMap(({ filePath, messages, suppressedMessages }) =>
    [...messages, ...suppressedMessages]
      .filter(({ ruleId }) => ruleId === RULE)
      .map(({ message }) => `${filePath}: ${message}`),
  );
  t.same(said, []);
});

t.test("an upward import is refused, however it is written", async (t) => {
  for (const planted of [
    'import { ServerMachine } from "../session/server-machine.js";',
    'import type { ServerMachine } from "../session/server-machine.js";',
    'import "../session/server-machine.js";',
    'export * from "../session/server-machine.js";',
    'export type { ServerMachine } from "../session/server-machine.js";',
    'type Planted = import("../session/server-machine.js").ServerMachine;',
    'const planted = () => import("../session/server-machine.js");',
  ]) {
    const said = await saidOf("lib/names/lookup.ts", planted);
    t.match(said, [/^i405\/layout: names may not import session, only contract, common, native, names$/], planted);
  }
});

t.test("each folder is refused what is above it", async (t) => {
  const cases: [file: string, imported: string, from: string, to: string][] = [
    ["lib/common/units.ts", "../native/addon.js", "common", "native"],
    ["lib/native/clock.ts", "../names/resolve.js", "native", "names"],
    ["lib/names/resolve.ts", "../handshake/keys.js", "names", "handshake"],
    ["lib/handshake/noise/suite.ts", "../../options/linger.js", "handshake", "options"],
    ["lib/options/linger.ts", "../session/machine.js", "options", "session"],
    ["lib/session/machine.ts", "../tunnel/tunnel.js", "session", "tunnel"],
    ["lib/tunnel/stats.ts", "../metrics/host.js", "tunnel", "metrics"],
    ["lib/tunnel/closing.ts", "../index.js", "tunnel", "index.ts"],
    ["lib/index.ts", "./audit/index.js", "index.ts", "audit"],
    ["lib/statistics/quantile.ts", "../audit/gaps.js", "statistics", "audit"],
    ["lib/audit/capture/clock.ts", "../../doctor/parse.js", "audit", "doctor"],
    ["lib/doctor/parse.ts", "../metrics/host.js", "doctor", "metrics"],
    ["lib/metrics/host.ts", "../cli/io.js", "metrics", "cli"],
    // Tools use the public API, and not what is behind it.
    ["lib/statistics/quantile.ts", "../native/clock.js", "statistics", "native"],
    ["lib/audit/gaps.ts", "../session/times.js", "audit", "session"],
    ["lib/doctor/parse.ts", "../handshake/payloads.js", "doctor", "handshake"],
    ["lib/metrics/host.ts", "../tunnel/stats.js", "metrics", "tunnel"],
    ["lib/cli/io.ts", "../options/settings.js", "cli", "options"],
    ["types/options.d.ts", "../lib/common/units.js", "contract", "common"],
  ];
  for (const [file, imported, from, to] of cases) {
    const said = await saidOf(file, `import type {} from "${imported}";`);
    const [upward] = said.filter((each) => each.includes("may not import"));
    t.ok(upward?.startsWith(`${RULE}: ${from} may not import ${to}, only `), `${file} -> ${imported}: ${String(said)}`);
  }
});

t.test("a circle within one folder is refused, and shown", async (t) => {
  // units.ts imports errors.ts.
  t.match(await saidOf("lib/common/errors.ts", 'import type { DurationRange } from "./units.js";'), [
    /circle: lib\/common\/errors\.ts -> lib\/common\/units\.ts -> lib\/common\/errors\.ts\. /,
  ]);
  // lifecycle.ts imports opening.ts, which imports persistence.ts.
  t.match(await saidOf("lib/tunnel/persistence.ts", 'import { Lifecycle } from "./lifecycle.js";'), [
    /circle: (lib\/tunnel\/)persistence\.ts -> \1lifecycle\.ts -> \1opening\.ts -> \1persistence\.ts\. /,
  ]);
  t.match(await saidOf("lib/common/units.ts", 'import "./units.js";'), [/circle: .*units\.ts -> .*units\.ts\. /]);
});

t.test("what has no place in the layout is refused", async (t) => {
  t.match(await saidOf("lib/planted.ts", ""), [
    /^i405\/layout: lib\/planted\.ts lies in no folder that the layout knows/,
  ]);
  t.match(await saidOf("lib/planted/file.ts", ""), [/lib\/planted\/file\.ts lies in no folder/]);
  t.match(await saidOf("lib/cli/io.ts", 'import "../../lab/host/netns.js";'), [
    /imports nothing but itself and the contract, and this is lab\/host\/netns\.ts$/,
  ]);
  t.match(await saidOf("lib/common/units.ts", 'import type { Wire } from "i405";'), [/imports itself by its name/]);
});
