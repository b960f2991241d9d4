/** What a running tunnel says: its events as records, each with a text for people. */
import type { I405Tunnel, TunnelEvents, TunnelStats } from "../index.js";
import {
  describeConnection,
  describeDeviation,
  describeRefused,
  describeStats,
  describeStrangers,
  plainCounters,
} from "./describe.js";
import { inFlags } from "./explain.js";
import type { TunnelCommand } from "./flag.js";
import type { Log } from "./plain-log.js";

/** What the log needs of a tunnel; the tests have a small one of their own. */
export type LoggedTunnel = Pick<I405Tunnel, "stats"> & {
  on<Name extends keyof TunnelEvents>(event: Name, listener: TunnelEvents[Name]): unknown;
};

const REASONS: Readonly<Record<string, string>> = {
  expired: "it grew too old",
  silent: "the other end stayed silent",
  peerClosed: "the other end closed it",
  replaced: "a new one took its place",
  exhausted: "it counted to its limit",
};

/** Logs a tunnel's events; `deviation` only if it was asked for. */
export function logEvents(tunnel: LoggedTunnel, log: Log, command: TunnelCommand, deviation: boolean): void {
  const next = command === "client" ? "handshaking anew" : "listening on";
  tunnel.on("connected", (connection) => {
    log.say("connected", connection, describeConnection(connection));
  });
  tunnel.on("silent", ({ forMs }) => {
    log.say("silent", { forMs }, `nothing heard for ${(forMs / 1000).toFixed(1)} s; ${next}`, "warn");
  });
  tunnel.on("heard", () => {
    log.say("heard", {}, "the other end is there again");
  });
  tunnel.on("rekeyed", () => {
    // Every few minutes, as it should be, so there is nothing that people need to read.
    log.say("rekeyed", {}, "");
  });
  logRoaming(tunnel, log);
  tunnel.on("disconnected", ({ reason }) => {
    log.say("disconnected", { reason }, `the session ended: ${REASONS[reason] ?? reason}; ${next}`);
  });
  logRefusals(tunnel, log);
  tunnel.on("warning", ({ code, message, remedy }) => {
    logWarning(log, { code, message: inFlags(message, command), remedy: inFlags(remedy, command) });
  });
  if (deviation) {
    tunnel.on("deviation", (figures) => {
      log.say("deviation", figures, describeDeviation(figures));
    });
  }
}

/**
 * Somebody who copies datagrams on the way can have a client seem to move to and fro. One record in this time at most,
 * ms.
 */
const ROAMING_MS = 10_000;

/** Says where the client is at once, and, when the time is over, where it has moved since. */
function logRoaming(tunnel: LoggedTunnel, log: Log): void {
  let waits = false;
  let newest = "";
  const say = (endpoint: string) => {
    log.say("roamed", { endpoint }, `the client is at ${endpoint} now`);
    waits = true;
    const look = () => {
      waits = false;
      if (newest !== endpoint) say(newest);
    };
    setTimeout(look, ROAMING_MS).unref();
  };
  tunnel.on("roamed", ({ endpoint }) => {
    newest = endpoint;
    if (!waits) say(endpoint);
  });
}

/** The same refusal is told once in this time, ms: a client that is refused and restarted each time asks for ever. */
const REFUSED_MS = 60_000;

/** Says at once whom a server refused and why, and once a minute how often again. */
function logRefusals(tunnel: LoggedTunnel, log: Log): void {
  let last = "";
  let again = 0;
  let timer: NodeJS.Timeout | undefined;
  const summary = () => {
    timer = undefined;
    if (again > 0) log.say("refused", { times: again }, `refused ${again} more times in the last minute`);
    else last = "";
    if (again > 0) timer = setTimeout(summary, REFUSED_MS).unref();
    again = 0;
  };
  tunnel.on("refused", (refused) => {
    const { endpoint, reason, direction } = refused;
    // Each start has another port.
    const what = [endpoint.slice(0, endpoint.lastIndexOf(":")), reason, direction].join(" ");
    if (timer !== undefined && what === last) {
      again += 1;
      return;
    }
    last = what;
    log.say("refused", refused, describeRefused(refused));
    timer ??= setTimeout(summary, REFUSED_MS).unref();
  });
}

/** A warning as a record, whoever gives it. */
export function logWarning(log: Log, warning: { code: string; message: string; remedy: string }): void {
  const { code, message, remedy } = warning;
  log.say("warning", { code, message, remedy }, `warning: ${message} (${code})\n  ${remedy}`, "warn");
}

/** How often there is a record of strangers at most, and at level `debug` one of the counters, ms. */
const SUMMARY_MS = 60_000;

/**
 * Logs what strangers did, if they did anything: one record a minute, so that nobody outside can make the log grow
 * faster.
 *
 * @returns A function that ends it.
 */
export function logStrangers(tunnel: Pick<LoggedTunnel, "stats">, log: Log): () => void {
  let before = tunnel.stats();
  const timer = setInterval(() => {
    const stats = tunnel.stats();
    logStrangersBetween(before, stats, log);
    log.say("stats", { stats: plainCounters(stats) }, `so far: ${describeStats(stats)}`, "debug");
    before = stats;
  }, SUMMARY_MS);
  timer.unref();
  return () => clearInterval(timer);
}

function logStrangersBetween(before: TunnelStats, now: TunnelStats, log: Log): void {
  const since = (of: (stats: TunnelStats) => bigint) => Number(of(now) - of(before));
  const seen = {
    forged: since(({ datagrams }) => datagrams.unknown),
    replayed: since(({ datagrams }) => datagrams.replayed),
    overBudget: since(({ datagrams }) => datagrams.overBudget),
    stale: since(({ handshake }) => handshake.stale),
  };
  if (Object.values(seen).every((count) => count === 0)) return;
  const level = seen.overBudget > 0 ? "warn" : "info";
  log.say("strangers", { seconds: SUMMARY_MS / 1000, ...seen }, describeStrangers(seen), level);
}

/** The last record of a tunnel that was open, with its counters. */
export function logClose(tunnel: Pick<LoggedTunnel, "stats">, log: Log): void {
  const stats = tunnel.stats();
  log.say("closed", { stats: plainCounters(stats) }, `closed: ${describeStats(stats)}`);
}
