/** The traffic programs of crates/i405-testkit. Lengths count whole IP packets. */
import { flags, Program, type Place } from "./program.js";
import { testkit } from "./testkit.js";

/** A listener that is ready, and its figures once it ends. */
export class Listener<Result> {
  private constructor(
    readonly program: Program,
    /** Address and port that it listens on. */
    readonly local: string,
  ) {}

  static async start<Result>(place: Place, argv: readonly string[]): Promise<Listener<Result>> {
    const program = new Program(place, argv);
    const { local } = await program.event<{ local: string }>("ready");
    return new Listener<Result>(program, local);
  }

  /** Resolves when it ends by itself. */
  async finished(): Promise<Result> {
    try {
      return await this.program.event<Result>("done");
    } finally {
      await this.program.stop();
    }
  }

  async stop(): Promise<Result> {
    this.program.kill("SIGTERM");
    return await this.finished();
  }
}

/** Runs a program to its end. */
async function figures<Result>(place: Place, argv: readonly string[]): Promise<Result> {
  const program = new Program(place, argv);
  try {
    return await program.event<Result>("done");
  } finally {
    await program.stop();
  }
}

export interface UdpSendOptions {
  /** Address to send from. */
  bind?: string;
  to: string;
  /** Several lengths take turns. */
  length: number | number[];
  pps: number;
  count?: number;
  seconds?: number;
  seed?: number;
}

export interface UdpSent {
  packets: number;
  errors: number;
  ipBytes: number;
  seconds: number;
  cpuSeconds: number;
}

export async function udpSend(place: Place, options: UdpSendOptions): Promise<UdpSent> {
  return await figures<UdpSent>(place, [testkit("traffic"), "udp-send", ...flags(options)]);
}

export interface UdpSinkOptions {
  listen: string;
  count?: number;
  seconds?: number;
  seed?: number;
  /** How often a `report` event tells the figures so far. */
  reportMs?: number;
}

export interface UdpReceived {
  packets: number;
  ipBytes: number;
  /** Datagrams that are byte for byte what a sender with the same seed sent. */
  intact: number;
  corrupt: number;
  /** Too short to carry a number. */
  tiny: number;
  duplicates: number;
  outOfOrder: number;
  /** Different numbers among the intact. */
  distinct: number;
  /** Highest number, -1 if none. */
  highest: number;
  /** CLOCK_MONOTONIC of the first and the last. */
  firstNs: number;
  lastNs: number;
  cpuSeconds: number;
}

/**
 * What has to be true of what came, however busy the machine: whole, once, in order, and not nearly nothing of it.
 * @param sent how many could have come
 */
export function cameWhole({ packets, intact, distinct, duplicates, outOfOrder, corrupt }: UdpReceived, sent: number) {
  const bad = { corrupt, duplicates, outOfOrder, repeated: packets - distinct, changed: packets - intact };
  const isWhole = Object.values(bad).every((count) => count === 0) && 2 * packets >= sent;
  return isWhole ? "whole" : `${packets} of ${sent}: ${JSON.stringify(bad)}`;
}

export async function udpSink(place: Place, options: UdpSinkOptions): Promise<Listener<UdpReceived>> {
  return await Listener.start<UdpReceived>(place, [testkit("traffic"), "udp-sink", ...flags(options)]);
}

export async function udpEcho(place: Place, listen: string): Promise<Listener<{ answered: number }>> {
  return await Listener.start(place, [testkit("traffic"), "udp-echo", ...flags({ listen })]);
}

export interface PingOptions {
  to: string;
  count?: number;
  /** Requests leave at random times, half to one and a half times this apart. */
  meanMs?: number;
  timeoutMs?: number;
  seed?: number;
  /** Every single time, too. */
  list?: boolean;
}

export interface Pinged {
  sent: number;
  received: number;
  lost: number;
  duplicates: number;
  corrupt: number;
  refused: number;
  rttsUs?: number[];
  rttUs: {
    count: number;
    mean: number;
    stddev: number;
    min: number;
    p50: number;
    p95: number;
    p99: number;
    max: number;
  };
}

export async function udpPing(place: Place, options: PingOptions & { length?: number }): Promise<Pinged> {
  return await figures<Pinged>(place, [testkit("traffic"), "udp-ping", ...flags(options)]);
}

/** Several lengths take turns: 28 (IPv6: 48) to 65,535. */
export async function icmpPing(place: Place, options: PingOptions & { length?: number | number[] }): Promise<Pinged> {
  return await figures<Pinged>(place, [testkit("icmp-ping"), ...flags(options)]);
}

/** Rounds of pings after which a way counts as closed. */
const MOST_ROUNDS = 8;

/**
 * Pings in rounds until all of a round are answered: a busy machine loses some now and then, a closed way all of them.
 * What came twice or changed is added up over the rounds.
 */
export async function pingsAnswered(place: Place, options: PingOptions & { length?: number | number[] }) {
  let [corrupt, duplicates] = [0, 0];
  for (let round = 1; ; round += 1) {
    const pinged = await icmpPing(place, { timeoutMs: 5000, ...options });
    corrupt += pinged.corrupt;
    duplicates += pinged.duplicates;
    if (pinged.lost === 0 || round === MOST_ROUNDS) return { ...pinged, corrupt, duplicates };
  }
}

export interface TcpSourceOptions {
  to: string;
  bytes?: number;
  seconds?: number;
  seed?: number;
  /** End with a reset: what is still queued is not worth waiting for. */
  abort?: boolean;
}

export function tcpSource(place: Place, options: TcpSourceOptions): Program {
  return new Program(place, [testkit("traffic"), "tcp-source", ...flags(options)]);
}

export interface TcpReceived {
  from: string;
  bytes: number;
  intact: boolean;
  reset: boolean;
  seconds: number;
  bytesPerSecond: number;
}

export async function tcpSink(
  place: Place,
  options: { listen: string; connections?: number; seconds?: number; seed?: number; reportMs?: number },
): Promise<Listener<TcpReceived>> {
  return await Listener.start<TcpReceived>(place, [testkit("traffic"), "tcp-sink", ...flags(options)]);
}
