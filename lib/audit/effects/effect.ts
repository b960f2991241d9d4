/** What one look at the wire says: a measure, how likely chance alone gives as much, and words. */

/** Everything that is looked at. */
export type EffectName =
  | "gaps"
  | "tails"
  | "rate"
  | "spread"
  | "skipped"
  | "autocorrelation"
  | "spectrum"
  | "headers"
  | "fragments"
  | "bytes"
  | "echo-inner"
  | "echo-direction"
  | "change-points"
  | "attacker";

/** One test, whatever it says. */
export interface Effect {
  effect: EffectName;
  /** How large it is; what of, `words` say. */
  measure: number;
  /** Probability of this much or more by chance, of this test alone. */
  p: number;
  /** For people, if it is no chance. */
  words: string;
}

/** Nanoseconds as microseconds, three digits. */
export function us(ns: number): string {
  return `${String(Number((ns / 1000).toPrecision(3)))} us`;
}

/** 12.3 %. */
export function percent(share: number): string {
  return `${String(Number((100 * share).toPrecision(3)))} %`;
}

/** Three digits, without an exponent where a person would write none. */
export function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}
