/** Two real ends over loopback, and all who look at them: metrics, status, live view on a terminal. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { freePort } from "../../lab/host/free-port.js";
import { samplesOf, type Sample } from "../../lab/texts/exposition.js";
import { here, Program } from "../../lab/host/program.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const ENVIRONMENT = { I405_PASSWORD: "a-long-password", NODE_OPTIONS: undefined };
const PLAIN = ["--device", "packets", "--no-sched-fifo"];

function i405(...parameters: string[]): Program {
  return new Program(here, [process.execPath, MAIN, ...parameters], ENVIRONMENT);
}

function run(...parameters: string[]) {
  const env = { ...process.env, ...ENVIRONMENT };
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...parameters], { encoding: "utf8", env });
  return { status, stdout, stderr };
}

async function freeAddress(): Promise<string> {
  return `127.0.0.1:${await freePort()}`;
}

/** A server and a client that is connected, each with a socket in this folder, ended with the test. */
async function pair(t: Test) {
  const folder = mkdtempSync(join(tmpdir(), "i405-observed-"));
  const address = await freeAddress();
  const observed = (name: string) => [...PLAIN, "--json", "--status-socket", join(folder, `${name}.sock`)];
  const server = i405("server", "--listen-addr", address, ...observed("server"), "--metrics", "127.0.0.1:0");
  await server.event("listening");
  const wire = [
    "--up-packet-interval",
    "5ms",
    "--down-packet-interval",
    "5ms",
    "--outgoing-send-deviation-stats",
    "200ms",
  ];
  const client = i405("client", "--peer", address, ...wire, ...observed("client"), "--metrics", "127.0.0.1:0");
  t.teardown(async () => {
    await Promise.all([server.stop(), client.stop()]);
    rmSync(folder, { recursive: true, force: true });
  });
  await client.event("connected");
  await client.event("deviation");
  return { folder, client, server };
}

async function scrape(program: Program): Promise<Sample[]> {
  const { address } = await program.event<{ event: string; address: string }>("metrics");
  const response = await fetch(`http://${address}/metrics`);
  t.equal(response.status, 200);
  t.equal((await fetch(`http://${address}/healthz`)).status, 200);
  return samplesOf(await response.text());
}

const sum = (samples: Sample[], name: string) =>
  samples.filter((sample) => sample.name === name).reduce((total, { value }) => total + value, 0);

t.test("metrics of two ends that are connected", async (t) => {
  const { client, server } = await pair(t);
  for (const [program, name] of [
    [client, "client"],
    [server, "server"],
  ] as const) {
    const samples = await scrape(program);
    t.ok(
      samples.find((sample) => sample.name === "i405_state" && sample.labels.state === "connected")?.value === 1,
      name,
    );
    t.equal(sum(samples, "i405_handshakes_total"), 1);
    t.equal(sum(samples, "i405_wire_interval_seconds"), 0.01);
    const counted = sum(samples, "i405_slot_lateness_seconds_count");
    // Of the next look: the histogram and the counters of one are not of the same instant.
    const sent = sum(await scrape(program), "i405_slots_sent_total");
    t.ok(counted > 0 && counted <= sent, `${counted} of ${sent} slots are in the histogram`);
    const buckets = samples.filter((sample) => sample.name === "i405_slot_lateness_seconds_bucket");
    t.equal(buckets.at(-1)?.value, counted);
    t.same(
      buckets.map(({ value }) => value),
      buckets.map(({ value }) => value).sort((a, b) => a - b),
      "cumulative",
    );
    t.ok(samples.every((sample) => sample.labels.tunnel === name || !("tunnel" in sample.labels)));
  }
});

t.test("i405 status, and what a killed tunnel leaves", async (t) => {
  const { folder, client, server } = await pair(t);
  const path = join(folder, "client.sock");
  const { status, stdout, stderr } = run("status", "--json", path);
  t.equal(stderr, "");
  t.equal(status, 0);
  t.match(JSON.parse(stdout), {
    format: 1,
    name: "client",
    command: "client",
    pid: client.pid,
    state: "connected",
    connection: { wire: { up: { intervalNs: 5_000_000 } } },
    deviation: { source: "call" },
  });
  t.match(run("status", path).stdout, /^client \(process \d+\): connected with 127\.0\.0\.1:\d+\n {2}since/);
  client.kill("SIGKILL");
  await client.exit;
  t.ok(existsSync(path), "it had no time to take it away");
  t.match(run("status", path), { status: 3, stderr: /ERR_I405_STATUS/ });
  await server.stop();
  t.notOk(existsSync(join(folder, "server.sock")));
});

const noScript = spawnSync("script", ["--version"]).status === 0 ? false : "script(1) is missing: util-linux";

t.test("--live on a terminal, and the terminal after it", { skip: noScript }, async (t) => {
  const address = await freeAddress();
  const command = [process.execPath, MAIN, "client", "--peer", address, ...PLAIN, "--no-status-socket", "--live"];
  const env = { ...process.env, ...ENVIRONMENT, NO_COLOR: undefined, TERM: "xterm" };
  // exec: a shell that stayed between would get the terminal's SIGINT too, and may die of it and not say our exit code.
  const terminal = spawn("script", ["-qefc", `exec ${command.join(" ")}`, "/dev/null"], { env });
  let text = "";
  let interrupted = false;
  terminal.stdout.on("data", (data: Buffer) => {
    text += data.toString();
    // Open: from then on there is a last word.
    if (interrupted || !/here +\d/.test(text)) return;
    interrupted = true;
    terminal.stdin.write("\x03");
  });
  t.teardown(() => terminal.kill("SIGKILL"));
  const code = await new Promise((resolve) => terminal.on("close", resolve));
  t.equal(code, 0);
  t.match(text, "\x1b[?25l");
  const [drawn = "", after = "", ...more] = text.split("\x1b[?25h");
  t.match(drawn, "slots/s");
  t.match(after, /^(\^C)?closed: \d+ slots sent/);
  t.same(more, [], "the cursor comes back once");
});
