/** `i405 audit` and `audit()` from a capture to its reports. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Ajv from "ajv";
import t from "tap";
import { audit } from "../../lib/audit/index.js";
import { adviceOnce, findingsOnce } from "../../lib/audit/digest.js";
import { count, span } from "../../lib/audit/verdict.js";
import { runCli } from "../../lib/cli/cli.js";
import type { AuditOptions, AuditPair, AuditReport } from "../../types/audit.js";
import { pretendWorld } from "../../lab/fake/cli-world.js";
import { ipv4, pcap, type FakePacket } from "./capture-files.js";
import { numbers, send } from "./simulate.js";

const [MS, US] = [1e6, 1e3];
const START = 1_700_000_000;
const folder = mkdtempSync(join(tmpdir(), "i405-audit-"));
t.teardown(() => rmSync(folder, { recursive: true }));

/** A label that has to be escaped wherever it is shown. */
const BUSY = '<script>"busy"&';

/** Both directions, two conditions by turns; busy scatters far less. */
function capture(name: string, jitterNs: number, errorsUs: readonly [number, number]) {
  const next = numbers(1);
  const payload = () => Buffer.from(Array.from({ length: 100 }, () => Math.floor(256 * next())));
  const packets: FakePacket[] = [];
  const stretches: object[] = [];
  let fromNs = 0;
  for (let index = 0; index < 4; index += 1) {
    const errorNs = errorsUs[index % 2]! * US;
    let toNs = 0;
    for (const up of [true, false]) {
      const sender = { seed: 10 * index + Number(up), intervalNs: MS, jitterNs, slots: 4000, errorNs, fromNs };
      const seen = send(sender);
      toNs = Math.max(toNs, seen.toNs);
      for (const time of seen.timesNs) {
        packets.push({
          atNs: BigInt(START) * 1_000_000_000n + BigInt(Math.round(time)),
          bytes: ipv4({ up, payload: payload() }),
        });
      }
    }
    const label = index % 2 === 0 ? "idle" : BUSY;
    stretches.push({ from: START + fromNs / 1e9, to: START + toNs / 1e9, label });
    fromNs = toNs;
  }
  packets.sort((one, other) => Number(one.atNs - other.atNs));
  const paths = { pcap: join(folder, `${name}.pcap`), stretches: join(folder, `${name}.json`) };
  writeFileSync(paths.pcap, pcap(packets));
  writeFileSync(paths.stretches, JSON.stringify({ stretches }));
  return paths;
}

const leaky = capture("leaky", 0.1 * MS, [30, 3]);
const grid = capture("grid", 0, [6, 6]);
const loud = capture("loud", 0, [6, 3]);

async function run(...parameters: string[]) {
  const world = pretendWorld();
  const code = await runCli(["audit", ...parameters], world);
  return { code, out: world.output(), err: world.errors() };
}
const files = ({ pcap, stretches }: typeof leaky) => ["--pcap", pcap, "--stretches", stretches];

t.test("the report is what its schema says", async (t) => {
  const path = new URL("../../schemas/audit.schema.json", import.meta.url);
  const validate = new Ajv().compile(JSON.parse(readFileSync(path, "utf8")) as object);
  for (const paths of [leaky, grid]) {
    const json = join(folder, "report.json");
    const { code, out, err } = await run(...files(paths), "--json", json);
    t.equal(code, 0, err);
    t.match(out, /n95 of the bulk/);
    const report = JSON.parse(readFileSync(json, "utf8")) as AuditReport;
    t.ok(validate(report), JSON.stringify(validate.errors));
    t.notOk(validate({ ...report, leaks: "no" }));
    t.same(
      report.pairs.map(({ direction, a, b, control }) => [direction, a, b, control]),
      ["up", "down"].flatMap((direction) => [
        [direction, "idle", BUSY, false],
        [direction, "idle", "idle", true],
        [direction, BUSY, BUSY, true],
      ]),
    );
    t.same(report.findings, []);
    t.match(report.source, { format: "pcap", port: 1405, packets: 32_000, otherPackets: 0, resolutionNs: 1 });
  }
});

t.test("what leaks and what doesn't, in words", async (t) => {
  const found = await audit(leaky);
  const { report } = found;
  t.ok(report.leaks);
  t.match(report.pairs[0], { n95: { atLeast: false }, method: "histogram" });
  t.match(report.directions[0], { jitterShape: "cos4", guessed: ["interval", "jitter", "shape"] });
  t.match(report.pairs[0]?.advice.join(), /jitter of half of the interval instead of \d+ %: about [\d,]+ times/);
  t.match(found.text(), /\* to tell "<script>"busy"&" from "idle", an observer of up needs about/);
  const quiet = await audit({ ...grid, jitter: 0, assumeJitter: "500us" });
  t.notOk(quiet.report.leaks, JSON.stringify(quiet.report.pairs));
  t.match(quiet.report.directions[0], { jitterNs: 0, assumedJitterNs: 500_000, guessed: ["interval"] });
  t.match(quiet.report.pairs[0], { n95: { atLeast: true, high: null }, method: "deconvolved", findings: [] });
  // A capture without jitter shows everything; what is compared is what the jitter will leave of it.
  const bare = await audit({ ...loud, jitter: 0 });
  t.match(bare.report.pairs[0], { n95: { atLeast: false }, method: "histogram" });
  const shown = await audit({ ...loud, jitter: 0, assumeJitter: "500us" });
  t.match(shown.report.pairs[0], { method: "deconvolved", findings: [] }, JSON.stringify(shown.report.pairs[0]));
  t.ok(shown.report.pairs[0]!.n95!.low > 1000 * bare.report.pairs[0]!.n95!.low);
  // Far more than the 8,000 intervals that were watched: that is what known deadlines are good for.
  t.ok(quiet.report.pairs[0]!.n95!.low > 1e5);
  t.match(quiet.text(), /needs at least .* of traffic/);
  t.match(quiet.text(), /nothing tells them apart, as it should be/);
});

/** Datagrams up at these times, all in one stretch. */
function oneStretch(name: string, timesNs: readonly number[]) {
  const packets = timesNs.map((time) => ({
    atNs: BigInt(START) * 1_000_000_000n + BigInt(time),
    bytes: ipv4({ up: true, payload: Buffer.alloc(100) }),
  }));
  const paths = { pcap: join(folder, `${name}.pcap`), stretches: join(folder, `${name}.json`) };
  writeFileSync(paths.pcap, pcap(packets));
  writeFileSync(paths.stretches, JSON.stringify({ stretches: [{ from: START - 1, to: START + 60, label: "idle" }] }));
  return paths;
}

t.test("an interval that its datagrams contradict is refused, before an array is made of its slots", async (t) => {
  const thousand = Array.from({ length: 1000 }, (_, index) => index);
  const bunched = oneStretch("bunched", [...thousand, 30e9]);
  const code = "ERR_I405_CAPTURE";
  const cases: Partial<AuditOptions>[] = [{}, { jitter: "1ns" }, { interval: "1us" }, { interval: "1us", jitter: 0 }];
  for (const known of cases) {
    const message =
      /^up: 1001 datagrams in 30s don't fit an interval of 1n?u?s\. Give the real one \(interval, --interval\)/;
    await t.rejects(audit({ ...bunched, ...known }), { code, message }, JSON.stringify(known));
  }
  const still = oneStretch("still", Array<number>(1000).fill(0));
  await t.rejects(audit(still), { code, message: /^up: 1000 datagrams in 0ns don't fit an interval of 0ns\. / });
  await t.rejects(audit({ ...still, jitter: "1ms" }), { code });
  // A tunnel of 1 ms that stood still, or whose datagrams were lost.
  const stalled = oneStretch("stalled", [...thousand.map((at) => at * MS), 30e9]);
  t.match((await audit(stalled)).report.directions[0], { conditions: [{ datagrams: 1001 }] });
});

t.test("the page: every chart, every label escaped, nothing from outside", async (t) => {
  const html = join(folder, "report.html");
  t.match(await run(...files(leaky), "--html", html), { code: 0 });
  const page = readFileSync(html, "utf8");
  t.equal(page.match(/<svg /g)?.length, 12);
  for (const title of ["Density", "Difference", "Quantiles", "Over time", "Spectrum", "Autocorrelation"]) {
    t.match(page, `<b>${title}</b>`);
  }
  t.notMatch(page, /<script/i);
  t.notMatch(page, /(?:src|href)=|@import|url\((?!#)|https?:\/\/(?!www\.w3\.org\/)/);
  t.match(page, "prefers-color-scheme:dark");
  t.match(page, "@media print");
  t.notMatch(page, /#0[ab]0b0/, "no placeholder of a colour is left");
  t.notMatch(page, "NaN");
});

t.test("what holds of several conditions is said once", async (t) => {
  const pair = (direction: string, b: string, advice: string[]) => ({ direction, b, advice }) as unknown as AuditPair;
  t.same(adviceOnce([pair("up", "busy", ["x", "y"]), pair("up", "full", []), pair("down", "busy", ["y"])]), [
    { words: "x", where: ["up, busy"] },
    { words: "y", where: ["up, busy", "down, busy"] },
  ]);
  const finding = (direction: string, label: string | null, effect: string, words: string) => {
    return { direction, label, effect, words, measure: 1, significance: 0.001 };
  };
  const found = [
    finding("up", "busy", "echo-inner", "clearest"),
    finding("up", null, "headers", "of all"),
    finding("up", "quiet", "echo-inner", "less"),
    finding("up", "busy", "echo-inner", "at another distance"),
    finding("down", "busy", "echo-inner", "the other way"),
  ];
  t.same(findingsOnce(found), [
    "up, busy: clearest; less clearly also under quiet",
    "up: of all",
    "down, busy: the other way",
  ]);
});

t.test("a library caller sees progress, and may end it", async (t) => {
  const said: string[] = [];
  const ending = new AbortController();
  const onProgress = (what: string) => {
    said.push(what);
    if (what.startsWith("2 of")) ending.abort();
  };
  const { report } = await audit({ ...leaky, onProgress, signal: ending.signal });
  t.match(said, [/^reading /, /^32000 packets in 16 s, .* between 192/, /^1 of 8, up: idle against/, /^2 of 8/]);
  t.equal(said.length, 4);
  t.notOk(report.complete);
  t.equal(report.pairs.length, 2);
});

t.test("--json -, --fail-under and its exit code", async (t) => {
  const { code, out } = await run(...files(leaky), "--json", "-", "--fail-under", "1e5");
  t.equal(code, 5);
  t.match(JSON.parse(out), { version: 1, leaks: true });
  t.equal((await run(...files(leaky), "--fail-under", "2")).code, 0);
});

t.test("flags that are wrong are named", async (t) => {
  const cases: [string[], RegExp][] = [
    [[], /nothing to audit. Give a capture \(--pcap FILE\), a tunnel of its own \(--against HOST:PORT\)/],
    [["--pcap", "x"], /--stretches is missing/],
    [["--pcap", "x", "--stretches", join(folder, "none")], /ENOENT.*\(ERR_I405_STRETCHES\)/],
    [["--pcap", join(folder, "none"), "--stretches", leaky.stretches], /ENOENT.*\(ERR_I405_CAPTURE\)/],
    [[...files(leaky), "--port", "x"], /--port: got "x", expected a whole number from 1 to 65535/],
    [[...files(leaky), "--interval", "5"], /--interval: got "5", expected "1us" to "10s"/],
    [[...files(leaky), "--interval", "1ms", "--jitter", "2ms"], /--jitter: got "2ms", expected at most the interval/],
    [[...files(leaky), "--jitter-shape", "round"], /--jitter-shape: got "round", expected "cos4"/],
    [[...files(leaky), "--jitter", "1us", "--assume-jitter", "1us"], /--assume-jitter: .*without jitter/],
    [[...files(leaky), "--fail-under", "many"], /--fail-under: got "many"/],
    [[...files(leaky), "--html", "-"], /--html: got -/],
    [
      [...files(leaky), "--port", "53"],
      /no packet is of the flow that was asked for.*192\.0\.2\.2:1405 \(32000 packets\)/,
    ],
    [["--pkap", "x"], /unknown option '--pkap'. Did you mean --pcap\?/],
  ];
  for (const [parameters, message] of cases) {
    const { code, err } = await run(...parameters);
    t.equal(code, 2, parameters.join(" "));
    t.match(err, message);
  }
});

t.test("figures as a person would say them", async (t) => {
  t.same([0.25, 59, 60, 15_600, 2 * 86_400 + 3600, 1e9].map(span), [
    "0.25 s",
    "59 s",
    "1 min",
    "4 h 20 min",
    "2 d 1 h",
    "32 years",
  ]);
  t.same([12, 12_345, 1.62e6].map(count), ["12", "12,345", "1.6 x 10^6"]);
});
