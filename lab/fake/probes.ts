/** The doctor's probes, without a machine: everything is permitted and nothing is late. */
import type { NativeSummary, Probes } from "../../lib/native/probes.js";

/** All figures this long, ns. */
export function summaryOf(ns: number, count = 1000): NativeSummary {
  return {
    ...{ count, meanNs: ns, stddevNs: ns / 4, stddevTrimmedNs: ns / 4 },
    ...{ p50Ns: ns, p90Ns: ns, p99Ns: ns, p999Ns: ns, maxNs: ns },
  };
}

export const SILENT_PROBES: Probes = {
  permissions: () => ({ fifoErrno: 0, memoryErrno: 0 }),
  clock: () => ({ frequencyPpm: 0, tickUs: 10_000, status: 0 }),
  kernelSpin: () => null,
  lateness: ({ slots }) =>
    Promise.resolve({ wakeUp: summaryOf(0, slots), call: summaryOf(0, slots), missed: 0, isFifo: true }),
  losses: ({ durationNs }) => Promise.resolve({ wantedNs: durationNs, lostNs: 0, gaps: 0, longestNs: 0, isFifo: true }),
  egress: ({ slots }) => Promise.resolve({ delay: summaryOf(0, slots), sent: slots, flowBytes: 0 }),
};
