/** Events and figures as a person reads them. */
import { formatDuration, formatRate } from "../common/units.js";
import type { Connection, Deviation, RefusedClient, TunnelStats, WireDirection } from "../index.js";
import { describePath } from "./describe-path.js";

export function describeDirection({ length, intervalNs, jitterNs, jitterShape }: WireDirection): string {
  const rate = formatRate((length * 1e9) / intervalNs);
  const jitter = jitterNs === 0 ? "no jitter" : `+-${formatDuration(jitterNs)} ${jitterShape}`;
  return `${length} bytes every ${formatDuration(intervalNs)} ${jitter} (${rate})`;
}

export function describeConnection({ endpoint, wire, cipher }: Connection): string {
  return `connected with ${endpoint}, ${cipher}; up ${describeDirection(wire.up)}; down ${describeDirection(wire.down)}`;
}

/** Microseconds with one digit behind the point, which is what the clock is good for. */
function us(value: number): string {
  return value.toFixed(1);
}

export function describeDeviation(deviation: Deviation): string {
  const { source, count, mean, stddev, p50, p90, p99, p999, max, missed, unreported } = deviation;
  const from = source === "call" ? "" : ` by ${source} timestamps`;
  const without = unreported === 0 ? "" : `; ${unreported} without a timestamp`;
  return (
    `lateness of ${count} slots${from}, us: mean ${us(mean)}, stddev ${us(stddev)}, p50 ${us(p50)}, p90 ${us(p90)}, ` +
    `p99 ${us(p99)}, p99.9 ${us(p999)}, max ${us(max)}; missed ${missed}${without}`
  );
}

/** Whom a server refused, and why. */
export function describeRefused({ endpoint, reason, direction, asked, limit }: RefusedClient): string {
  const [most, wanted] = [limit ?? 0, asked ?? 0];
  const why = {
    length: () => `datagrams ${direction} of ${wanted} bytes were asked for, at most ${most} bytes are allowed`,
    interval: () =>
      `an interval ${direction} of ${formatDuration(wanted)} was asked for, at least ${formatDuration(most)} is allowed`,
    bandwidth: () =>
      `a bandwidth ${direction} of ${formatRate(wanted)} was asked for, at most ${formatRate(most)} is allowed`,
    notUnderstood: () => "its settings make no sense to this version",
    version: () => `it speaks version ${asked} of the protocol, this server version ${limit}`,
  }[reason];
  return `refused ${endpoint}: ${why()}`;
}

export function describeStats({ slots, inner, path }: TunnelStats): string {
  const errors = slots.sendErrors === 0n ? "" : `, ${slots.sendErrors.toString()} refused by the kernel`;
  return (
    `${slots.sent.toString()} slots sent (${slots.carrying.toString()} carrying), ${slots.missed.toString()} missed${errors}; ` +
    `inner packets: ${inner.packetsSent.toString()} sent, ${inner.packetsReceived.toString()} received, ` +
    `${inner.queueDrops.toString()} dropped; ${describePath(path)}`
  );
}

/** What strangers, or a bad path, sent in a minute. None of it got an answer. */
export function describeStrangers(seen: {
  forged: number;
  replayed: number;
  overBudget: number;
  stale: number;
}): string {
  const { forged, replayed, overBudget, stale } = seen;
  return (
    `in the last minute, unanswered: ${forged} datagrams that no key opens, ${replayed} replayed, ` +
    `${overBudget} dropped unseen because there were too many, ${stale} fragments of old handshakes`
  );
}

/** Counters as plain numbers for JSON: 2^53 slots are thousands of years. */
export function plainCounters(value: object): object {
  return Object.fromEntries(
    Object.entries(value).map(([name, inside]: [string, unknown]) => {
      if (typeof inside === "bigint") return [name, Number(inside)];
      if (Array.isArray(inside)) return [name, inside.map((each: unknown) => plainElement(each))];
      return [name, typeof inside === "object" && inside !== null ? plainCounters(inside) : inside];
    }),
  );
}

function plainElement(value: unknown): unknown {
  return typeof value === "object" && value !== null ? plainCounters(value) : value;
}
