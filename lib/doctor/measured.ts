/** What the measurements say, as findings. */
import type { NativeLateness } from "../native/probes.js";
import { median } from "../statistics/quantile.js";
import type { Finding, Found } from "./finding.js";
import { INTERVAL_NS, lostShare, type CoreMeasurement, type Measurements, type Stretches } from "./measure.js";

/** Share of a core that the machine may take, in gaps above 50 us, before it is a warning. */
export const MUCH_LOST = 0.001;
/** Difference of the medians of waking up, us, from which on plain sleep gives load away within minutes. */
export const MUCH_APART_US = 3;

export function measuredFindings({ cores }: Measurements): Found[] {
  const lost = cores.map((core): Found => {
    return { check: "measured-losses", title: "the machine's own losses", group: "machine", ...losses(core) };
  });
  // The second core is there to compare losses; of lateness it would say the same once more.
  const late = cores.slice(0, 1).map((core): Found => {
    return { check: "measured-lateness", title: "measured lateness", group: "scheduling", ...lateness(core) };
  });
  return [...lost, ...late];
}

function losses(core: CoreMeasurement): Finding {
  const share = lostShare(core);
  const longestUs = Math.max(0, ...core.losses.map(({ longestNs }) => longestNs)) / 1000;
  const gaps = core.losses.reduce((sum, each) => sum + each.gaps, 0);
  const isFifo = core.losses.every((each) => each.isFifo);
  const evidence =
    `spun on core ${core.cpu}${isFifo ? " under SCHED_FIFO" : " without SCHED_FIFO"}: ${gaps} gaps above 50 us, the longest ` +
    `${longestUs.toFixed(0)} us, ${(share * 100).toFixed(3)} % of the time` +
    (core.stolenMs === null ? "" : `; meanwhile the steal counter went up by ${core.stolenMs} ms`);
  if (share <= MUCH_LOST) {
    return { severity: "ok", what: `core ${core.cpu} loses ${(share * 100).toFixed(3)} % of its time`, evidence };
  }
  return {
    severity: "warning",
    what: `core ${core.cpu} loses ${(share * 100).toFixed(2)} % of its time, up to ${(longestUs / 1000).toFixed(1)} ms at once`,
    cost: isFifo
      ? "About that share of the slots is late or missed, whatever the poll mode."
      : "Without SCHED_FIFO other programs take part of it: see sched-fifo.",
    evidence,
    advice:
      "In a virtual machine: cores of one's own. Otherwise look for interrupts, firmware (SMI) and real-time tasks.",
  };
}

/** Median over the stretches, us. */
export function figureUs(stretches: readonly NativeLateness[], of: (one: NativeLateness) => number): number {
  return median(stretches.map(of)) / 1000;
}

/** Difference of the medians of waking up, idle and loaded, us. */
export function apart({ idle, loaded }: Stretches): number {
  const wakeUpUs = (stretches: readonly NativeLateness[]) => figureUs(stretches, ({ wakeUp }) => wakeUp.p50Ns);
  return Math.abs(wakeUpUs(idle) - wakeUpUs(loaded));
}

function lateness(core: CoreMeasurement): Finding {
  const p50 = (stretches: readonly NativeLateness[]) => figureUs(stretches, ({ call }) => call.p50Ns);
  const p99 = (stretches: readonly NativeLateness[]) => figureUs(stretches, ({ call }) => call.p99Ns);
  const [idle, loaded] = [p50(core.sleep.idle), p50(core.sleep.loaded)];
  const evidence = (["sleep", "spin"] as const)
    .map((kind) => {
      const of = (stretches: readonly NativeLateness[]) => `${p50(stretches).toFixed(1)}/${p99(stretches).toFixed(1)}`;
      return `${kind === "sleep" ? "sleep" : "sleep-then-spin"} p50/p99 idle ${of(core[kind].idle)}, loaded ${of(core[kind].loaded)} us`;
    })
    .join("; ");
  const apartUs = apart(core.sleep);
  const how = `on core ${core.cpu}, ${INTERVAL_NS / 1e6} ms slots: ${evidence}`;
  if (apartUs < MUCH_APART_US) {
    return { severity: "ok", what: `core ${core.cpu}: idle and loaded sleep alike`, evidence: how };
  }
  return {
    severity: "warning",
    what: `core ${core.cpu}: asleep, an ${idle > loaded ? "idle" : "loaded"} machine is ${apartUs.toFixed(1)} us later`,
    cost: "With sleepy that difference is on the wire.",
    evidence: how,
    advice: "Use dozy, which spins the difference away; with a burner the core doesn't go idle at all (see below).",
  };
}
