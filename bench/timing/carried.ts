/** What a stretch's load was worth: what came through the tunnel, and how long pings took. */
import type { Pinged, TcpReceived, UdpReceived } from "../../lab/host/traffic.js";
import { mean, percentile } from "../../lab/figures/stats.js";
import { median } from "./figures.js";

/** A sink's figures at one instant, CLOCK_REALTIME. */
export interface SinkReport {
  realtimeNs: number;
  ipBytes: number;
}

/** What a condition tells at its end. */
export interface Told {
  /** What came upwards, and the figures on the way there. */
  received?: UdpReceived & { reports: SinkReport[] };
  stream?: TcpReceived;
  pinged?: Pinged;
}

/** What came upwards in one stretch. */
export interface Carried {
  /** Of packets from the IP header on; of a TCP stream only what it carries. */
  bytesPerSecond: number;
  /** Those bytes over the bytes of the datagrams that brought them. */
  goodput: number | null;
  /** Packets that came changed, twice or in another order. */
  wrong: number;
}

/**
 * What came between two instants.
 * @param outerBytes bytes on the wire between two instants, all CLOCK_REALTIME in nanoseconds
 */
export function carriedBetween(
  { received, stream }: Told,
  [fromNs, toNs]: readonly [number, number],
  outerBytes: (fromNs: number, toNs: number) => number,
): Carried | null {
  if (stream !== undefined) {
    return { bytesPerSecond: stream.bytesPerSecond, goodput: null, wrong: stream.intact ? 0 : 1 };
  }
  const inside = received?.reports.filter(({ realtimeNs }) => realtimeNs >= fromNs && realtimeNs <= toNs) ?? [];
  const [first, last] = [inside[0], inside.at(-1)];
  if (received === undefined || first === undefined || last === undefined || first === last) return null;
  const bytes = last.ipBytes - first.ipBytes;
  const outer = outerBytes(first.realtimeNs, last.realtimeNs);
  return {
    bytesPerSecond: (bytes * 1e9) / (last.realtimeNs - first.realtimeNs),
    goodput: outer === 0 ? null : bytes / outer,
    wrong: received.corrupt + received.duplicates + received.outOfOrder,
  };
}

/** Over stretches: medians, and the sum of what was wrong. */
export function overallCarried(parts: readonly (Carried | null)[]): Carried | null {
  const seen = parts.filter((part) => part !== null);
  if (seen.length === 0) return null;
  const goodputs = seen.flatMap(({ goodput }) => (goodput === null ? [] : [goodput]));
  return {
    bytesPerSecond: median(seen.map(({ bytesPerSecond }) => bytesPerSecond)),
    goodput: goodputs.length === 0 ? null : median(goodputs),
    wrong: seen.reduce((sum, { wrong }) => sum + wrong, 0),
  };
}

/** Round trips, milliseconds. */
export interface RoundTrips {
  sent: number;
  lost: number;
  mean: number;
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

/** All pings of some stretches together. */
export function roundTrips(parts: readonly (Pinged | null)[]): RoundTrips | null {
  const seen = parts.filter((part) => part !== null);
  if (seen.length === 0) return null;
  const ms = seen.flatMap(({ rttsUs = [] }) => rttsUs.map((us) => us / 1000));
  return {
    sent: seen.reduce((sum, { sent }) => sum + sent, 0),
    lost: seen.reduce((sum, { lost }) => sum + lost, 0),
    mean: mean(ms),
    p50: percentile(ms, 0.5),
    p95: percentile(ms, 0.95),
    p99: percentile(ms, 0.99),
    max: percentile(ms, 1),
  };
}
