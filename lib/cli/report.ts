/** What a running tunnel says: lines for people, or with `--json` one object a line. */
import type { I405Tunnel, TunnelEvents } from "../index.js";
import { describeConnection, describeDeviation, describeStats, plainCounters } from "./describe.js";
import { errorLines, inFlags, type Explained } from "./explain.js";
import type { TunnelCommand } from "./flags.js";
import type { Io } from "./io.js";

/** What the reports need of a tunnel; the tests have a small one of their own. */
export type Reported = Pick<I405Tunnel, "stats"> & {
  on<Name extends keyof TunnelEvents>(event: Name, listener: TunnelEvents[Name]): unknown;
};

export interface Report {
  /** `event` and `fields` for programs, `text` for people. */
  say(event: string, fields: object, text: string): void;
  fail(explained: Explained): void;
}

export function reporter(io: Io, json: boolean, program: string, now: () => Date = () => new Date()): Report {
  const line = (object: object) => io.out(`${JSON.stringify({ time: now().toISOString(), ...object })}\n`);
  if (json) {
    return {
      say: (event, fields) => line({ event, ...fields }),
      fail: ({ code, message, option }) => line({ event: "error", code, message, option }),
    };
  }
  return {
    say: (_event, _fields, text) => io.out(`${text}\n`),
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

/** Reports a tunnel's events. `deviation` only if it was asked for: listening to it has a price. */
export function reportEvents(tunnel: Reported, report: Report, command: TunnelCommand, deviation: boolean): void {
  const next = command === "client" ? "handshaking anew" : "listening on";
  tunnel.on("connected", (connection) => {
    report.say("connected", connection, describeConnection(connection));
  });
  tunnel.on("silent", ({ forMs }) => {
    report.say("silent", { forMs }, `nothing heard for ${(forMs / 1000).toFixed(1)} s; ${next}`);
  });
  tunnel.on("heard", () => {
    report.say("heard", {}, "the other end is there again");
  });
  tunnel.on("disconnected", ({ reason }) => {
    report.say("disconnected", { reason }, `the session ended: ${REASONS[reason] ?? reason}; ${next}`);
  });
  tunnel.on("warning", ({ code, message, remedy }) => {
    const words = { message: inFlags(message, command), remedy: inFlags(remedy, command) };
    report.say("warning", { code, ...words }, `warning: ${words.message} (${code})\n  ${words.remedy}`);
  });
  if (deviation) {
    tunnel.on("deviation", (figures) => {
      report.say("deviation", figures, describeDeviation(figures));
    });
  }
}

/** The last word of a tunnel that was open, with its counters. */
export function reportClose(tunnel: Pick<Reported, "stats">, report: Report): void {
  const stats = tunnel.stats();
  report.say("closed", { stats: plainCounters(stats) }, `closed: ${describeStats(stats)}`);
}
