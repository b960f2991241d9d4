import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { runCli } from "../../lib/cli/cli.js";
import { secretReader } from "../../lib/cli/secret-sources.js";
import { generatePrivateKey, publicKey } from "../../lib/handshake/keys.js";
import { pretendWorld, stopAtOpening, temporaryFile } from "../../lab/fake/cli-world.js";

/** A descriptor that gives these bytes, for standard input. */
function descriptorOf(t: Test, contents: string): number {
  const descriptor = openSync(temporaryFile(t, "stdin", contents), "r");
  t.teardown(() => closeSync(descriptor));
  return descriptor;
}

t.test("a secret is the one line of its file", async (t) => {
  const { fromFile } = secretReader({});
  t.equal(fromFile("--password-file", temporaryFile(t, "p", "  secret word \n\n")), "secret word");
  t.equal(fromFile("--password-file", temporaryFile(t, "p", "group may read", 0o640)), "group may read");
});

t.test("promise: secret-files: files that won't do", async (t) => {
  const { fromFile } = secretReader({});
  const cases: [string, number, RegExp][] = [
    ["", 0o600, /^--password-file: .* is empty, expected one line with the secret$/],
    ["a\nb\n", 0o600, /has several lines, expected one/],
    ["x".repeat(4097), 0o600, /has more than 4096 bytes/],
    ["secret", 0o604, /is open to every user of this machine \(mode 0604\). Run: chmod 600 /],
    ["secret", 0o602, /mode 0602/],
  ];
  for (const [contents, mode, message] of cases) {
    const file = temporaryFile(t, "p", contents);
    // After it was made, because the umask has no say then.
    chmodSync(file, mode);
    t.throws(() => fromFile("--password-file", file), {
      code: "ERR_I405_SECRET_FILE",
      option: "password-file",
      message,
    });
  }
  t.throws(() => fromFile("--password-file", "/nowhere/p"), { code: "ERR_I405_SECRET_FILE", message: /ENOENT/ });
  t.throws(() => fromFile("--password-file", tmpdir()), { code: "ERR_I405_SECRET_FILE", message: /EISDIR/ });
});

t.test("standard input gives one secret", async (t) => {
  const { fromFile } = secretReader({}, descriptorOf(t, "from stdin\n"));
  t.equal(fromFile("--private-key-file", "-"), "from stdin");
  t.throws(() => fromFile("--preshared-key-file", "-"), {
    code: "ERR_I405_SECRET_FILE",
    message:
      "--preshared-key-file: standard input is already read for --private-key-file. Put one of the two in a file",
  });
});

t.test("promise: secret-environment: the environment's secrets are taken out of it", async (t) => {
  const environment = { I405_PASSWORD: " secret\n", OTHER: "stays" };
  const { fromEnvironment } = secretReader(environment);
  t.equal(fromEnvironment("I405_PASSWORD"), "secret");
  t.equal(fromEnvironment("I405_PASSWORD"), undefined);
  t.same(environment, { OTHER: "stays" });
});

t.test("which credentials a tunnel gets", async (t) => {
  const file = temporaryFile(t, "key", "own key\n");
  const both = { I405_PASSWORD: "a-long-password", I405_PRIVATE_KEY: "env key", I405_PRESHARED_KEY: "env psk" };
  const asked = async (flags: string[], environment: Record<string, string>) => {
    const world = pretendWorld();
    Object.assign(world.io.environment, environment);
    stopAtOpening(world);
    const code = await runCli(["client", "--peer", "203.0.113.7:1405", ...flags], world);
    return { code, errors: world.errors(), options: world.tunnels[0]?.asked, left: world.io.environment };
  };
  const fromFile = await asked(["--private-key-file", file, "--peer-public-key", "peer"], both);
  t.match(fromFile.options, { key: { privateKey: "own key", peerPublicKey: "peer", presharedKey: "env psk" } });
  t.notMatch(fromFile.options, { password: String });
  t.same(fromFile.left, {}, "nothing is left for children to inherit");
  const fromFlag = await asked(["--password", "another-password"], both);
  t.match(fromFlag.options, { password: "another-password" });
  const onlyPassword = await asked([], { I405_PASSWORD: "a-long-password" });
  t.match(onlyPassword.options, { password: "a-long-password" });
  const onlyKey = await asked(["--peer-public-key", "peer"], { I405_PRIVATE_KEY: "env key" });
  t.match(onlyKey.options, { key: { privateKey: "env key", peerPublicKey: "peer" } });
  const neither = await asked([], both);
  t.match(neither.errors, /I405_PASSWORD and I405_PRIVATE_KEY are both set/);
  t.match((await asked([], { I405_PRIVATE_KEY: "k" })).errors, /--peer-public-key is missing/);
});

t.test("genkey, pubkey and genpsk", async (t) => {
  const run = async (parameters: string[], stdin = 0) => {
    const world = pretendWorld();
    world.io.stdin = stdin;
    const code = await runCli(parameters, world);
    return { code, out: world.output(), errors: world.errors() };
  };
  t.match(await run(["genkey"]), { code: 0, out: /^[A-Za-z0-9+/]{43}=\n$/ });
  t.match(await run(["genpsk"]), { code: 0, out: /^[A-Za-z0-9+/]{43}=\n$/ });
  t.match(await run(["genkey", "--password"]), { code: 0, out: /^[a-z2-7-]{30}\n$/ });
  const key = generatePrivateKey();
  t.equal((await run(["pubkey", temporaryFile(t, "key", key)])).out, `${publicKey(key)}\n`);
  t.equal((await run(["pubkey"], descriptorOf(t, `${key}\n`))).out, `${publicKey(key)}\n`);
  t.match(await run(["pubkey", temporaryFile(t, "key", "not a key")]), { code: 2, errors: /ERR_I405_KEY/ });
});

t.test("genkey --out writes a new file for its owner only, and tells the public key", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "i405-test-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "server.key");
  const world = pretendWorld();
  t.equal(await runCli(["genkey", "--out", file], world), 0);
  t.equal(statSync(file).mode & 0o777, 0o600);
  const key = readFileSync(file, "utf8").trim();
  t.equal(world.output(), `${publicKey(key)}\n`);
  t.equal(await runCli(["genkey", "--out", file], world), 2);
  t.match(world.errors(), /--out: .*server.key exists. Choose another name.*ERR_I405_SECRET_FILE/);
  t.equal(readFileSync(file, "utf8").trim(), key, "the key in use is as it was");
  const password = pretendWorld();
  t.equal(await runCli(["genkey", "--password", "--out", join(folder, "p")], password), 0);
  t.equal(password.output(), "", "a password has no public half");
  t.match(readFileSync(join(folder, "p"), "utf8"), /^[a-z2-7-]{30}\n$/);
  t.equal(await runCli(["genpsk", "--out", join(folder, "none", "psk")], password), 2);
});
