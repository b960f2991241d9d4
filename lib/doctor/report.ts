/** Everything that the doctor found, as `--json` prints it: docs/doctor.md has the fields. */
import { worstOf, type Found, type Severity } from "./finding.js";
import type { Measurements } from "./measure.js";
import type { Recommendation } from "./recommend.js";
import type { Target } from "./system.js";
import type { UplinkMeasurement } from "./uplink.js";

/** null: it was not asked for, or could not be measured. */
export interface Measured {
  measurements: Measurements | null;
  uplink: UplinkMeasurement | null;
}

export interface DoctorReport extends Measured {
  uid: number;
  cores: readonly number[];
  target: Target;
  worst: Severity;
  findings: readonly Found[];
  recommendation: Recommendation;
  /** Files that were there and could not be read. */
  unseen: readonly string[];
}

export function buildReport(report: Omit<DoctorReport, "worst">): DoctorReport {
  return { ...report, worst: worstOf(report.findings) };
}
