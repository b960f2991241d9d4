/**
 * Transmit timestamps over a cable between two namespaces, whose driver makes the kernel's and has no card; and launch
 * times, for which a cable has no queueing discipline.
 */
import t from "tap";
import type { Deviation } from "../../index.js";
import { end, FAST, i405, PORT, passwordFile, skip, Stage, type ClosedStats } from "./support.js";

/** Reports often, from the source named. */
const reports = (source: string) => [
  ...FAST,
  ...["--outgoing-send-deviation-stats", "200ms", "--deviation-source", source],
];

for (const mode of ["sleepy", "dozy", "spinny"]) {
  // Not every one: on a busy machine the receiver may find no room for one, and the clock that they are in may be set.
  t.test(`${mode}: slots on the cable have the kernel's timestamp`, { skip }, async (t) => {
    const stage = new Stage(t, { client: [...reports("software"), "--poll-mode", mode] });
    const { client } = await stage.connect();
    const reported = () => client.events.filter(({ event }) => event === "deviation") as unknown as Deviation[];
    const software = () => reported().filter(({ source }) => source === "software");
    await client.until("five reports", () => software().length >= 5 || undefined);
    const { stats } = await end(client);
    const slots = stats.slots as ClosedStats["slots"] & { unreported: number; launchesMissed: number };
    t.match(slots, { launchesMissed: 0, sendErrors: 0 });
    t.ok(slots.unreported < slots.sent / 2, `${slots.unreported} of ${slots.sent} have none`);
    // The first reports may be from before the first timestamp.
    const since = reported().slice(reported().findIndex(({ source }) => source === "software"));
    for (const { source } of since) t.equal(source, "software");
    const counted = since.reduce((sum, { count }) => sum + count, 0);
    t.ok(counted > 0 && counted <= slots.sent, `${counted} of ${slots.sent}`);
  });
}

t.test("a card that a cable doesn't have: a warning says so, and the figures are the call's", { skip }, async (t) => {
  const stage = new Stage(t, { client: reports("hardware") });
  const { client } = await stage.connect();
  const warning = (await client.event("warning")) as unknown as { code: string; message: string };
  t.match(warning, { code: "I405_NO_TIMESTAMPS", message: /wire0 \(veth\).*ethtool -T wire0/ });
  t.match(await client.event("deviation"), { source: "call" });
  t.match(await end(client), { code: 0 });
});

t.test("launch times are refused with the reason, at both ends", { skip }, async (t) => {
  const stage = new Stage(t);
  const secret = ["--password-file", passwordFile(stage.folder)];
  const common = ["--json", "--device", "packets", "--send-by", "txtime", ...secret];
  const server = i405(stage.b, ["server", "--listen-addr", stage.endpoint, ...common]);
  const client = i405(stage.a, ["client", "--peer", `${stage.b.ipv4}:${PORT}`, ...common]);
  const remedy = /tc qdisc replace dev .* root etf .* or leave --send-by out/;
  for (const [program, reason] of [
    [server, /no interface has etf or fq/],
    [client, /the interface wire0 sends through noqueue, which ignores launch times/],
  ] as const) {
    const error = (await program.event("error")) as unknown as { code: string; message: string };
    t.match(error, { code: "ERR_I405_TXTIME", option: "send-by", message: reason });
    t.match(error.message, remedy);
    t.match(await program.exit, { code: 3 });
  }
});
