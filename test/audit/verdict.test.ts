/** Nothing found is said only where enough was seen: too little, in whatever way, is "cannot tell", and exit code 7. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { audit } from "../../lib/audit/index.js";
import { judge } from "../../lib/cli/audit/judge.js";
import { runCli } from "../../lib/cli/cli.js";
import type { AuditReport, AuditStretch } from "../../types/audit.js";
import { pretendWorld } from "../../lab/fake/cli-world.js";
import { folderOf } from "./audited.js";
import { pcap, type FakePacket } from "./capture-files.js";
import { datagrams, plain, START_S, twoStretches } from "./outer-packets.js";

const folder = folderOf(t);
const SECONDS = 8;
const ALL = datagrams(SECONDS);
const write = (packets: readonly FakePacket[]) => folder.file(pcap(packets, { linkType: 1 }));
const WHOLE = write(ALL.map(plain));
const STRETCHES = twoStretches(SECONDS);
/** Those between two moments, in shares of the capture, left out. */
const without = (from: number, to: number, which = (_up: boolean) => true) =>
  write(
    ALL.filter(({ up, timeNs }) => !which(up) || timeNs < from * SECONDS * 1e9 || timeNs > to * SECONDS * 1e9).map(
      plain,
    ),
  );
const stretch = (from: number, to: number, label: string): AuditStretch => {
  return { from: START_S + from * SECONDS, to: START_S + to * SECONDS, label };
};

interface Case {
  pcap: string;
  stretches: AuditStretch[];
  untold: RegExp;
}
const CASES: Record<string, Case> = {
  "a condition without packets": {
    pcap: without(0.5, 1),
    stretches: STRETCHES,
    untold: /up: the stretch of "busy" from 17\d+\.\d on, 4s, has no datagram of about \d+/,
  },
  "one of two stretches of a condition without packets": {
    pcap: without(0.75, 1),
    stretches: [stretch(0, 0.5, "idle"), stretch(0.5, 0.75, "busy"), stretch(0.75, 1, "busy")],
    untold: /the stretch of "busy".*has no datagram/,
  },
  "a stretch with far fewer than are due": {
    pcap: without(0.6, 1),
    stretches: STRETCHES,
    untold: /the stretch of "busy".*has \d+ datagrams of about \d+/,
  },
  "a condition that is too short": {
    pcap: WHOLE,
    stretches: [stretch(0, 0.8, "idle"), stretch(0.8, 0.83, "busy")],
    untold: /"busy" against "idle" has too few gaps \(\d+,?\d* and \d+\) to say anything/,
  },
  "a control that is too short": {
    pcap: WHOLE,
    stretches: [stretch(0, 0.7, "idle"), stretch(0.7, 0.9, "busy")],
    untold: /the control of "busy" has too few gaps/,
  },
  "a direction of which there is too little": {
    pcap: without(0.05, 1, (up) => !up),
    stretches: STRETCHES,
    untold: /down: it has \d+ gaps inside the stretches, of 200/,
  },
  "one condition": { pcap: WHOLE, stretches: [stretch(0, 1, "idle")], untold: /one condition only, "idle"/ },
};

async function command(pcapFile: string, stretches: AuditStretch[], ...more: string[]) {
  const path = join(folder.path, "stretches.json");
  writeFileSync(path, JSON.stringify({ stretches }));
  const world = pretendWorld();
  const code = await runCli(["audit", "--pcap", pcapFile, "--stretches", path, ...more], world);
  return { code, out: world.output(), err: world.errors() };
}

for (const [name, { pcap: file, stretches, untold }] of Object.entries(CASES)) {
  t.test(`cannot tell: ${name}`, async (t) => {
    const { report } = await audit({ pcap: file, stretches });
    t.match(report, { leaks: false, verdict: "cannot-tell" }, JSON.stringify(report.findings));
    t.ok(
      report.untold.some((why) => untold.test(why)),
      JSON.stringify(report.untold),
    );
    for (const flags of [[], ["--fail-under", "1"]]) {
      const { code, out, err } = await command(file, stretches, ...flags);
      t.equal(code, 7, flags.join(" "));
      t.match(out, /^Verdict: cannot tell\./m);
      t.match(err, /i405 audit: it cannot tell: /);
    }
  });
}

t.test("enough, and nothing found", async (t) => {
  const { report } = await audit({ pcap: WHOLE, stretches: STRETCHES });
  t.match(report, { verdict: "nothing-found", untold: [], warnings: [] }, JSON.stringify(report.findings));
  t.equal((await command(WHOLE, STRETCHES)).code, 0);
  t.equal((await command(WHOLE, STRETCHES, "--fail-under", "2")).code, 0);
  const { code, err } = await command(WHOLE, STRETCHES, "--fail-under", "1e9");
  t.equal(code, 7, "an `at least` is no n95 under it");
  t.match(err, /no more than "at least \d+", and 1000000000 is asked for; watch for longer/);
});

t.test("a direction that isn't there is said, and not judged", async (t) => {
  const { report } = await audit({ pcap: write(ALL.filter(({ up }) => up).map(plain)), stretches: STRETCHES });
  t.match(report.warnings, [{ code: "I405_AUDIT_DIRECTION", message: /nothing of the direction down was seen/ }]);
  t.match(report, { verdict: "nothing-found", directions: [{ direction: "up" }] });
});

t.test("a control without gaps has not passed, in text and page", async (t) => {
  const { pcap: file, stretches } = CASES["a control that is too short"]!;
  const found = await audit({ pcap: file, stretches });
  t.match(found.text(), /control, two halves of "busy", up: too few gaps/);
  t.match(found.text(), /2 of 4 controls: nothing tells them apart/);
  t.match(await found.html(), /Verdict: cannot tell/);
});

t.test("an audit that was ended early cannot tell", async (t) => {
  const { report } = await audit({ pcap: WHOLE, stretches: STRETCHES, signal: AbortSignal.abort() });
  t.match(report, { complete: false, verdict: "cannot-tell", pairs: [] });
  t.equal(judge(report, 1).code, 7);
});

t.test("what was told apart counts before what can't be told", async (t) => {
  const { report } = await audit({ pcap: WHOLE, stretches: STRETCHES });
  const told = { low: 50, estimate: 60, high: 70, atLeast: false };
  const pairs = report.pairs.map((pair, index) => (index === 0 ? { ...pair, n95: told } : pair));
  const changed: AuditReport = { ...report, pairs, untold: ["something"] };
  t.same([judge(changed, 100).code, judge(changed, 20).code], [5, 7]);
  t.same([judge({ ...changed, untold: [] }, 20).code, judge({ ...report, pairs: [] }, 20).code], [0, 0]);
});
