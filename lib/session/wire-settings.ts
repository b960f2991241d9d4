/**
 * The wire's settings once the route is known. A client's request becomes figures, a server's limits become a verdict,
 * and either becomes what the addon runs.
 */
import type { Wire, WireDirection } from "../../index.js";
import { travelsOverIpv4 } from "../common/address-text.js";
import { I405Error, optionError } from "../common/errors.js";
import { formatDuration, formatRate } from "../common/units.js";
import { INTERVAL_RANGE_NS, JITTER_PART, LENGTH_RANGE } from "../common/wire-bounds.js";
import type { Refusal } from "../handshake/payloads.js";
import type { NativeTiming } from "../native/tunnel.js";
import type { ServerLimits, WireRequest } from "../options/settings.js";
import { leastRekeyNs, rekeyNs } from "./times.js";

/** IP and UDP headers of an outer packet, bytes. */
const OVERHEAD_IPV4 = 28;
const OVERHEAD_IPV6 = 48;
/** What nearly every path carries; a longer datagram has to be asked for. */
const USUAL_MTU = 1500;
/** The protocol's: a timeout is this long, but at least so many intervals. */
const TIMEOUT_NS = 10e9;
const TIMEOUT_SLOTS = 100;

/** Bytes of IP and UDP headers towards an address. An IPv4 address that is written as an IPv6 one travels over IPv4. */
export function headerOverhead(address: string): number {
  return travelsOverIpv4(address) ? OVERHEAD_IPV4 : OVERHEAD_IPV6;
}

/**
 * One direction as the client asks the server for it.
 *
 * @param routeMtu IP bytes.
 * @throws {I405Error} `ERR_I405_OPTION` if the length is more than the route carries, the interval is out of bounds, or
 *   the jitter is wider than the mean.
 */
export function resolveDirection(request: WireRequest, routeMtu: number): WireDirection {
  const { option, shape } = request;
  if (request.length !== null && request.length > routeMtu) {
    throw optionError({
      option: `${option}.length`,
      came: String(request.length),
      expected: `${LENGTH_RANGE.min} to ${routeMtu}, the MTU of the route`,
      remedy: "Leave it out for the largest that usually passes",
    });
  }
  const length = request.length ?? Math.min(routeMtu, USUAL_MTU);
  const intervalNs = request.intervalNs ?? Math.round((length / request.rate!) * 1e9);
  if (intervalNs < INTERVAL_RANGE_NS.min || intervalNs > INTERVAL_RANGE_NS.max) {
    const slowest = formatRate(length / (INTERVAL_RANGE_NS.max / 1e9));
    const fastest = formatRate(length / (INTERVAL_RANGE_NS.min / 1e9));
    throw optionError({
      option: `${option}.rate`,
      came: `${formatRate(request.rate!)}, an interval of ${formatDuration(intervalNs)} at ${length} bytes`,
      expected: `"${slowest}" to "${fastest}" at this length`,
      remedy: `Change the rate or ${option}.length`,
    });
  }
  const jitterNs = request.jitterNs ?? Math.floor(intervalNs * JITTER_PART);
  if (jitterNs > intervalNs) {
    throw optionError({
      option: `${option}.jitter`,
      came: `"${formatDuration(jitterNs)}"`,
      expected: `at most the mean interval, "${formatDuration(intervalNs)}"`,
    });
  }
  return { length, intervalNs, jitterNs, jitterShape: shape };
}

/**
 * A timeout in whole ms: as given, or else 10 s or 100 intervals, whichever is longer.
 *
 * @param direction The direction whose silence is meant.
 * @throws {I405Error} `ERR_I405_OPTION` if it is shorter than 100 intervals.
 */
export function resolveTimeoutMs(option: string, askedNs: number | null, direction: WireDirection): number {
  const leastNs = TIMEOUT_SLOTS * direction.intervalNs;
  if (askedNs !== null && askedNs < leastNs) {
    throw optionError({
      option,
      came: `"${formatDuration(askedNs)}"`,
      expected: `at least 100 intervals, "${formatDuration(leastNs)}"`,
    });
  }
  return Math.ceil((askedNs ?? Math.max(TIMEOUT_NS, leastNs)) / 1e6);
}

/**
 * Age at which a session gets new keys: as given, or else the protocol's, which is the most.
 *
 * @throws {I405Error} `ERR_I405_OPTION` if it is shorter than 1 s or 64 intervals, or longer than the protocol's.
 */
export function resolveRekeyNs(askedNs: number | null, wire: Wire): number {
  const mostNs = rekeyNs(wire);
  const leastNs = leastRekeyNs(wire);
  if (askedNs !== null && (askedNs < leastNs || askedNs > mostNs)) {
    throw optionError({
      option: "rekeyInterval",
      came: `"${formatDuration(askedNs)}"`,
      expected: `at least 1s and 64 intervals, "${formatDuration(leastNs)}", at most "${formatDuration(mostNs)}"`,
    });
  }
  return askedNs ?? mostNs;
}

/** A direction as the addon runs it towards this address. */
export function timingOf(direction: WireDirection, address: string): NativeTiming {
  return timingWith(direction, headerOverhead(address));
}

/** The same, if the bytes of IP and UDP headers are known. */
export function timingWith(direction: WireDirection, overhead: number): NativeTiming {
  const { length, intervalNs, jitterNs, jitterShape } = direction;
  return { datagramLength: length - overhead, intervalNs, jitterNs, shape: jitterShape };
}

/**
 * Bytes of IP and UDP headers at the client. Its initiation tells them, because sources can be forged, and a translator
 * may lie between the families.
 *
 * @param askedLength IP bytes of the datagrams that it means to send.
 * @param datagramLength UDP bytes of those that it sends.
 * @param source Decides if the difference is that of neither family.
 */
export function clientOverhead(askedLength: number, datagramLength: number, source: string): number {
  const overhead = askedLength - datagramLength;
  return overhead === OVERHEAD_IPV4 || overhead === OVERHEAD_IPV6 ? overhead : headerOverhead(source);
}

export function sameTiming(a: NativeTiming, b: NativeTiming): boolean {
  return (
    a.datagramLength === b.datagramLength &&
    a.intervalNs === b.intervalNs &&
    a.jitterNs === b.jitterNs &&
    a.shape === b.shape
  );
}

/** The first limit that was passed, where, and by what: bytes, ns, or bytes per second. */
export interface WireRefusal {
  verdict: Exclude<Refusal, "notUnderstood">;
  limit: number;
  direction: "up" | "down";
  asked: number;
}

/** A server's verdict on a client's wishes. */
export interface Judgement {
  refusal: WireRefusal | null;
  /** What was asked for, clipped to the limits: the schedule that carries the verdict. */
  wire: Wire;
}

/**
 * Checks a wire against a server's limits: length, then interval, then bandwidth.
 *
 * @param routeMtu IP bytes, to the source of the initiation.
 */
export function judgeWire(asked: Wire, limits: ServerLimits, routeMtu: number): Judgement {
  const maxLength = Math.max(LENGTH_RANGE.min, Math.min(limits.maxLength, routeMtu));
  let refusal: Judgement["refusal"] = null;
  const wire: Wire = { up: { ...asked.up }, down: { ...asked.down } };
  for (const name of ["up", "down"] as const) {
    const direction = wire[name];
    const maxRate = name === "up" ? limits.maxRateUp : limits.maxRateDown;
    if (direction.length > maxLength) {
      refusal ??= { verdict: "length", limit: maxLength, direction: name, asked: direction.length };
      direction.length = maxLength;
    }
    if (direction.intervalNs < limits.minIntervalNs) {
      const [limit, asked] = [limits.minIntervalNs, direction.intervalNs];
      refusal ??= { verdict: "interval", limit, direction: name, asked };
      direction.intervalNs = limits.minIntervalNs;
    }
    const least = Math.ceil((direction.length / maxRate) * 1e9);
    // A rate that is given at both ends is rounded to an interval at one of them, so a nanosecond doesn't count.
    if (direction.intervalNs < least - 1) {
      const askedRate = Math.ceil((direction.length * 1e9) / direction.intervalNs);
      refusal ??= { verdict: "bandwidth", limit: Math.floor(maxRate), direction: name, asked: askedRate };
      direction.intervalNs = Math.min(least, INTERVAL_RANGE_NS.max);
    }
    direction.jitterNs = Math.min(direction.jitterNs, direction.intervalNs);
  }
  return { refusal, wire };
}

/** The client's error for a refusal: which limit, and its figure. */
export function refusalError(verdict: Refusal, limit: number): I405Error {
  const reasons: Record<Refusal, string> = {
    length: `the length: at most ${limit} bytes. Ask for shorter datagrams (up.length, down.length)`,
    interval: `the interval: at least ${formatDuration(limit)}. Ask for longer ones (up.interval, down.interval, or a lower rate)`,
    bandwidth: `the bandwidth: at most ${formatRate(limit)} (${limit} bytes/s). Ask for less (up.rate, down.rate, or longer intervals)`,
    notUnderstood: "the settings, which it did not understand. Run the same version of i405 at both ends",
  };
  return new I405Error("ERR_I405_REFUSED", `the server refused ${reasons[verdict]}`);
}
