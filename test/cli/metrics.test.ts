/** The endpoint against those who mean well and those who don't. */
import { request as httpRequest } from "node:http";
import { connect, type AddressInfo, createServer as createTcpServer } from "node:net";
import t, { type Test } from "tap";
import { isLoopback } from "../../lib/common/address-text.js";
import { serveMetrics } from "../../lib/cli/metrics-server.js";
import { runCli } from "../../lib/cli/cli.js";
import { PretendTunnel, pretendWorld } from "../../lab/fake/cli-world.js";

async function served(t: Test, address = "127.0.0.1") {
  const tunnel = new PretendTunnel({});
  const server = await serveMetrics(tunnel, "client", { address, port: 0 });
  t.teardown(() => server.close());
  const port = Number(server.address.split(":").at(-1));
  return { tunnel, server, port };
}

interface Answer {
  status: number;
  headers: Record<string, unknown>;
  body: string;
}

function ask(port: number, path: string, options: { method?: string; headers?: Record<string, string> } = {}) {
  return new Promise<Answer>((resolve, reject) => {
    const request = httpRequest({ host: "127.0.0.1", port, path, ...options }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () => resolve({ status: response.statusCode!, headers: response.headers, body }));
    });
    request.on("error", reject);
    request.end();
  });
}

/** What comes back for these bytes until the other end closes. */
function raw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    socket.setEncoding("latin1").on("data", (text: string) => (answer += text));
    // A reset is an end like any other.
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(answer));
  });
}

t.test("GET /metrics and /healthz", async (t) => {
  const { port, tunnel } = await served(t);
  const metrics = await ask(port, "/metrics");
  t.equal(metrics.status, 200);
  t.match(metrics.headers, {
    "content-type": /^text\/plain; version=0\.0\.4/,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  t.match(metrics.body, 'i405_slots_sent_total{tunnel="client",contents="cover"} 4\n');
  for (const [state, status] of [
    ["connected", 200],
    ["listening", 200],
    ["connecting", 503],
    ["silent", 503],
    ["closing", 503],
  ] as const) {
    tunnel.state = state;
    t.match(await ask(port, "/healthz"), { status, body: `${state}\n` });
  }
});

t.test("nothing else is answered", async (t) => {
  const { port } = await served(t);
  for (const path of ["/", "/metrics/", "/metrics?x=1", "/../metrics", "//metrics", "/metrics%00", "*"]) {
    t.match(await ask(port, path), { status: 404, headers: { connection: "close" } }, path);
  }
  for (const method of ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "PATCH"]) {
    t.match(await ask(port, "/metrics", { method }), { status: 405, headers: { allow: "GET" } }, method);
  }
  for (const headers of [
    "Content-Length: 5\r\n\r\nhello",
    "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "Content-Length: 99999999999\r\n\r\n",
    "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n",
  ]) {
    const answer = await raw(port, `GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n${headers}`);
    t.match(answer, /^HTTP\/1\.1 413 /, headers);
    t.notMatch(answer, "i405_");
  }
});

t.test("a name doesn't open what is bound to loopback, an address does", async (t) => {
  const { port } = await served(t);
  for (const host of [
    "evil.example",
    `evil.example:${port}`,
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "[evil]",
  ]) {
    t.match(await ask(port, "/metrics", { headers: { host } }), { status: 403 }, host);
  }
  t.match(await raw(port, "GET /metrics HTTP/1.1\r\nHost: \r\n\r\n"), /^HTTP\/1\.1 403 /);
  for (const host of ["localhost", `localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`]) {
    t.match(await ask(port, "/metrics", { headers: { host } }), { status: 200 }, host);
  }
  t.match(await raw(port, "GET /healthz HTTP/1.0\r\n\r\n"), /^HTTP\/1\.1 503 /, "HTTP/1.0 has no Host");
});

t.test("bound to more than loopback, names are let in", async (t) => {
  const { port } = await served(t, "0.0.0.0");
  t.match(await ask(port, "/metrics", { headers: { host: "tunnel.example" } }), { status: 200 });
});

t.test("what is no HTTP, or too much of it, is refused and cut off", async (t) => {
  const { port } = await served(t);
  const start = "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n";
  for (const [bytes, status] of [
    ["\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400],
    ["GET\r\n\r\n", 400],
    ["GET /metrics HTTP/1.1\r\n\r\n", 400],
    [`${start}X: ${"a".repeat(5000)}\r\n\r\n`, 431],
    [`GET /${"a".repeat(5000)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`, 431],
    [start + "X: 1\r\n".repeat(3000) + "\r\n", 431],
    [`${start}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`, 400],
    [`${start}X: a\nb\x00c\r\n\r\n`, 400],
  ] as const) {
    t.match(await raw(port, bytes), new RegExp(`^HTTP/1\\.1 ${status} `), JSON.stringify(bytes.slice(0, 60)));
  }
  t.match(await ask(port, "/metrics"), { status: 200 }, "others are served as before");
});

t.test("a request that never ends is ended, and doesn't keep others out", async (t) => {
  const { port } = await served(t);
  const slow = raw(port, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nX-");
  const silent = raw(port, "");
  t.match(await ask(port, "/metrics"), { status: 200 });
  t.match(await slow, /^HTTP\/1\.1 408 |^$/);
  t.match(await silent, /^HTTP\/1\.1 408 |^$/);
});

t.test("there are 16 connections and no more", async (t) => {
  const { port } = await served(t);
  const held = await Promise.all(
    Array.from(
      { length: 16 },
      () =>
        new Promise<ReturnType<typeof connect>>((resolve) => {
          const socket = connect(port, "127.0.0.1", () => resolve(socket));
          socket.on("error", () => undefined);
        }),
    ),
  );
  t.equal(await raw(port, "GET /metrics HTTP/1.0\r\n\r\n"), "");
  for (const socket of held) socket.destroy();
});

t.test("closing doesn't wait for those who look, and takes the listeners back", async (t) => {
  const { port, server, tunnel } = await served(t);
  const held = raw(port, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  t.not(tunnel.eventNames().length, 0);
  await server.close();
  t.match(await held, /^HTTP\/1\.1 200 |^$/);
  t.same(tunnel.eventNames(), []);
});

t.test("a port in use is an error that says so", async (t) => {
  const taken = createTcpServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  t.teardown(() => taken.close());
  const { port } = taken.address() as AddressInfo;
  const tunnel = new PretendTunnel({});
  await t.rejects(serveMetrics(tunnel, "client", { address: "127.0.0.1", port }), {
    code: "ERR_I405_METRICS",
    message: /--metrics: can't listen on 127\.0\.0\.1 port \d+: .*EADDRINUSE.*\nChoose another port/,
  });
  t.same(tunnel.eventNames(), [], "nothing is left behind");
});

t.test("which addresses are loopback's", async (t) => {
  for (const address of ["127.0.0.1", "127.1.2.3", "::1"]) t.ok(isLoopback(address), address);
  for (const address of ["0.0.0.0", "::", "10.0.0.1", "fe80::1"]) t.notOk(isLoopback(address), address);
});

const CLIENT = ["client", "--peer", "203.0.113.7:1405", "--password", "a-long-password", "--json"];

t.test("a command serves while it runs, and warns where others can read", async (t) => {
  const run = async (...flags: string[]) => {
    const world = pretendWorld((tunnel) => {
      tunnel.opening = () => Promise.resolve(world.stop.request());
    });
    t.equal(await runCli([...CLIENT, ...flags], world), 0);
    return { world, listeners: world.tunnels[0]?.listenerCount("rekeyed") };
  };
  const without = await run();
  const events = async (address: string) => {
    const { world, listeners } = await run("--metrics", address);
    t.equal(listeners, without.listeners, "nothing listens any more");
    return world
      .output()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { event: string; code?: string; address?: string });
  };
  const local = await events("127.0.0.1:0");
  t.match(local[0], { event: "metrics", address: /^127\.0\.0\.1:\d+$/ });
  t.notOk(local.find(({ event }) => event === "warning"));
  const open = await events("0.0.0.0:0");
  t.match(open[1], { event: "warning", code: "I405_METRICS_EXPOSED" });
});

t.test("a port that can't be had ends the command before anything is opened", async (t) => {
  const taken = createTcpServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  t.teardown(() => taken.close());
  const { port } = taken.address() as AddressInfo;
  const world = pretendWorld();
  t.equal(await runCli([...CLIENT, "--lift-rt-throttle", "--metrics", `127.0.0.1:${port}`], world), 3);
  t.equal(world.tunnels[0]?.asked, undefined);
  t.same(world.throttle, ["lifted", "put back"]);
  t.match(JSON.parse(world.output()), { event: "error", code: "ERR_I405_METRICS", option: "metrics" });
});
