/** Wrong passwords and keys: the server stays silent on the wire, the client says what may be wrong. */
import { join } from "node:path";
import t from "tap";
import { CaptureRun, flows } from "../../lab/host/capture.js";
import { NetnsPair } from "../../lab/host/netns.js";
import { EXIT_PEER } from "../../lib/cli/exit-codes.js";
import { i405, i405Output, passwordFile, skip } from "./support.js";

const INTERVAL_MS = 5;
/** After an attempt (5 s and a few slots) the client says that nobody answers; here with a second for saying it. */
const ATTEMPT_MS = 6500;
/** Shorter than two attempts, after which the client tries a shorter length. */
const CONNECT_TIMEOUT = "9s";

interface Case {
  name: string;
  server: string[];
  client: string[];
}

function cases(folder: string): Case[] {
  const file = (name: string) => join(folder, name);
  const key = (name: string) => {
    i405Output(["genkey", "--out", file(name)]);
    return i405Output(["pubkey", file(name)]);
  };
  const [server, client, other] = [key("server"), key("client"), key("other")];
  for (const name of ["psk", "psk2"]) i405Output(["genpsk", "--out", file(name)]);
  const keys = (own: string, peer: string, ...more: string[]) => [
    ...["--private-key-file", file(own), "--peer-public-key", peer],
    ...more.flatMap((name) => ["--preshared-key-file", file(name)]),
  ];
  const password = (name: string) => ["--password-file", passwordFile(folder, name)];
  return [
    { name: "another password", server: password("one"), client: password("two") },
    { name: "another server's public key", server: keys("server", client), client: keys("client", other) },
    { name: "another client's private key", server: keys("server", client), client: keys("other", server) },
    { name: "another preshared key", server: keys("server", client, "psk"), client: keys("client", server, "psk2") },
    { name: "a preshared key at one end", server: keys("server", client), client: keys("client", server, "psk") },
    { name: "a password against keys", server: keys("server", client), client: password("one") },
  ];
}

t.test("promise: wrong-key: wrong secrets", { skip }, async (t) => {
  const pair = new NetnsPair();
  t.teardown(() => pair.close());
  const { a, b } = pair;
  const list = cases(t.testdir());
  const capture = await CaptureRun.start(b);
  // All at once, each with a port of its own.
  await Promise.all(
    list.map(async ({ name, server, client }, index) => {
      const endpoint = `${b.ipv4}:${1405 + index}`;
      const common = ["--device", "packets", "--no-sched-fifo"];
      const listening = i405(b, ["server", "--json", "--listen-addr", endpoint, ...common, ...server]);
      await listening.event("listening");
      const interval = `${INTERVAL_MS}ms`;
      const wire = ["--up-packet-interval", interval, "--down-packet-interval", interval];
      const timeout = ["--connect-timeout", CONNECT_TIMEOUT];
      const asking = i405(a, ["client", "--peer", endpoint, ...common, ...wire, ...timeout, ...client]);
      const exit = await asking.exit;
      t.same(exit, { code: EXIT_PEER, signal: null }, `${name}: exit code`);
      const said = asking.lines.join("\n");
      t.match(
        asking.stderr,
        /^i405 client: .*wrong key or password.*\(ERR_I405_CONNECT_TIMEOUT\)\n/,
        `${name}: the error`,
      );
      // On a busy machine it takes so long to start that no attempt ends before the timeout.
      const sent = Number(/^closed: (\d+) slots sent/m.exec(said)?.[1]);
      t.ok(sent > 0, `${name}: ${sent} slots`);
      if (sent * INTERVAL_MS > ATTEMPT_MS) {
        t.match(
          said,
          /^warning: no answer from 10\.201\.0\.2:\d+ .*\(I405_NO_ANSWER\)\n .*wrong key or password/m,
          name,
        );
      }
      t.notMatch(asking.stderr, /\n +at /, "no stack trace");
      t.ok(asking.stderr.trim().split("\n").length <= 2, "two lines at most");
      await listening.stop();
      t.same(
        listening.events.map(({ event }) => event),
        ["listening", "privileges", "closed"],
        `${name}: the server noticed nothing`,
      );
      const { stats } = listening.events.at(-1) as unknown as { stats: { slots: { sent: number } } };
      t.equal(stats.slots.sent, 0, "and sent nothing");
    }),
  );
  const { packets } = await capture.stop();
  const ipv4 = packets.filter(({ version }) => version === 4);
  t.same(
    ipv4.filter(({ direction }) => direction === "out"),
    [],
    "not a single packet from the server",
  );
  const seen = flows(ipv4);
  t.equal(seen.length, list.length);
  for (const { name, packets, lengths } of seen) {
    t.same(lengths, [1500], name);
    t.ok(packets.length > 200, `${packets.length} datagrams on ${name}`);
  }
});
