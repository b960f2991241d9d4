/**
 * `--metrics`: an HTTP server for Prometheus that knows two paths and nothing else. Its clients may be hostile: a web
 * page that guesses the port, or anybody, if it is bound to more than loopback. So requests are small, short and few,
 * have no bodies, and are answered from memory.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Registry } from "prom-client";
import type { MeasuredTunnel } from "../../types/metrics.js";
import { familyOf, formatHostAndPort, isLoopback } from "../common/address-text.js";
import { I405Error } from "../common/errors.js";
import type { TunnelState } from "../index.js";
import { registerMetrics } from "../metrics/register.js";

export interface MetricsServer {
  /** Where it listens: `127.0.0.1:9405`. */
  address: string;
  close(): Promise<void>;
}

/** Prometheus' own requests have some 300 bytes of headers. */
const HEADER_BYTES = 4096;
/** For a whole request, ms: a scrape has it in one segment. */
const REQUEST_MS = 2000;
/** An idle connection, ms. A scraper that comes less often connects anew. */
const IDLE_MS = 5000;
/** A few scrapers, and somebody who looks with a browser. */
const CONNECTIONS = 16;

/** States in which all is well: a server that waits for its client does what it is there for. */
const HEALTHY: readonly TunnelState[] = ["listening", "connected"];

/**
 * @param name Label of the tunnel.
 * @throws {I405Error} `ERR_I405_METRICS` if it can't listen there
 */
export async function serveMetrics(
  tunnel: MeasuredTunnel,
  name: string,
  at: { address: string; port: number },
): Promise<MetricsServer> {
  const registry = new Registry();
  const remove = registerMetrics(tunnel, { registry, name });
  const local = isLoopback(at.address);
  const limits = {
    maxHeaderSize: HEADER_BYTES,
    headersTimeout: REQUEST_MS,
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: IDLE_MS,
    connectionsCheckingInterval: REQUEST_MS / 2,
  };
  const server = createServer(limits, (request, response) => {
    const refusal = refusalOf(request, local);
    if (refusal !== null) refuse(response, ...refusal);
    else if (request.url === "/metrics") void sendMetrics(registry, response);
    else sendHealth(tunnel.state, response);
  });
  server.maxConnections = CONNECTIONS;
  // A client that waits for "100 Continue" wants to send a body.
  server.on("checkContinue", (_request, response: ServerResponse) => refuse(response, 413, "no bodies"));
  const end = () => {
    remove();
    return new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  };
  try {
    await listen(server, at);
  } catch (cause) {
    await end();
    throw listenError(at, cause as NodeJS.ErrnoException);
  }
  // The port may have been the kernel's choice; Node leaves the zone out.
  const { port } = server.address() as AddressInfo;
  return { address: formatHostAndPort(at.address, port), close: end };
}

type Refusal = [status: number, why: string, headers?: Record<string, string>];

function refusalOf(request: IncomingMessage, local: boolean): Refusal | null {
  const { method, url, headers } = request;
  if (headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) !== 0) {
    return [413, "no bodies"];
  }
  if (local && !isLiteral(headers.host)) return [403, "ask by address: a name may stand for anything"];
  if (url !== "/metrics" && url !== "/healthz") return [404, "/metrics and /healthz"];
  return method === "GET" ? null : [405, "GET only", { Allow: "GET" }];
}

/**
 * A page in a browser of this machine can send requests to a name of its own that stands for 127.0.0.1, and read the
 * answer (DNS rebinding). It can't put an address into `Host`.
 */
function isLiteral(host: string | undefined): boolean {
  if (host === undefined) return true;
  const name = host.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  return name === "localhost" || familyOf(name) !== 0;
}

function refuse(response: ServerResponse, status: number, why: string, headers: Record<string, string> = {}): void {
  send(response, status, "text/plain; charset=utf-8", `${why}\n`, { ...headers, Connection: "close" });
}

async function sendMetrics(registry: Registry, response: ServerResponse): Promise<void> {
  try {
    send(response, 200, registry.contentType, await registry.metrics());
  } catch {
    // The tunnel goes on, whatever is wrong with its figures.
    refuse(response, 500, "the metrics could not be read");
  }
}

function sendHealth(state: TunnelState, response: ServerResponse): void {
  send(response, HEALTHY.includes(state) ? 200 : 503, "text/plain; charset=utf-8", `${state}\n`);
}

function send(response: ServerResponse, status: number, type: string, body: string, headers = {}): void {
  const always = { "Content-Type": type, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" };
  response.writeHead(status, { ...always, "Content-Length": Buffer.byteLength(body), ...headers });
  response.end(body);
}

function listen(server: Server, { address, port }: { address: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: address, port, exclusive: true }, () => {
      server.removeListener("error", reject);
      // The tunnel keeps the program alive; its readers don't.
      server.unref();
      // If an accept fails because descriptors have run out, that is no reason to end.
      server.on("error", () => undefined);
      resolve();
    });
  });
}

function listenError({ address, port }: { address: string; port: number }, cause: NodeJS.ErrnoException): I405Error {
  const remedy =
    cause.code === "EADDRINUSE"
      ? "Choose another port, or end the program that has it (ss -tlpn)"
      : "Use an address of this machine (ip address), and a port from 1024 on";
  const message = `--metrics: can't listen on ${address} port ${port}: ${cause.message}\n${remedy}`;
  return new I405Error("ERR_I405_METRICS", message, { option: "metrics", cause });
}
