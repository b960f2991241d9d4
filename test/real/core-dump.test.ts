/**
 * A running command's memory, searched as a core dump would be: none of the keys of sessions that have ended, raw, in hex
 * or in base64. The keys are learnt at the other end, which is the test's own process. And no secret in what it printed.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { fileURLToPath } from "node:url";
import type { NativeOpenOptions } from "../../lib/native/options.js";
import type { NativeSession } from "../../lib/native/tunnel.js";
import { generatePassword } from "../../lib/index.js";
import { nativeParts, type Parts } from "../../lib/tunnel/parts.js";
import { Tunnel } from "../../lib/tunnel/tunnel.js";
import { freePort } from "../../lab/host/free-port.js";
import { searchMemory, spellings, type Found } from "../../lab/host/memory.js";
import { here, Program } from "../../lab/host/program.js";

t.setTimeout(300_000);

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
/** How many handshakes come one after another. */
const SESSIONS = 6;
/** The newest ones may still open what is on its way. */
const ALIVE = 2;
const WIRE = { length: 1500, interval: "4ms" };

/** The addon, with a book of the keys that go into it. */
class Recorder {
  /** Keys of each session, in the order of their installation: key and mask of each direction. */
  readonly sessions: Buffer[][] = [];
  /** Wrap and mask keys of the pairing. */
  pairing: Buffer[] = [];

  readonly parts: Parts = {
    ...nativeParts,
    loadAddon: async () => {
      const addon = await nativeParts.loadAddon();
      return {
        ...addon,
        open: (options: NativeOpenOptions, onEvents) => {
          this.pairing = Object.values(options.pairing).map((key: Uint8Array) => Buffer.from(key));
          const native = addon.open(options, onEvents);
          return {
            ...native,
            install: (session: NativeSession) => {
              const { send, receive } = session;
              this.sessions.push([send, receive].flatMap(({ key, mask }) => [Buffer.from(key), Buffer.from(mask)]));
              native.install(session);
            },
          };
        },
      };
    },
  };

  ended(alive: number): Buffer[] {
    return this.sessions.slice(0, -alive).flat();
  }
}

function describe(found: readonly Found[]): string[] {
  return found.map(
    ({ secret, spelling, address, region }) => `secret ${secret} as ${spelling} at ${address} ${region}`,
  );
}

function i405(args: readonly string[]): Program {
  // Without tap's loader, which has memory of its own.
  const plain = ["env", "-u", "NODE_OPTIONS", process.execPath, MAIN];
  return new Program(here, [...plain, ...args, "--json", "--device", "packets", "--no-sched-fifo", "--core-dumps"]);
}

/** With rekeys, one may be under way, and the one before the newest still opens. */
const ALIVE_REKEYED = 3;

/** Stops the program and looks; the newest session's keys have to be there, or looking finds nothing. */
async function examine(t: Test, program: Program, book: Recorder, password: string, alive = ALIVE): Promise<void> {
  // Whoever frees what a timed thread is done with does so within some periods of 10 ms.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  process.kill(program.pid, "SIGSTOP");
  try {
    const keys = book.ended(alive);
    t.ok(keys.length >= 4 * (SESSIONS - alive), `${keys.length} keys of ended sessions`);
    const ended = searchMemory(program.pid, keys);
    t.comment(`${(ended.bytes / 2 ** 20).toFixed(0)} MiB searched for them`);
    t.same(describe(ended.found), [], "no key of a session that has ended");
    const newest = searchMemory(program.pid, book.sessions.slice(-alive).flat());
    t.ok(newest.found.length > 0, "the key of the session that lives is found, so a search does find");
    t.same(describe(newest.found.filter(({ spelling }) => spelling !== "raw")), [], "and nowhere as text");
  } finally {
    process.kill(program.pid, "SIGCONT");
  }
  const exit = await program.stop();
  t.equal(exit.code, 0);
  const printed = Buffer.from([...program.lines, program.stderr].join("\n"));
  const secrets = [...book.sessions.flat(), ...book.pairing, Buffer.from(password)];
  for (const secret of secrets) {
    for (const [spelling, needle] of spellings(secret))
      t.equal(printed.indexOf(needle), -1, `not printed as ${spelling}`);
  }
}

function secretFile(t: Test): { password: string; file: string } {
  const password = generatePassword();
  const file = join(t.testdir(), "password");
  writeFileSync(file, password, { mode: 0o600 });
  t.equal(readFileSync(file, "utf8"), password);
  return { password, file };
}

function reasonAgainst(): string | false {
  return process.getuid?.() === 0 ? false : "only root may read another process's memory everywhere";
}

t.test("a server, after clients that came one after another", { skip: reasonAgainst() }, async (t) => {
  const { password, file } = secretFile(t);
  const address = `127.0.0.1:${await freePort()}`;
  const server = i405(["server", "--listen-addr", address, "--password-file", file]);
  t.teardown(() => server.stop("SIGKILL"));
  await server.event("listening");
  const book = new Recorder();
  let before: Tunnel | null = null;
  for (let session = 0; session < SESSIONS; session += 1) {
    const from = server.events.length;
    const client: Tunnel = new Tunnel({ schedFifo: false }, book.parts);
    t.teardown(() => client.close());
    await client.connect({ peer: address, password, up: WIRE, down: WIRE });
    await server.event("connected", from);
    await before?.close();
    before = client;
  }
  await examine(t, server, book, password);
});

t.test("a client, whose server starts anew", { skip: reasonAgainst() }, async (t) => {
  const { password, file } = secretFile(t);
  const address = `127.0.0.1:${await freePort()}`;
  const wire = ["--up-packet-interval", "4ms", "--down-packet-interval", "4ms", "--client-timeout", "1s"];
  const client = i405(["client", "--peer", address, "--password-file", file, ...wire]);
  t.teardown(() => client.stop("SIGKILL"));
  const book = new Recorder();
  for (let session = 0; session < SESSIONS; session += 1) {
    const from = client.events.length;
    const server = new Tunnel({ schedFifo: false }, book.parts);
    t.teardown(() => server.close());
    await server.listen({ address, password });
    await client.event("connected", from);
    // Awaited, so that the address is free again.
    if (session < SESSIONS - 1) await server.close();
  }
  await examine(t, client, book, password);
});

for (const role of ["client", "server"] as const) {
  t.test(`promise: keys-zeroed: a ${role}, after rekeys`, { skip: reasonAgainst() }, async (t) => {
    const { password, file } = secretFile(t);
    const address = `127.0.0.1:${await freePort()}`;
    const book = new Recorder();
    const own = new Tunnel({ schedFifo: false }, book.parts);
    t.teardown(() => own.close());
    let program: Program;
    if (role === "client") {
      await own.listen({ address, password });
      const wire = ["--up-packet-interval", "4ms", "--down-packet-interval", "4ms", "--rekey-interval", "1s"];
      program = i405(["client", "--peer", address, "--password-file", file, ...wire]);
    } else {
      program = i405(["server", "--listen-addr", address, "--password-file", file]);
      await program.event("listening");
      await own.connect({ peer: address, password, up: WIRE, down: WIRE, rekeyInterval: "1s" });
    }
    t.teardown(() => program.stop("SIGKILL"));
    await program.event("connected");
    // Each is due a second after the one before.
    while (book.sessions.length < SESSIONS + 1) await new Promise((resolve) => setTimeout(resolve, 100));
    await examine(t, program, book, password, ALIVE_REKEYED);
    t.ok(program.events.filter(({ event }) => event === "rekeyed").length >= SESSIONS - 1, "they were rekeys");
  });
}
