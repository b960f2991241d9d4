/**
 * Densities that intervals are drawn from. Their argument is the offset from the mean in half widths: -1 at the
 * earliest interval, 1 at the latest. crates/i405-proto/src/schedule.rs draws `cos4` and `uniform`. The others are what
 * other programs draw, or what is compared with these.
 */
import type { JitterShape } from "../../index.js";

/**
 * Density at an offset, up to a constant factor. Outside of -1..1 it must be 0. Where it jumps, it must be the middle
 * of the jump.
 */
export type JitterDensity = (offset: number) => number;

/** Every shape that has a name. `two-step`: the inner half of the width four times as likely as the outer. */
export type ShapeName = JitterShape | "cos2" | "triangular" | "two-step";

/** The value 0 outside of `reach`, and half of `value` on the edge. */
const step = (offset: number, reach: number, value: number) =>
  Math.abs(offset) < reach ? value : Math.abs(offset) === reach ? value / 2 : 0;

const DENSITIES: Record<ShapeName, JitterDensity> = {
  cos4: (offset) => (Math.abs(offset) < 1 ? Math.cos((Math.PI / 2) * offset) ** 4 : 0),
  uniform: (offset) => step(offset, 1, 1),
  cos2: (offset) => (Math.abs(offset) < 1 ? Math.cos((Math.PI / 2) * offset) ** 2 : 0),
  triangular: (offset) => Math.max(1 - Math.abs(offset), 0),
  "two-step": (offset) => step(offset, 1, 1) + step(offset, 0.5, 3),
};

/** All shapes with a name. */
export const JITTER_SHAPES = Object.keys(DENSITIES) as readonly ShapeName[];

/** The density of a shape. */
export function jitterDensity(shape: ShapeName): JitterDensity {
  return DENSITIES[shape];
}
