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
import { errorLines, inFlags, type Explained } from "./explain.js";
import type { TunnelCommand } from "./flag.js";
import type { Io } from "./io.js";
import type { LogLevel } from "./output-settings.js";

/** What the reports need of a tunnel; the tests have a small one of their own. */
export type Reported = Pick<I405Tunnel, "stats"> & {
  on<Name extends keyof TunnelEvents>(event: Name, listener: TunnelEvents[Name]): unknown;
};

export interface Report {
  /** `event` and `fields` for programs, `text` for people. Level: default `info`. */
  say(event: string, fields: object, text: string, level?: LogLevel): void;
  fail(explained: Explained): void;
}

/** For the commands that end by themselves: everything is said, without levels. */
export function reporter(io: Io, json: boolean, program: string, now: () => Date = () => new Date()): Report {
  const line = (object: object) => io.out(`${JSON.stringify({ time: now().toISOString(), ...object })}\n`);
  if (json) {
    return {
      say: (event, fields) => line({ event, ...fields }),
      fail: ({ code, message, option }) => line({ event: "error", code, message, option }),
    };
  }
  return {
    // Without a text it is for programs only.
    say: (_event, _fields, text) => {
      if (text !== "") io.out(`${text}\n`);
    },
    fail: (explained) => io.err(`${errorLines(explained, program)}\n`),
  };
}

const REASONS: Readonly<Record<string, string>> = {
  expired: "it grew too old",
  silent: "the other end stayed silent",
  peerClosed: "the other end closed it",
  replaced: "a new one took its place",
  exhausted: "it counted to its limit",
};

/** Reports a tunnel's events; `deviation` only if it was asked for. */
export function reportEvents(tunnel: Reported, report: Report, command: TunnelCommand, deviation: boolean): void {
  const next = command === "client" ? "handshaking anew" : "listening on";
  tunnel.on("connected", (connection) => {
    report.say("connected", connection, describeConnection(connection));
  });
  tunnel.on("silent", ({ forMs }) => {
    report.say("silent", { forMs }, `nothing heard for ${(forMs / 1000).toFixed(1)} s; ${next}`, "warn");
  });
  tunnel.on("heard", () => {
    report.say("heard", {}, "the other end is there again");
  });
  tunnel.on("rekeyed", () => {
    // Every few minutes, as it should be: nothing that people need to read.
    report.say("rekeyed", {}, "");
  });
  reportRoaming(tunnel, report);
  tunnel.on("disconnected", ({ reason }) => {
    report.say("disconnected", { reason }, `the session ended: ${REASONS[reason] ?? reason}; ${next}`);
  });
  reportRefusals(tunnel, report);
  tunnel.on("warning", ({ code, message, remedy }) => {
    sayWarning(report, { code, message: inFlags(message, command), remedy: inFlags(remedy, command) });
  });
  if (deviation) {
    tunnel.on("deviation", (figures) => {
      report.say("deviation", figures, describeDeviation(figures));
    });
  }
}

/** Who copies datagrams on the way can have a client seem to move to and fro: one record in this time at most, ms. */
const ROAMING_MS = 10_000;

/** Says where the client is: at once, and where it went on to when the time is over. */
function reportRoaming(tunnel: Reported, report: Report): void {
  let waits = false;
  let newest = "";
  const say = (endpoint: string) => {
    report.say("roamed", { endpoint }, `the client is at ${endpoint} now`);
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

/** The same refusal again is told once in this time, ms: a client that is refused and asked to restart asks for ever. */
const REFUSED_MS = 60_000;

/** Says whom a server refused and why: at once, and once a minute how often again. */
function reportRefusals(tunnel: Reported, report: Report): void {
  let last = "";
  let again = 0;
  let timer: NodeJS.Timeout | undefined;
  const summary = () => {
    timer = undefined;
    if (again > 0) report.say("refused", { times: again }, `refused ${again} more times in the last minute`);
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
    report.say("refused", refused, describeRefused(refused));
    timer ??= setTimeout(summary, REFUSED_MS).unref();
  });
}

/** A warning as a record, whoever gives it. */
export function sayWarning(report: Report, warning: { code: string; message: string; remedy: string }): void {
  const { code, message, remedy } = warning;
  report.say("warning", { code, message, remedy }, `warning: ${message} (${code})\n  ${remedy}`, "warn");
}

/** How often strangers are spoken of at most, and at level `debug` the counters, ms. */
const SUMMARY_MS = 60_000;

/**
 * One record a minute of what strangers did, if they did anything: nobody outside can make the log grow faster.
 *
 * @returns What ends it.
 */
export function reportStrangers(tunnel: Pick<Reported, "stats">, report: Report): () => void {
  let before = tunnel.stats();
  const timer = setInterval(() => {
    const stats = tunnel.stats();
    sayStrangers(before, stats, report);
    report.say("stats", { stats: plainCounters(stats) }, `so far: ${describeStats(stats)}`, "debug");
    before = stats;
  }, SUMMARY_MS);
  timer.unref();
  return () => clearInterval(timer);
}

function sayStrangers(before: TunnelStats, now: TunnelStats, report: Report): void {
  const since = (of: (stats: TunnelStats) => bigint) => Number(of(now) - of(before));
  const seen = {
    forged: since(({ datagrams }) => datagrams.unknown),
    replayed: since(({ datagrams }) => datagrams.replayed),
    overBudget: since(({ datagrams }) => datagrams.overBudget),
    stale: since(({ handshake }) => handshake.stale),
  };
  if (Object.values(seen).every((count) => count === 0)) return;
  const level = seen.overBudget > 0 ? "warn" : "info";
  report.say("strangers", { seconds: SUMMARY_MS / 1000, ...seen }, describeStrangers(seen), level);
}

/** The last word of a tunnel that was open, with its counters. */
export function reportClose(tunnel: Pick<Reported, "stats">, report: Report): void {
  const stats = tunnel.stats();
  report.say("closed", { stats: plainCounters(stats) }, `closed: ${describeStats(stats)}`);
}
