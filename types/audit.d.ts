/**
 * `import { audit } from "i405/audit"`: how many intervals an observer of a tunnel's wire needs to tell two conditions
 * apart, and by what. Works on any capture of any tunnel; docs/audit.md explains the figures.
 */
import type { I405Tunnel } from "../index.js";
import type { ConnectOptions, Duration, ListenOptions, TunnelOptions } from "./options.js";

/** Densities of jitter. `two-step`: the inner half of the width is four times as likely as the outer. */
export type AuditShape = "cos4" | "uniform" | "cos2" | "triangular" | "two-step";

/** A span of time under one condition. */
export interface AuditStretch {
  /** Unix seconds, by the clock of the capture. */
  from: number;
  /** Unix seconds, after `from`. Stretches don't overlap. */
  to: number;
  /** The condition, 1 to 60 characters: `idle`, `busy`. */
  label: string;
}

/** What is to be audited, and what is known of it. */
export interface AuditOptions {
  /**
   * pcap or pcapng file, of any link type with IP in it; or a pipe (`/dev/stdin`, a FIFO), which is read to its end and
   * kept in a temporary file without a name meanwhile.
   */
  pcap: string;
  /** Stretches, or a JSON file `{"stretches": [...]}` with them. At least one. */
  stretches: string | readonly AuditStretch[];
  /** The server's UDP port, 1 to 65535. Default: that of the flow that most packets in the stretches are of. */
  port?: number;
  /**
   * One end of the tunnel, or both: `"192.0.2.1"`, `"192.0.2.1:1405"`, `"[2001:db8::1]:1405"`. A flow is its two endpoints,
   * and where several fit, the one with most packets in the stretches is audited, with `I405_AUDIT_FLOWS` in `warnings`.
   */
  endpoint?: string | readonly string[];
  /** Mean interval of both directions, 1us to 10s. Default: guessed, for each direction. */
  interval?: Duration;
  /** Half width of the jitter, 0 (a grid: send errors can be read off it) to the interval. Default: guessed. */
  jitter?: Duration | 0;
  /** Density of the jitter. Default: guessed, if there is jitter. */
  jitterShape?: AuditShape;
  /**
   * Give n95 as if this had been the half width of the jitter. Only for a capture without jitter, 1ns to 10s; default:
   * n95 of the gaps as they were. The density is `jitterShape`, or cos4.
   */
  assumeJitter?: Duration;
  /** Capture of what went into the tunnel at the client's end, for echoes of inner packets in `up`. Default: none. */
  innerPcap?: string;
  /** Told what is being done, in a few words. */
  onProgress?: (what: string) => void;
  /** Ends the audit early; the report is on what was compared until then. */
  signal?: AbortSignal;
}

/**
 * What may go on while a tunnel is watched. Beside `quiet`: inner traffic as much as fits, one way or both
 * (`saturated-...`), one small packet about once a second, bursts as of somebody who reads web pages, a constant stream;
 * a machine whose cores, memory, disk or network interrupts are busy; the program's event loop blocked.
 */
export type AuditConditionName =
  | "quiet"
  | "saturated-up"
  | "saturated-down"
  | "saturated-both"
  | "now-and-then"
  | "bursts"
  | "stream"
  | "busy-cpu"
  | "busy-memory"
  | "busy-disk"
  | "busy-interrupts"
  | "event-loop";

/**
 * An audit of a tunnel that the audit runs itself, as the client. It makes this machine busy and fills the tunnel, by
 * turns and in random order.
 */
export interface LiveAuditOptions {
  /**
   * With whom to connect, and the wire that is audited. The other end should be {@link answerAudits}: it says when what
   * was received, and when its own slots were due. To any other server, sends are observed at the call, and nothing is
   * asked of it; inner packets of the audit are of no use to it, and it drops them.
   */
  against: ConnectOptions;
  /** The local side, as `new I405Tunnel` takes it; `device`, `record` and `queue` are the audit's own. */
  tunnel?: Omit<TunnelOptions, "device" | "record" | "queue">;
  /** How long all of it is to take, `"10s"` to `"24h"`. Default `"10m"`. At least each condition once. */
  duration?: Duration;
  /** Length of a stretch, from `"1s"`. Default: so that each condition has four of them, 2 to 30 s. */
  stretch?: Duration;
  /** Which conditions; `quiet` is always among them. At least one other. Default: all. */
  conditions?: readonly AuditConditionName[];
  /**
   * From where sends are observed: by the other end's receive timestamps (`"peer"`, default if it answers), at the call
   * (`"call"`), or by transmit timestamps of the kernel or the card.
   */
  observedAt?: "peer" | "call" | "software" | "hardware";
  /**
   * Interface on which `tcpdump` captures meanwhile, for header fields and bytes; `"any"`; `"namespace/interface"` in
   * another network namespace. Needs root and tcpdump. Default: none, and the report says nothing of them.
   */
  capture?: string;
  /** Told what is being done, in a few words. */
  onProgress?: (what: string) => void;
  /** Ends the watching; the report is on what was seen until then. */
  signal?: AbortSignal;
}

/** The other end of live audits. */
export interface AnswerOptions {
  /** Where to listen, and for whom. */
  listen: ListenOptions;
  /** The local side, as `new I405Tunnel` takes it; `device`, `record` and `queue` are the audit's own. */
  tunnel?: Omit<TunnelOptions, "device" | "record" | "queue">;
}

/** It answers until it is closed. */
export interface AuditResponder {
  /** For its events and statistics. */
  readonly tunnel: Pick<I405Tunnel, "connection" | "localAddress" | "off" | "on" | "once" | "state" | "stats">;
  readonly close: () => Promise<void>;
}

/** An n95 with its confidence interval of 95 %, in intervals. */
export interface AuditN95 {
  low: number;
  /** Null: no difference is left after the correction for chance. */
  estimate: number | null;
  /** Null: the two can't be told apart by what was watched. */
  high: number | null;
  /** True: nothing but "at least `low`" can be said. */
  atLeast: boolean;
}

/** Something that tells conditions apart, or that no constant tunnel shows. */
export interface AuditFinding {
  /**
   * `gaps`, `tails`, `rate`, `spread`, `skipped`, `autocorrelation`, `spectrum`, `headers`, `fragments`, `bytes`,
   * `echo-inner`, `echo-direction`, `change-points`, `attacker`.
   */
  effect: string;
  /** How large it is; of what, `words` say. */
  measure: number;
  /** p-value, corrected for the number of tests made (Holm): below 0.01. */
  significance: number;
  words: string;
}

/** Two conditions in one direction. */
export interface AuditPair {
  /** `up`, to the server's port, or `down`. */
  direction: string;
  a: string;
  b: string;
  /** Two halves of one condition: what is found here is a false alarm, or the machine's own drift. */
  control: boolean;
  /** Without the thousandth of the slots at either end of the distribution. Null: too few gaps. */
  n95: AuditN95 | null;
  /** Of all slots. */
  n95AllSlots: AuditN95 | null;
  /** `deconvolved`: deadlines were known, so n95 is known far beyond the number of gaps. `histogram`: it is not. */
  method: "deconvolved" | "histogram";
  /** Gaps of either that were watched. */
  gaps: [number, number];
  /** Share of windows that a learned attacker got right, both conditions counting alike; 0.5 is a coin's. */
  attacker: { accuracy: number; gapsPerWindow: number } | null;
  /** The least likely to be chance first. */
  findings: AuditFinding[];
  /** The verdict in a sentence. */
  words: string;
  /** What would make n95 greater. */
  advice: string[];
}

/**
 * Quantiles of the send errors, how far from its deadline each slot was sent, microseconds. They are known to a constant
 * only: 0 is what one slot in a hundred of the direction is below. Missed slots are left out.
 */
export interface AuditSendErrors {
  p50Us: number;
  p90Us: number;
  p99Us: number;
  p999Us: number;
  maxUs: number;
}

/** One condition in one direction. */
export interface AuditCondition {
  label: string;
  stretches: number;
  seconds: number;
  datagrams: number;
  /** Gaps longer than any that is drawn, by half an interval. */
  skipped: number;
  /** Standard deviation of the gaps, microseconds, without single stalls. */
  gapSdUs: number;
  /** Null: the deadlines aren't known. */
  sendErrors: AuditSendErrors | null;
}

/** One direction. */
export interface AuditDirection {
  direction: string;
  intervalNs: number;
  /** 0: no jitter. */
  jitterNs: number;
  jitterShape: AuditShape;
  /** Which of them were guessed: `interval`, `jitter`, `shape`. */
  guessed: string[];
  /** The jitter that n95 was told for, if it is another one. */
  assumedJitterNs: number | null;
  conditions: AuditCondition[];
  /** Every value that each header field had, with the number of datagrams by condition. */
  headers: { field: string; values: { value: string; counts: Record<string, number> }[] }[];
}

/** What to know before a report is believed; docs/errors.md has each code. */
export interface AuditWarning {
  code:
    | "I405_AUDIT_BYTES"
    | "I405_AUDIT_CAPTURE"
    | "I405_AUDIT_CLOCK"
    | "I405_AUDIT_COPIES"
    | "I405_AUDIT_DIRECTION"
    | "I405_AUDIT_FLOWS"
    | "I405_AUDIT_INTERFACES"
    | "I405_AUDIT_ORDER"
    | "I405_AUDIT_UNTIMED";
  message: string;
  remedy: string;
}

/** What `--json` writes; schemas/audit.schema.json describes it. */
export interface AuditReport {
  version: 1;
  source: {
    /** The capture, or which tunnel was watched. */
    file: string;
    format: "pcap" | "pcapng" | "observations";
    /** From where sends were observed. */
    observedAt: "capture" | "peer" | "call" | "software" | "hardware";
    /** Unix seconds. */
    fromS: number;
    seconds: number;
    packets: number;
    /** Packets that are not the tunnel's; of observations, slots that nobody could tell of. */
    otherPackets: number;
    /** The file ends within a packet. */
    cutOff: boolean;
    /** Of the timestamps. */
    resolutionNs: number;
    port: number | null;
    /** The two ends of the flow, as seen in a capture: `192.0.2.1:40000`. */
    endpoints: { client: string; server: string } | null;
    /** Flows that fit as well and were not audited: other clients, other tunnels, translated addresses. */
    otherFlows: { between: [string, string]; packets: number; inside: number }[];
    /** How often a datagram was seen again, at another interface or VLAN for example. Each counts once. */
    copies: number;
  };
  directions: AuditDirection[];
  pairs: AuditPair[];
  /** What holds for a condition, or for all of the capture, by itself. */
  findings: (AuditFinding & { direction: string; label: string | null })[];
  /** Something that isn't a control was found. */
  leaks: boolean;
  /**
   * `leaks`: as above. `nothing-found`: every condition of every direction was compared, and passed its control.
   * `cannot-tell`: nothing was found, but not all could be looked at; `untold` says what.
   */
  verdict: "leaks" | "nothing-found" | "cannot-tell";
  /** What nothing can be told of, and why: a stretch without packets, too few gaps, an early end. */
  untold: string[];
  /** What to know before it is believed. */
  warnings: AuditWarning[];
  /** False: it was ended early. */
  complete: boolean;
}

/** What an audit has come to. */
export interface Audit {
  readonly report: AuditReport;
  /** A short text for a terminal. */
  text(): string;
  /** A page that needs nothing else, with plots. */
  html(): Promise<string>;
}

/**
 * Audits a capture, or a tunnel that it runs itself.
 *
 * @throws {I405Error} `ERR_I405_OPTION`; of captures `ERR_I405_CAPTURE` (no capture, or a damaged one) and
 *   `ERR_I405_STRETCHES`; of tunnels whatever `connect` throws, `ERR_I405_AUDIT_PEER` (the other end stopped answering) and
 *   `ERR_I405_AUDIT_HERE` (a load or a capture could not be made)
 * @example
 * const { report } = await audit({ pcap: "wire.pcap", stretches: "stretches.json" });
 * const weakest = Math.min(...report.pairs.filter((pair) => !pair.control).map(({ n95 }) => n95?.low ?? 0));
 * if (report.verdict === "cannot-tell" || weakest < 1e5) process.exitCode = 1;
 * @example
 * const { text } = await audit({ against: { peer: "203.0.113.7:1405", password }, duration: "10m" });
 * console.log(text());
 */
export function audit(options: AuditOptions | LiveAuditOptions): Promise<Audit>;

/**
 * Listens as a server, and answers audits.
 *
 * @throws {I405Error} whatever `listen` throws
 */
export function answerAudits(options: AnswerOptions): Promise<AuditResponder>;
