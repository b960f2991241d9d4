/** `i405 audit --against` and `audit({ against })`: a real tunnel over loopback, from its conditions to its report. */
import { readFileSync } from "node:fs";
import Ajv from "ajv";
import t from "tap";
import { answerAudits, audit } from "../../lib/audit/index.js";
import { runCli } from "../../lib/cli/cli.js";
import { generatePassword, I405Tunnel } from "../../lib/index.js";
import type { LiveAuditOptions } from "../../types/audit.js";
import { pretendWorld } from "../../lab/fake/cli-world.js";

const password = generatePassword();
const listen = { address: "127.0.0.1:0", password };
/** Neither timing nor its class is what is tested here. */
const local = { schedFifo: false as const };
const wire = { interval: "1ms", length: 300 };

const validate = new Ajv().compile(
  JSON.parse(readFileSync(new URL("../../schemas/audit.schema.json", import.meta.url), "utf8")) as object,
);

function live(peer: string | null, more: Partial<LiveAuditOptions>): LiveAuditOptions {
  return {
    against: { peer: String(peer), password, up: wire, down: wire },
    ...{ tunnel: local, duration: "10s", stretch: "1s" },
    ...more,
  };
}

t.test("the other end tells what it received and when its own slots were due", async (t) => {
  const { tunnel, close } = await answerAudits({ listen, tunnel: local });
  t.teardown(close);
  const said: string[] = [];
  const conditions = ["saturated-both", "event-loop"] as const;
  const audited = await audit(live(tunnel.localAddress, { conditions, onProgress: (what) => said.push(what) }));
  const { report } = audited;
  t.ok(validate(report), JSON.stringify(validate.errors));
  t.match(report.source, { format: "observations", observedAt: "peer" });
  t.ok(report.complete);
  t.same(
    report.directions.map(({ direction, intervalNs, jitterNs, guessed }) => [direction, intervalNs, jitterNs, guessed]),
    [
      ["up", 1e6, 5e5, []],
      ["down", 1e6, 5e5, []],
    ],
    "the wire as it was agreed on",
  );
  for (const { conditions: seen } of report.directions) {
    t.same(seen.map(({ label }) => label).sort(), ["event loop blocked", "quiet", "saturated both ways"]);
    // How many come in a second of this machine is its own matter; most of them do.
    for (const { label, datagrams, sendErrors } of seen) {
      t.ok(datagrams > 100, `${label}: ${datagrams}`);
      t.ok(sendErrors!.p50Us <= sendErrors!.p999Us && sendErrors!.p999Us <= sendErrors!.maxUs, label);
    }
  }
  for (const { method } of report.pairs) t.equal(method, "deconvolved", "deadlines are known, whatever the jitter");
  t.match(said.join("\n"), /1 of 3, [^\n]*; \d+ s left/);
  t.match(audited.text(), /as the other end received them/);
  t.match(audited.text(), /header fields and bytes not looked at/);
  t.notOk(report.directions.some(({ headers }) => headers.some(({ values }) => values.length > 0)));
});

t.test("an ordinary server does: sends are observed at the call, and nothing is asked of it", async (t) => {
  const server = new I405Tunnel(local);
  await server.listen(listen);
  t.teardown(() => server.close());
  const said: string[] = [];
  const conditions = ["saturated-up", "saturated-down"] as const;
  const onProgress = (what: string) => said.push(what);
  const { report } = await audit(live(server.localAddress, { conditions, onProgress }));
  t.match(report.source, { observedAt: "call" });
  const [up, down] = report.directions;
  t.same(up!.conditions.map(({ label }) => label).sort(), ["quiet", "saturated up"]);
  t.equal(down!.direction, "down");
  t.equal(report.pairs.find(({ direction }) => direction === "up")!.method, "deconvolved");
  t.equal(report.pairs.find(({ direction }) => direction === "down")!.method, "histogram");
  t.match(said.join("\n"), /doesn't answer audits/);
  t.match(said.join("\n"), /left out, because the other end would have to send: saturated-down/);
});

t.test("what was seen before a signal is reported", async (t) => {
  const { tunnel, close } = await answerAudits({ listen, tunnel: local });
  t.teardown(close);
  const ended = new AbortController();
  const onProgress = (what: string) => {
    if (what.startsWith("3 of")) ended.abort();
  };
  const options = live(tunnel.localAddress, {
    conditions: ["stream"],
    duration: "1m",
    onProgress,
    signal: ended.signal,
  });
  const { report } = await audit(options);
  t.equal(
    report.directions[0]!.conditions.reduce((sum, { stretches }) => sum + stretches, 0),
    2,
  );
});

t.test("options that are wrong are named, before anything is opened", async (t) => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ conditions: [] }, /^conditions: got .*expected a list of saturated-up/],
    [{ conditions: ["quiet"] }, /^conditions: /],
    [{ conditions: ["busy-cpu", "loud"] }, /^conditions\[1\]: got "loud", expected one of/],
    [{ duration: "1s" }, /^duration: got "1s", expected "10s" to "24h"/],
    [{ observedAt: "nowhere" }, /^observedAt: got "nowhere", expected "peer", "call", "software" or "hardware"/],
    [{ tunnel: { device: "packets" } }, /^tunnel\.device: .*the audit sets it itself/],
    [{ capture: "a b" }, /^capture: got "a b", expected an interface/],
    [{ loud: true }, /^loud: /],
  ];
  for (const [more, message] of cases) await t.rejects(audit(live("127.0.0.1:9", more)), { message });
  await t.rejects(answerAudits({ listen, tunnel: { record: true } as never }), { message: /^tunnel\.record: / });
});

t.test("flags that contradict each other are named", async (t) => {
  const cases: [string[], RegExp][] = [
    [["--against", "a:1", "--pcap", "x"], /--against contradicts --pcap/],
    [["--against", "a:1", "--here"], /--here contradicts --against/],
    [["--against", "a:1", "--stretches", "x"], /--stretches contradicts --against/],
    [["--pcap", "x", "--stretches", "y", "--for", "1m"], /--for contradicts --pcap/],
    [["--pcap", "x", "--stretches", "y", "--cpu", "1"], /--cpu contradicts --pcap/],
    [["--here", "--password-file", "x"], /--password-file contradicts --here/],
    [["--listen-addr", "127.0.0.1:0", "--html", "x"], /--html contradicts --listen-addr/],
    [["--listen-addr", "127.0.0.1:0", "--up-speed", "1MiB/s"], /--up-speed contradicts --listen-addr/],
    [["--against", "a:1"], /neither keys nor a password/],
    [["--against", "127.0.0.1:9", "--password", password, "--for", "1s"], /--for: got "1s", expected/],
    [["--against", "127.0.0.1:9", "--password", password, "--conditions", "loud"], /--conditions: got "loud"/],
    [["--against", "127.0.0.1:9", "--password", password, "--poll-mode", "lazy"], /--poll-mode: got "lazy"/],
  ];
  for (const [parameters, message] of cases) {
    const world = pretendWorld();
    t.equal(await runCli(["audit", ...parameters], world), 2, parameters.join(" "));
    t.match(world.errors(), message);
    t.equal(world.errors().trim().split("\n").length, 1);
  }
});
