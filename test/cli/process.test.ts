/** The command as a process of its own: the built one, with the real addon over loopback and without privileges. */
import { spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { setTimeout as delay } from "node:timers/promises";
import t from "tap";
import { freePort } from "../../lab/host/free-port.js";
import { here, Program } from "../../lab/host/program.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const ENVIRONMENT = { I405_PASSWORD: "a-long-password" };

function i405(...parameters: string[]): Program {
  return new Program(here, [process.execPath, MAIN, ...parameters], ENVIRONMENT);
}

function run(parameters: string[], input = "") {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...parameters], { encoding: "utf8", input });
  return { status, stdout, stderr };
}

t.test("client and server connect, and end as asked at a signal", async (t) => {
  const address = `127.0.0.1:${await freePort()}`;
  const server = i405("server", "--listen-addr", address, "--device", "packets", "--json");
  await server.event("listening");
  const timing = ["--up-packet-interval", "5ms", "--outgoing-send-deviation-stats", "100ms"];
  const client = i405("client", "--peer", address, "--device", "packets", "--json", ...timing);
  const connected = await client.event("connected");
  t.match(connected, { endpoint: address, wire: { up: { length: 1500, intervalNs: 5_000_000 } } });
  await server.event("connected");
  await client.event("deviation");
  process.kill(client.pid, "SIGTERM");
  t.same(await client.exit, { code: 0, signal: null });
  t.match(client.events.at(-1), { event: "closed" });
  t.match(await server.event("disconnected"), { reason: "peerClosed" });
  process.kill(server.pid, "SIGINT");
  t.same(await server.exit, { code: 0, signal: null });
  t.equal(server.stderr + client.stderr, "");
});

t.test("nobody answers: it says so, and a signal ends it all the same", async (t) => {
  const address = `127.0.0.1:${await freePort()}`;
  const patient = i405("client", "--peer", address, "--device", "packets", "--json");
  await patient.event("connecting");
  process.kill(patient.pid, "SIGINT");
  t.same(await patient.exit, { code: 0, signal: null });
  const hasty = i405("client", "--peer", address, "--device", "packets", "--connect-timeout", "200ms");
  t.same(await hasty.exit, { code: 4, signal: null });
  t.match(hasty.stderr, /ERR_I405_CONNECT_TIMEOUT/);
});

t.test("a port in use and a bad option are one message, without a stack", async (t) => {
  const address = `127.0.0.1:${await freePort()}`;
  const first = i405("server", "--listen-addr", address, "--device", "packets", "--json");
  await first.event("listening");
  const second = i405("server", "--listen-addr", address, "--device", "packets");
  t.same(await second.exit, { code: 3, signal: null });
  t.match(
    second.stderr,
    new RegExp(`^i405 server: --listen-addr: .*${address}.*\\(ERR_I405_ADDRESS_IN_USE\\)\n  Choose`),
  );
  process.kill(first.pid, "SIGTERM");
  await first.exit;
  const bad = i405("client", "--peer", address, "--device", "packets", "--up-packet-interval", "5us");
  t.same(await bad.exit, { code: 2, signal: null });
  t.match(bad.stderr, /^i405 client: --up-packet-interval: got "5us", expected "10us" to "1s".*\(ERR_I405_OPTION\)\n$/);
});

t.test("keys through pipes", async (t) => {
  const key = run(["genkey"]);
  t.match(key, { status: 0, stderr: "", stdout: /^\S{44}\n$/ });
  const known = run(["pubkey"], "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=\n");
  // RFC 7748 section 6.1, Alice.
  t.match(known, { status: 0, stdout: "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=\n" });
});

t.test("a reader that goes away ends nothing, and is not complained of", async (t) => {
  const address = `127.0.0.1:${await freePort()}`;
  const flags = ["--peer", address, "--device", "packets", "--json", "--outgoing-send-deviation-stats", "100ms"];
  const client = spawn(process.execPath, [MAIN, "client", ...flags], { env: { ...process.env, ...ENVIRONMENT } });
  let stderr = "";
  client.stderr.on("data", (data: Buffer) => (stderr += data.toString()));
  const ended = new Promise((resolve) => client.on("close", resolve));
  await new Promise((resolve) => client.stdout.once("data", resolve));
  client.stdout.destroy();
  // Several records find nobody any more.
  await delay(1000);
  t.equal(client.exitCode, null, "a tunnel goes on");
  client.kill("SIGTERM");
  t.equal(await ended, 0);
  t.equal(stderr, "");
});

t.test("the demo, as lines, with a verdict at the end", async (t) => {
  const demo = i405("demo", "--seconds", "4");
  t.same(await demo.exit, { code: 0, signal: null });
  const text = demo.lines.join("\n");
  t.match(text, /quiet {2}inside up 0 B\/s/);
  t.match(text, /busy {3}inside up [1-9]/);
  t.match(text, /VERDICT {2}/);
  t.match(text, /all of 1500 bytes/);
  t.match(text, /i405 client --peer/);
  t.match((await i405("demo", "--seconds", "1").exit).code, 2);
});
