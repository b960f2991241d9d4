/** Send errors of each condition in figures, where deadlines are known. */
import type { AuditSendErrors } from "../../types/audit.js";
import { quantile } from "../statistics/quantile.js";
import { allErrors, deadlinesKnown } from "./gaps.js";
import { labelsOf, seenAs, type Observation } from "./observation.js";

/** A slot of the direction that is punctual: errors are known to a constant only, and this one counts as 0. */
const PUNCTUAL = 0.01;

/** By label. Null: no deadlines are known. */
export function sendErrorsOf(observation: Observation): Map<string, AuditSendErrors> | null {
  if (!deadlinesKnown(observation)) return null;
  const punctual = quantile(sorted(allErrors(observation.seen)), PUNCTUAL);
  return new Map(
    labelsOf(observation).map((label) => {
      const errors = sorted(allErrors(seenAs(observation, label)));
      const us = (share: number) => (quantile(errors, share) - punctual) / 1000;
      return [label, { p50Us: us(0.5), p90Us: us(0.9), p99Us: us(0.99), p999Us: us(0.999), maxUs: us(1) }];
    }),
  );
}

/** Ascending, without missed slots. */
export function sorted(errorsNs: Float64Array): Float64Array {
  return errorsNs.filter((error) => !Number.isNaN(error)).sort();
}
