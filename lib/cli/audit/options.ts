/** The flags of `i405 audit`. Values are parsed behind the library's options, except for what is said here. */
import type { AnswerOptions, AuditOptions, LiveAuditOptions } from "../../../types/audit.js";
import { describe, I405Error } from "../../common/errors.js";
import type { Flag } from "../flag.js";
import { flagsOf, flagOfOption } from "../flags.js";
import type { Io } from "../io.js";
import { secretReader } from "../secret-sources.js";
import { usageError, type Given, type Settings } from "../settings.js";
import { connectOptions, listenOptions, tunnelOptions } from "../tunnel-settings.js";

/** As commander has them. */
export interface AuditFlags {
  pcap?: string;
  stretches?: string;
  port?: string;
  endpoint?: string[];
  interval?: string;
  jitter?: string;
  jitterShape?: string;
  assumeJitter?: string;
  innerPcap?: string;
  against?: string;
  here?: boolean;
  listenAddr?: string;
  for?: string;
  stretch?: string;
  conditions?: string;
  observedAt?: string;
  capture?: string;
  json?: string;
  html?: string;
  failUnder?: string;
}

/** What is done with the report. */
export interface AuditOutput {
  /** Where to write; `-`: standard output. */
  json: string | undefined;
  html: string | undefined;
  /** Intervals. */
  failUnder: number | undefined;
}

export type AuditRequest =
  | { kind: "audit"; options: AuditOptions | LiveAuditOptions; output: AuditOutput }
  /** Both ends on this machine; the rest is as it was given. */
  | { kind: "here" }
  | { kind: "answer"; options: AnswerOptions };

const TUNNEL_FLAGS = new Set([
  ...["local-addr", "private-key-file", "peer-public-key", "preshared-key-file", "password-file", "password"],
  ...["fwmark", "poll-mode", "no-sched-fifo", "require-sched-fifo", "cpu", "dispatchers", "burner", "finalize-delta"],
  "send-by",
]);
const WIRE_FLAG = /^(up|down)-/;

/** Those of `i405 client` that an audit of a tunnel takes, too. */
export const AUDIT_TUNNEL_FLAGS: readonly Flag[] = flagsOf("client").filter(
  ({ name }) => TUNNEL_FLAGS.has(name) || WIRE_FLAG.test(name),
);

/** What is audited decides which flags there may be. */
const MODES = ["pcap", "against", "here", "listenAddr"] as const;
const OF_CAPTURES = ["stretches", "port", "endpoint", "interval", "jitter", "assumeJitter", "innerPcap"] as const;
const OF_TUNNELS = ["for", "stretch", "conditions", "observedAt", "capture"] as const;
const OF_REPORTS = ["json", "html", "failUnder"] as const;

const NAMES: Readonly<Record<string, string>> = {
  ...{ jitterShape: "jitter-shape", assumeJitter: "assume-jitter", innerPcap: "inner-pcap", listenAddr: "listen-addr" },
  ...{ observedAt: "observed-at", failUnder: "fail-under", duration: "for" },
};

function flagName(name: string): string {
  return NAMES[name] ?? name;
}

/**
 * @param given the tunnel's flags, as `i405 client` has them
 * @throws {I405Error} `ERR_I405_USAGE`
 */
export function readAuditFlags(flags: AuditFlags, given: ReadonlyMap<string, Given>, io: Io): AuditRequest {
  const [mode, second] = MODES.filter((name) => flags[name] !== undefined);
  if (mode === undefined) {
    const ways =
      "a capture (--pcap FILE), a tunnel of its own (--against HOST:PORT) or both ends on this machine (--here)";
    throw usageError("pcap", `nothing to audit. Give ${ways}`);
  }
  if (second !== undefined) throw contradiction(second, mode);
  const foreign = mode === "pcap" ? OF_TUNNELS : OF_CAPTURES;
  const wrong = [
    ...foreign,
    ...(mode === "listenAddr" ? [...OF_TUNNELS, ...OF_REPORTS, "jitterShape" as const] : []),
  ].find((name) => flags[name] !== undefined);
  if (wrong !== undefined) throw contradiction(wrong, mode);
  const [tunnelFlag] = given.keys();
  if (mode === "pcap" && tunnelFlag !== undefined) throw contradiction(tunnelFlag, mode);
  switch (mode) {
    case "pcap":
      return { kind: "audit", options: captureOptions(flags), output: outputOf(flags) };
    case "here": {
      const secret = ["local-addr", "password", "password-file", "private-key-file"].find((name) => given.has(name));
      if (secret !== undefined) throw contradiction(secret, mode);
      return { kind: "here" };
    }
    case "against":
      return { kind: "audit", options: liveOptions(flags, given, io), output: outputOf(flags) };
    case "listenAddr":
      return { kind: "answer", options: answerOptions(flags, given, io) };
  }
}

function contradiction(flag: string, mode: string): I405Error {
  const name = flagName(flag);
  return usageError(name, `--${name} contradicts --${flagName(mode)}. Leave one of the two out`);
}

function outputOf({ json, html, failUnder }: AuditFlags): AuditOutput {
  if (html === "-") throw usageError("html", "--html: got -, expected a file's name; only --json may be -");
  return { json, html, failUnder: failUnder === undefined ? undefined : readIntervals(failUnder) };
}

function captureOptions(flags: AuditFlags): AuditOptions {
  const { pcap, stretches, port, endpoint, interval, jitter, jitterShape, assumeJitter, innerPcap } = flags;
  if (stretches === undefined) {
    throw usageError("stretches", "--stretches is missing: give a file that says what was going on when (--help)");
  }
  // A value that isn't a number stays as it is, so that the option's own message quotes it.
  const number = port !== undefined && /^\d+$/.test(port) ? Number(port) : port;
  const all = {
    pcap: pcap === "-" ? "/dev/stdin" : pcap,
    stretches,
    port: number,
    endpoint,
    interval,
    jitter,
    jitterShape,
    assumeJitter,
    innerPcap,
  };
  return defined(all) as unknown as AuditOptions;
}

function liveOptions(flags: AuditFlags, given: ReadonlyMap<string, Given>, io: Io): LiveAuditOptions {
  const { against, jitterShape, stretch, conditions, observedAt, capture } = flags;
  const settings = new Map(given);
  settings.set("peer", { value: against!, source: "flags" });
  if (jitterShape !== undefined) settings.set("jitter-shape", { value: jitterShape, source: "flags" });
  return defined({
    against: connectOptions(settings, secretReader(io.environment, io.stdin)),
    tunnel: localOptions(settings),
    duration: flags.for,
    stretch,
    conditions: conditions?.split(",").map((name) => name.trim()),
    observedAt,
    capture: capture === "none" ? undefined : capture,
  }) as unknown as LiveAuditOptions;
}

function answerOptions({ listenAddr }: AuditFlags, given: ReadonlyMap<string, Given>, io: Io): AnswerOptions {
  const settings = new Map(given).set("listen-addr", { value: listenAddr!, source: "flags" });
  const clients = [...given.keys()].find((name) => WIRE_FLAG.test(name) || name === "local-addr");
  if (clients !== undefined) throw contradiction(clients, "listenAddr");
  const listen = listenOptions(settings, secretReader(io.environment, io.stdin));
  return { listen, tunnel: localOptions(settings) };
}

/** The packet device is the audit's own. */
function localOptions(settings: Settings): LiveAuditOptions["tunnel"] {
  const { device: _device, ...local } = tunnelOptions("client", settings);
  return local;
}

function defined(options: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function readIntervals(text: string): number {
  const intervals = Number(text);
  if (text.trim() !== "" && intervals > 0 && intervals < Infinity) return intervals;
  throw usageError("fail-under", `--fail-under: got ${describe(text)}, expected a number of intervals, such as 1e5`);
}

/** An error of an option, under its flag's name. */
export function underFlag(error: unknown): unknown {
  if (!(error instanceof I405Error) || error.code !== "ERR_I405_OPTION" || error.option === undefined) return error;
  const { option } = error;
  const tunnels = flagOfOption(option.replace(/^tunnel\./, ""), "client")?.name;
  const flag = NAMES[option] ?? tunnels ?? option.replace(/\[\d+\]$/, "");
  if (!error.message.startsWith(`${option}: `)) return error;
  return new I405Error(error.code, `--${flag}${error.message.slice(option.length)}`, {
    option: flag,
    cause: error,
  });
}
