/**
 * What another flow of this machine does to slots at the egress. Slots are measured alone and beside that flow, by
 * turns. The datagrams go no further than the first router.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { NativeEgress, Probes } from "../native/probes.js";
import { median } from "../statistics/quantile.js";
import type { Found } from "./finding.js";
import { INTERVAL_NS } from "./measure.js";

/** Turns of alone and beside; how long each takes, ns. */
const ROUNDS = 3;
const STRETCH_NS = 500_000_000;
/** Time for what a flow has left in a queue to go out before the next stretch, ms. */
const DRAIN_MS = 100;
/** A flow that delays the p99 by more than this, us, shows in the send times. */
const MUCH_US = 50;

export interface UplinkMeasurement {
  alone: NativeEgress[];
  beside: NativeEgress[];
}

export async function measureUplink(
  probes: Probes,
  to: string,
  cpu: number,
  isStopped: () => boolean,
): Promise<UplinkMeasurement> {
  const result: UplinkMeasurement = { alone: [], beside: [] };
  const request = { to, cpu, intervalNs: INTERVAL_NS, slots: STRETCH_NS / INTERVAL_NS };
  for (let round = 0; round < ROUNDS && !isStopped(); round += 1) {
    result.alone.push(await probes.egress({ ...request, flow: false }));
    result.beside.push(await probes.egress({ ...request, flow: true }));
    await delay(DRAIN_MS);
  }
  return result;
}

export function uplinkFinding({ alone, beside }: UplinkMeasurement, egress: string | undefined): Found {
  const base = { check: "uplink", title: "shared uplink", group: "network" } as const;
  const figures = (stretches: readonly NativeEgress[]) => {
    const us = (of: (one: NativeEgress) => number) => median(stretches.map(of)) / 1000;
    return { p50: us(({ delay }) => delay.p50Ns), p99: us(({ delay }) => delay.p99Ns) };
  };
  const stamped = [...alone, ...beside].reduce((sum, { delay }) => sum + delay.count, 0);
  if (stamped === 0) {
    const what = "the driver gives no transmit timestamps: what the egress adds can't be seen from here";
    return { ...base, severity: "note", what, evidence: "SO_TIMESTAMPING: no stamp came back" };
  }
  const [without, with_] = [figures(alone), figures(beside)];
  const bytes = beside.reduce((sum, { flowBytes }) => sum + flowBytes, 0);
  const rate = (bytes * 8) / 1e6 / (beside.length * (STRETCH_NS / 1e9));
  const evidence =
    `from the call to the driver, p50/p99: alone ${without.p50.toFixed(1)}/${without.p99.toFixed(1)} us, beside a flow that offers ` +
    `${rate.toFixed(0)} Mbit/s ${with_.p50.toFixed(1)}/${with_.p99.toFixed(1)} us (${stamped} transmit timestamps, hop limit 1)`;
  const apart = Math.max(with_.p50 - without.p50, with_.p99 - without.p99);
  if (apart <= MUCH_US) {
    return {
      ...base,
      severity: "ok",
      what: "another flow of this machine doesn't delay slots before the driver",
      evidence,
    };
  }
  const device = egress ?? "DEVICE";
  return {
    ...base,
    severity: "warning",
    what: `another flow of this machine delays slots by ${apart.toFixed(0)} us before they leave`,
    cost: "An upload beside the tunnel shows in the send times. What the next router adds isn't in this figure.",
    evidence,
    remedy: [
      `sudo tc qdisc replace dev ${device} root handle 1: prio`,
      `sudo tc filter add dev ${device} parent 1: handle 5125 fw flowid 1:1`,
    ],
    advice:
      "Give the tunnel --fwmark 5125: its slots then go first. Or keep other uploads off this machine and its uplink.",
  };
}
