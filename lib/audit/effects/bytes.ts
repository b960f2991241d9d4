/** Are payload bytes uniformly random, at every place, under every condition? */
import { chiSquared, chiSquaredP } from "../../statistics/two-sample.js";
import type { ByteCounts, Observation } from "../observation.js";
import { short, type Effect } from "./effect.js";

/** Expected counts of each byte value below which the test says nothing. */
const FEWEST = 5;

function uniformity(counts: Float64Array): { statistic: number; p: number } | null {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total < 256 * FEWEST) return null;
  const expected = total / 256;
  const statistic = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  return { statistic, p: chiSquaredP(statistic, 255) };
}

/** The figures of one condition: all bytes together, and the place that is least uniform. */
export function uniformityEffects(counts: ByteCounts): Effect[] {
  const effects: Effect[] = [];
  const all = uniformity(counts.all);
  if (all !== null) {
    const words = `payload bytes are not uniform (chi-squared ${short(all.statistic)}, 255 degrees)`;
    effects.push({ effect: "bytes", measure: all.statistic / 255, p: all.p, words });
  }
  const places = Array.from({ length: counts.places.length / 256 }, (_, place) => ({
    place,
    tested: uniformity(counts.places.subarray(256 * place, 256 * (place + 1))),
  })).flatMap(({ place, tested }) => (tested === null ? [] : [{ place, ...tested }]));
  if (places.length > 0) {
    const worst = places.reduce((least, each) => (each.statistic > least.statistic ? each : least));
    const p = -Math.expm1(places.length * Math.log1p(-Math.min(worst.p, 1 - 1e-12)));
    const words = `payload byte ${worst.place} is not uniform (chi-squared ${short(worst.statistic)}, 255 degrees)`;
    effects.push({ effect: "bytes", measure: worst.statistic / 255, p, words });
  }
  return effects;
}

/** Do byte values differ between two conditions? */
export function byteEffects({ bytes }: Observation, a: string, b: string): Effect[] {
  const [one, other] = [a, b].map((label) => bytes.find((counts) => counts.label === label));
  if (one === undefined || other === undefined) return [];
  const { statistic, p, degrees } = chiSquared(one.all, other.all);
  const words = `payload bytes differ (chi-squared ${short(statistic)}, ${degrees} degrees)`;
  return degrees < 1 ? [] : [{ effect: "bytes", measure: statistic / degrees, p, words }];
}
