/** Corrections of the clock's speed, which CLOCK_MONOTONIC and so the schedule follow. */
import type { NativeClockCorrection } from "../../native/probes.js";
import type { Check, Finding } from "../finding.js";
import type { System } from "../system.js";

/** At 100 ticks a second, us (adjtimex(2)). */
const NOMINAL_TICK_US = 10_000;
/** How much the quartz of any machine may be off, ppm. A correction of this size is steady. */
const USUAL_PPM = 100;
/** Beyond it something is being slewed: the most that the kernel's own discipline corrects by. */
const MUCH_PPM = 500;

export const clockSlewing: Check = {
  id: "clock-slewing",
  title: "slewing of the clock",
  group: "clocks",
  look(system) {
    const correction = read(system);
    if (correction === undefined) return [];
    const ppm = correction.frequencyPpm + (correction.tickUs / NOMINAL_TICK_US - 1) * 1e6;
    const daemon = ["chronyd", "ntpd", "systemd-timesyn"].find((name) => isRunning(system, name));
    const evidence =
      `adjtimex: frequency ${correction.frequencyPpm.toFixed(1)} ppm, tick ${correction.tickUs} us` +
      (daemon === undefined ? "" : `; ${daemon} runs`);
    const size = Math.abs(ppm);
    if (size <= USUAL_PPM)
      return [{ severity: "ok", what: `the clock is corrected by ${ppm.toFixed(1)} ppm`, evidence }];
    const shift = `every interval of 10 ms is ${(size / 100).toFixed(1)} us ${ppm > 0 ? "shorter" : "longer"} than it should be`;
    const finding: Finding = {
      severity: size > MUCH_PPM ? "warning" : "note",
      what: `the clock is being slewed by ${ppm.toFixed(0)} ppm`,
      cost: `While that goes on, ${shift}. It says nothing about load, but it marks this machine, and when its clock was off.`,
      evidence,
    };
    if (daemon === "chronyd") {
      return [{ ...finding, remedy: ["sudo chronyc makestep"], advice: "For good: `maxslewrate 100` in chrony.conf." }];
    }
    return [{ ...finding, advice: "Let it finish before starting the tunnel (timedatectl timesync-status)." }];
  },
};

function read(system: System): NativeClockCorrection | undefined {
  try {
    return system.natives?.clock();
  } catch {
    return undefined;
  }
}

function isRunning(system: System, name: string): boolean {
  return system.readDir("/proc").some((pid) => /^\d+$/.test(pid) && system.readFile(`/proc/${pid}/comm`) === name);
}
