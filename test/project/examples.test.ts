/** Every program in examples/ runs as it stands, without root, and says what it is meant to show. */
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { generatePassword } from "../../lib/handshake/passwords.js";
import { here, Program } from "../../lab/host/program.js";

const EXAMPLES = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), "examples");
/** Imported by the others. */
const NO_PROGRAM = "inner-packet.mjs";

function start(t: Test, name: string, parameters: string[] = [], environment: NodeJS.ProcessEnv = {}): Program {
  const program = new Program(here, [process.execPath, join(EXAMPLES, name), ...parameters], environment);
  t.teardown(() => program.stop("SIGKILL"));
  return program;
}

/** The rest of the first line that begins like this. */
function line(program: Program, start: string): Promise<string> {
  return program.until(`"${start}"`, () => program.lines.find((each) => each.startsWith(start))?.slice(start.length));
}

function ofKind(program: Program, pattern: RegExp): number {
  return program.lines.filter((each) => pattern.test(each)).length;
}

t.test("all of them are here", async (t) => {
  const programs = readdirSync(EXAMPLES).filter((name) => name !== NO_PROGRAM);
  t.same(programs.sort(), ["circuit.mjs", "client.mjs", "in-process.mjs", "server.mjs"]);
});

t.test("server and client: a password that was given is not shown, and one has to be given", async (t) => {
  const server = start(t, "server.mjs", ["--listen-addr", "127.0.0.1:0"], { I405_PASSWORD: generatePassword() });
  const peer = await line(server, "listening on ");
  t.notOk(
    server.lines.some((each) => each.includes("I405_PASSWORD=")),
    "a password that was given is not printed",
  );

  const alone = start(t, "client.mjs", ["--peer", peer], { I405_PASSWORD: undefined });
  t.match(await alone.exit, { code: 2 });
  t.match(alone.stderr, /I405_PASSWORD/);
  await server.stop("SIGINT");
  t.match(await server.exit, { code: 0 });
  t.match(server.lines.at(-1), /^closed: 0 slots sent/);
});

t.test("server and client: a password that was made up", async (t) => {
  const server = start(t, "server.mjs", ["--listen-addr", "127.0.0.1:0"], { I405_PASSWORD: undefined });
  const command = await line(server, "the client: ");
  const [, password, peer = ""] = /^I405_PASSWORD=(\S+) node examples\/client\.mjs --peer (\S+)$/.exec(command) ?? [];
  const client = start(t, "client.mjs", ["--peer", peer, "--count", "3"], { I405_PASSWORD: password });
  t.match(await client.exit, { code: 0 }, client.stderr);
  t.equal(ofKind(client, /^packet [123] came back after [\d.]+ ms$/), 3, client.lines.join("\n"));
  t.match(client.lines.at(-1), /^closed: \d+ slots sent, \d+ of them carried something$/);
  await line(server, "disconnected: peerClosed");
  t.match(await server.stop("SIGTERM"), { code: 0 });
  t.match(server.lines.at(-1), /, 3 inner packets received$/);
});

/** The most of what was sent, which is all that can be asked on a busy machine. The program's exit code says whether it was all. */
function arrived(t: Test, said: string, words: RegExp, { of, code }: { of: number; code: number | null }): void {
  const count = Number(words.exec(said)?.[1]);
  t.ok(count > of / 2 && count <= of, said);
  t.equal(code, count === of ? 0 : 1);
}

t.test("in-process: nothing carried while quiet, everything received", async (t) => {
  const program = start(t, "in-process.mjs");
  const { code } = await program.exit;
  t.match(program.lines[0], /^quiet: \d+ datagrams a second on the wire, 0 of \d+ carried$/);
  arrived(t, program.lines[1]!, /^(\d+) of 300 packets received$/, { of: 300, code });
  t.match(program.lines[2], /^busy: \d+ datagrams a second on the wire, [1-9]\d* of \d+ carried$/);
  t.match(program.lines[3], /^the server was told: peerClosed$/);
});

t.test("circuit: there and back over two hops, events and deviation of each end", async (t) => {
  const program = start(t, "circuit.mjs", ["--packets", "250"]);
  const { code } = await program.exit;
  const said = program.lines.join("\n");
  arrived(t, said, /^(\d+) of 250 packets went home -> guard -> exit and back$/m, { of: 250, code });
  for (const end of ["home", "guard homeward", "guard onward", "exit"]) {
    t.match(said, new RegExp(`^${end} +connected with 127\\.0\\.0\\.1:\\d+`, "m"));
    t.match(said, new RegExp(`^${end} +deviation of \\d+ slots: p50 [\\d.]+ us`, "m"));
    t.match(said, new RegExp(`^${end} +closed$`, "m"));
  }
  t.equal(ofKind(program, /disconnected: peerClosed$/), 2);
});
