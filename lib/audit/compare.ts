/** One pair of conditions in one direction: n95, and every effect that can be told from chance. */
import { holm } from "../statistics/two-sample.js";
import { attack, attackerEffect, type Attack } from "./effects/attacker.js";
import { byteEffects } from "./effects/bytes.js";
import { gapEffects, skippedEffect, windowEffects } from "./effects/distribution.js";
import type { Effect } from "./effects/effect.js";
import { headerEffects } from "./effects/headers.js";
import { autocorrelationEffect, spectrumEffect } from "./effects/memory.js";
import { distinguish, type Distinguished } from "./n95-of.js";
import type { Observation, Seen } from "./observation.js";
import type { Schedule } from "./schedule.js";
import type { Clip } from "./windows.js";

/**
 * Probability that a pair of equal conditions has any finding. A report has several pairs, each with two controls, and
 * should not cry wolf.
 */
const FALSE_ALARM = 0.01;

/** An effect that is no chance. */
export interface Finding {
  effect: string;
  measure: number;
  /** p-value, corrected for the number of tests (Holm). */
  significance: number;
  words: string;
}

/** One direction and what is known of its schedule. */
export interface View {
  observation: Observation;
  schedule: Schedule;
  clip: Clip;
}

/** A direction as it was seen, and as pairs are compared: under an assumed jitter, or the same. */
export interface Subject extends View {
  shown: View;
}

/** What came of a pair. */
export interface Comparison extends Distinguished {
  effects: Effect[];
  findings: Finding[];
  attack: Attack | null;
}

/** @param labels of the two, for what is counted by label; null in a control, whose halves have one */
export function compare(
  a: readonly Seen[],
  b: readonly Seen[],
  { observation, schedule, clip }: View,
  labels: readonly [string, string] | null,
): Comparison {
  const attacked = attack(a, b, clip);
  const effects = [
    ...gapEffects(a, b),
    ...windowEffects(a, b, schedule, clip),
    ...skippedEffect(a, b, schedule),
    ...autocorrelationEffect(a, b, clip),
    ...spectrumEffect(a, b, schedule),
    ...(labels === null ? [] : [...headerEffects(observation, ...labels), ...byteEffects(observation, ...labels)]),
    ...attackerEffect(attacked),
  ];
  const found = distinguish(a, b, schedule);
  return { ...found, effects, findings: findingsOf(effects), attack: attacked };
}

/** Effects that are no chance, the least likely first, with whatever else is known of them. */
export function findingsOf<Known extends Effect>(effects: readonly Known[]): (Omit<Known, "p"> & Finding)[] {
  const adjusted = holm(effects.map(({ p }) => p));
  return effects
    .map(({ p: _p, ...effect }, index) => ({ ...effect, significance: adjusted[index]! }))
    .filter(({ significance }) => significance < FALSE_ALARM)
    .sort((one, other) => one.significance - other.significance);
}
