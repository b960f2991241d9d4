/**
 * `import { audit } from "i405/audit"`: how many intervals an observer of a tunnel's wire needs to tell two conditions
 * apart, and by what. Works on any capture of any tunnel; docs/audit.md explains the figures.
 */
import type { I405Tunnel } from "../index.js";
import type { ConnectOptions, Duration, ListenOptions, TunnelOptions } from "./options.js";

/** Densities of jitter. `"two-step"`: the inner half of the width is four times as likely as the outer half. */
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
   * A pcap or pcapng file, of any link type with IP in it. It may be a pipe (`/dev/stdin`, a FIFO); that is read to its
   * end and kept in a temporary file without a name meanwhile.
   */
  pcap: string;
  /** Stretches, or a JSON file `{"stretches": [...]}` with them. At least one. */
  stretches: string | readonly AuditStretch[];
  /** The server's UDP port, 1 to 65535. Default: the port of the flow that has most packets in the stretches. */
  port?: number;
  /**
   * One end of the tunnel, or both: `"192.0.2.1"`, `"192.0.2.1:1405"`, `"[2001:db8::1]:1405"`. Default: any. A flow is
   * what passes between two endpoints. If several flows fit, the one with most packets in the stretches is audited, and
   * `warnings` has `I405_AUDIT_FLOWS`.
   */
  endpoint?: string | readonly string[];
  /** Mean interval of both directions, `"1us"` to `"10s"`. Default: guessed, for each direction. */
  interval?: Duration;
  /**
   * Half width of the jitter, 0 to the interval. Default: guessed. With 0 the deadlines are a grid, off which send
   * errors can be read.
   */
  jitter?: Duration | 0;
  /** Density of the jitter. Default: guessed, if there is jitter. */
  jitterShape?: AuditShape;
  /**
   * Gives n95 as if this had been the half width of the jitter, `"1ns"` to `"10s"`. Only for a capture without jitter.
   * The density is `jitterShape`, or cos4. Default: n95 of the gaps as they were.
   */
  assumeJitter?: Duration;
  /**
   * A capture of what went into the tunnel at the client's end, to look for echoes of inner packets in `up`. Default:
   * none.
   */
  innerPcap?: string;
  /** Is called with what is being done, in a few words. */
  onProgress?: (what: string) => void;
  /** Ends the audit early. The report is then on what was compared until then. */
  signal?: AbortSignal;
}

/**
 * What may go on while a tunnel is watched.
 * - `"quiet"`: nothing.
 * - `"saturated-up"`, `"saturated-down"`, `"saturated-both"`: as much inner traffic as fits, one way or both.
 * - `"now-and-then"`: one small packet about once a second.
 * - `"bursts"`: bursts as of somebody who reads web pages.
 * - `"stream"`: a constant stream.
 * - `"busy-cpu"`, `"busy-memory"`, `"busy-disk"`, `"busy-interrupts"`: the machine's cores, memory, disk or network
 *   interrupts are busy.
 * - `"event-loop"`: the program's event loop is blocked.
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
   * With whom to connect, and the wire that is audited. The other end should be {@link answerAudits}, which says what
   * it received when, and when its own slots were due. With any other server, sends are observed at the call, and
   * nothing is asked of the server. It can't use the audit's inner packets, and drops them.
   */
  against: ConnectOptions;
  /** The local side, as `new I405Tunnel` takes it; `device`, `record` and `queue` are the audit's own. */
  tunnel?: Omit<TunnelOptions, "device" | "record" | "queue">;
  /** How long all of it is to take, `"10s"` to `"24h"`. Default `"10m"`. At least each condition once. */
  duration?: Duration;
  /** Length of a stretch, from `"1s"`. Default: such that each condition has four stretches, but 2 to 30 s. */
  stretch?: Duration;
  /** Which conditions; `quiet` is always among them. At least one other. Default: all. */
  conditions?: readonly AuditConditionName[];
  /**
   * Where sends are observed: by the other end's receive timestamps (`"peer"`), at the call (`"call"`), or by transmit
   * timestamps of the kernel or the card (`"software"`, `"hardware"`). Default: `"peer"` if the other end answers, else
   * `"call"`.
   */
  observedAt?: "peer" | "call" | "software" | "hardware";
  /**
   * Interface on which `tcpdump` captures meanwhile, for header fields and bytes: its name; `"any"`; or
   * `"namespace/interface"` in another network namespace. It needs root and tcpdump. Default: none, and the report says
   * nothing of header fields and bytes.
   */
  capture?: string;
  /** Is called with what is being done, in a few words. */
  onProgress?: (what: string) => void;
  /** Ends the watching. The report is then on what was seen until then. */
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

/** An n95 with its confidence interval of 95 %. All three are numbers of intervals. */
export interface AuditN95 {
  /** Lower end of the confidence interval. */
  low: number;
  /** null: no difference is left after the correction for chance. */
  estimate: number | null;
  /** Upper end of the confidence interval. null: from what was watched, the two can't be told apart. */
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
  /** How large it is. `words` say of what, and in which unit. */
  measure: number;
  /** p-value, below 0.01. It is corrected for the number of tests that were made (Holm). */
  significance: number;
  words: string;
}

/** Two conditions in one direction. */
export interface AuditPair {
  /** `up`, to the server's port, or `down`. */
  direction: string;
  a: string;
  b: string;
  /** The two are halves of one condition. What is found here is a false alarm, or the machine's own drift. */
  control: boolean;
  /** Without the thousandth of the slots at either end of the distribution. null: too few gaps. */
  n95: AuditN95 | null;
  /** Of all slots. */
  n95AllSlots: AuditN95 | null;
  /**
   * `"deconvolved"`: the deadlines were known, so n95 is known far beyond the number of gaps. `"histogram"`: they were
   * not, and it isn't.
   */
  method: "deconvolved" | "histogram";
  /** How many gaps of each were watched. */
  gaps: [number, number];
  /**
   * `accuracy`: share of windows that a learned attacker got right, if both conditions count alike; 0.5 is what a coin
   * gets.
   */
  attacker: { accuracy: number; gapsPerWindow: number } | null;
  /** Sorted: the least likely to be chance comes first. */
  findings: AuditFinding[];
  /** The verdict in a sentence. */
  words: string;
  /** What would make n95 greater. */
  advice: string[];
}

/**
 * Quantiles of the send errors: how far from its deadline each slot was sent, microseconds. They are known only but for
 * a constant. 0 is where one in a hundred of the direction's slots is below. Missed slots are left out.
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
  /** How long it was watched, seconds. */
  seconds: number;
  datagrams: number;
  /** How many gaps were longer, by half an interval, than any that is drawn. */
  skipped: number;
  /** Standard deviation of the gaps without single stalls, microseconds. */
  gapSdUs: number;
  /** null: the deadlines aren't known. */
  sendErrors: AuditSendErrors | null;
}

/** One direction. */
export interface AuditDirection {
  direction: string;
  /** Mean interval, nanoseconds. */
  intervalNs: number;
  /** Half width of the jitter, nanoseconds. 0: no jitter. */
  jitterNs: number;
  jitterShape: AuditShape;
  /** Which of these three were guessed: `interval`, `jitter`, `shape`. */
  guessed: string[];
  /** Half width of the jitter that n95 is given for, nanoseconds, if `assumeJitter` named another one. Else null. */
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
    /** Where sends were observed. */
    observedAt: "capture" | "peer" | "call" | "software" | "hardware";
    /** When the watching began, Unix seconds. */
    fromS: number;
    /** How long it went on, seconds. */
    seconds: number;
    packets: number;
    /** Packets that are not the tunnel's. With format `"observations"`, slots of which nobody could tell. */
    otherPackets: number;
    /** The file ends within a packet. */
    cutOff: boolean;
    /** Resolution of the timestamps, nanoseconds. */
    resolutionNs: number;
    port: number | null;
    /** The two ends of the flow, as seen in a capture: `192.0.2.1:40000`. */
    endpoints: { client: string; server: string } | null;
    /**
     * Flows that fit as well and were not audited: other clients, other tunnels, translated addresses. `inside` counts
     * packets within stretches.
     */
    otherFlows: { between: [string, string]; packets: number; inside: number }[];
    /** How often a datagram was seen again, for example at another interface or VLAN. Each datagram counts once. */
    copies: number;
  };
  directions: AuditDirection[];
  pairs: AuditPair[];
  /** What was found in one condition, or in all of the capture, without a comparison. */
  findings: (AuditFinding & { direction: string; label: string | null })[];
  /** Whether something was found that isn't a control. */
  leaks: boolean;
  /**
   * - `"leaks"`: as above.
   * - `"nothing-found"`: every condition of every direction was compared, and passed its control.
   * - `"cannot-tell"`: nothing was found, but not everything could be looked at; `untold` says what.
   */
  verdict: "leaks" | "nothing-found" | "cannot-tell";
  /** What could not be judged, and why: a stretch without packets, too few gaps, an early end. */
  untold: string[];
  /** What to know before it is believed. */
  warnings: AuditWarning[];
  /** False: the audit was ended early. */
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
 * @throws {I405Error} `ERR_I405_OPTION`. With a capture: `ERR_I405_CAPTURE` (no capture, or a damaged one),
 *   `ERR_I405_STRETCHES`. With a tunnel: whatever `connect` throws, `ERR_I405_AUDIT_PEER` (the other end stopped
 *   answering), `ERR_I405_AUDIT_HERE` (a load or a capture could not be made).
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
