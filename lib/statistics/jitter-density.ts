/**
 * Densities that intervals are drawn from, over the offset from the mean counted in half widths: -1 at the earliest
 * interval, 1 at the latest. The same that crates/i405-proto/src/schedule.rs draws.
 */
import type { JitterShape } from "../../index.js";

/**
 * Density at an offset, up to a constant factor. Outside of -1..1 it must be 0, and where it jumps, the middle of the
 * jump.
 */
export type JitterDensity = (offset: number) => number;

const DENSITIES: Record<JitterShape, JitterDensity> = {
  cos4: (offset) => (Math.abs(offset) < 1 ? Math.cos((Math.PI / 2) * offset) ** 4 : 0),
  uniform: (offset) => (Math.abs(offset) < 1 ? 1 : Math.abs(offset) === 1 ? 0.5 : 0),
};

/** The density of a shape that the tunnel knows. */
export function jitterDensity(shape: JitterShape): JitterDensity {
  return DENSITIES[shape];
}
