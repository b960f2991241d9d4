/** The dashboard and the alert rules: they parse, and every metric, label and value that they name exists. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parser } from "@prometheus-io/lezer-promql";
import { Registry } from "prom-client";
import t from "tap";
import { parse } from "yaml";
import { LATENESS } from "../../lib/metrics/definitions.js";
import { registerMetrics } from "../../lib/metrics/index.js";
import { CONNECTION, PretendTunnel } from "../../lab/fake/cli-world.js";
import { SOME_STATS } from "../../lab/fake/cli-stats.js";
import { samplesOf } from "../../lab/texts/exposition.js";

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

/** Labels that Prometheus adds to what it scrapes. */
const SCRAPED = ["instance", "job"];
/** What Prometheus itself makes of each target. */
const PROMETHEUS = new Map([["up", new Map<string, Set<string>>()]]);

/** Every series of a tunnel: names, their labels and those labels' values. */
async function exposed(): Promise<Map<string, Map<string, Set<string>>>> {
  const tunnel = new PretendTunnel({});
  const registry = new Registry();
  const lateness = [{ source: "call" as const, boundsNs: [1000], counts: [1, 0], sumNs: 1n }];
  tunnel.stats = () => ({ ...SOME_STATS, lateness });
  registerMetrics(tunnel, { registry, name: "client" });
  tunnel.connection = CONNECTION;
  for (const code of ["I405_X", "I405_SHARED_SECRET"]) tunnel.emit("warning", { code, message: "", remedy: "" });
  const found = new Map(PROMETHEUS);
  for (const { name, labels } of samplesOf(await registry.metrics())) {
    const known = found.get(name) ?? new Map<string, Set<string>>();
    for (const [label, value] of Object.entries(labels)) known.set(label, (known.get(label) ?? new Set()).add(value));
    found.set(name, known);
  }
  return found;
}

interface Selector {
  name: string;
  matchers: { label: string; operator: string; value: string }[];
}

/** The selectors of an expression. @throws where the expression doesn't parse */
function selectors(expression: string): Selector[] {
  // Grafana puts a duration in its place.
  const text = expression.replaceAll("$__rate_interval", "5m");
  const found: Selector[] = [];
  const part = ({ from, to }: { from: number; to: number }) => text.slice(from, to);
  parser.parse(text).iterate({
    enter: ({ type, node }) => {
      if (type.isError) throw new Error(`at ${node.from}: ${text}`);
      if (type.name !== "VectorSelector") return;
      const matchers = node.getChild("LabelMatchers")?.getChildren("UnquotedLabelMatcher") ?? [];
      found.push({
        name: part(node.getChild("Identifier")!),
        matchers: matchers.map((matcher) => ({
          label: part(matcher.getChild("LabelName")!),
          operator: part(matcher.getChild("MatchOp")!),
          value: part(matcher.getChild("StringLiteral")!).slice(1, -1),
        })),
      });
    },
  });
  return found;
}

interface Rule {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: { summary: string; description: string };
}

const rules = (parse(read("deploy/prometheus-alerts.yml")) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);
interface Panel {
  title: string;
  targets?: { expr: string; legendFormat: string }[];
}
const dashboard = JSON.parse(read("deploy/grafana-dashboard.json")) as {
  panels: Panel[];
  templating: { list: { query: string | { query: string } }[] };
};
const expressions = [
  ...rules.map(({ alert, expr }) => ({ where: alert, expr })),
  ...dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ where: title, expr }))),
];

t.test("expressions parse, and a broken one would not", async (t) => {
  t.ok(expressions.length > 30);
  for (const { where, expr } of expressions) t.ok(selectors(expr).length > 0, where);
  for (const broken of ["rate(i405_x[5m]", "sum by (le rate(i405_x[5m])", "i405_x{=1}", "1 +"]) {
    t.throws(() => selectors(broken), broken);
  }
});

t.test("every metric, label and value in them exists", async (t) => {
  const series = await exposed();
  for (const { where, expr } of expressions) {
    for (const { name, matchers } of selectors(expr)) {
      const labels = series.get(name);
      t.ok(labels, `${where}: ${name}`);
      for (const { label, operator, value } of matchers) {
        if (SCRAPED.includes(label) || value.includes("$")) continue;
        const values = [...(labels?.get(label) ?? [])];
        const matches =
          operator === "=~"
            ? (each: string) => new RegExp(`^(${value})$`).test(each)
            : (each: string) => each === value;
        t.ok(values.some(matches), `${where}: ${name}{${label}${operator}"${value}"}`);
      }
    }
  }
});

t.test("the dashboard's variables and legends name what there is", async (t) => {
  const series = await exposed();
  const labels = new Set([...SCRAPED, ...[...series.values()].flatMap((known) => [...known.keys()])]);
  for (const { query } of dashboard.templating.list) {
    const text = typeof query === "string" ? query : query.query;
    const [, name = "", label = ""] = /^label_values\((\w+)(?:\{.*\})?, (\w+)\)$/.exec(text) ?? [];
    if (text === "prometheus") continue;
    t.ok(series.has(name), text);
    t.ok(labels.has(label), text);
  }
  for (const { title, targets = [] } of dashboard.panels) {
    for (const { legendFormat } of targets) {
      for (const [, label = ""] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
        t.ok(labels.has(label), `${title}: ${label}`);
    }
  }
});

t.test("alerts say how bad it is and what it is, and operations.md what to do", async (t) => {
  const documented = read("docs/operations.md");
  t.ok(rules.length >= 10);
  for (const { alert, labels, annotations } of rules) {
    t.match(labels.severity, /^(critical|warning|info)$/, alert);
    t.match(annotations.summary, /\{\{ \$labels\.instance \}\}/, alert);
    t.match(annotations.description, /\.$|\?$/, alert);
    t.match(documented, `| \`${alert}\``, alert);
  }
});

t.test("every metric is in operations.md, and no other", async (t) => {
  const documented = new Set([...read("docs/operations.md").matchAll(/`(i405_[a-z_]+)`/g)].map(([, name]) => name));
  const histogram = new RegExp(`^(${LATENESS.name})_(bucket|sum|count)$`);
  const names = [...(await exposed()).keys()]
    .filter((name) => name !== "up")
    .map((name) => name.replace(histogram, "$1"));
  t.same([...documented].sort(), [...new Set(names)].sort());
});
