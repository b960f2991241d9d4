/**
 * Draws one interval as Rust draws them, for the first deadline of a server's schedule. That first gap must have the
 * same density as all others, because a stranger sees it.
 */
import { randomBytes } from "node:crypto";
import type { WireDirection } from "../../index.js";

/** Uniform in [0, 1), 48 bits: finer than a nanosecond in any interval. */
function uniform(): number {
  return randomBytes(6).readUIntBE(0, 6) / 2 ** 48;
}

/** Nanoseconds in `[interval - jitter, interval + jitter]`. */
export function drawInterval({ intervalNs, jitterNs, jitterShape }: Omit<WireDirection, "length">): number {
  if (jitterNs === 0) return intervalNs;
  for (;;) {
    const offset = 2 * uniform() - 1;
    // cos^4 by rejection: three of eight draws are kept.
    if (jitterShape === "uniform" || uniform() < Math.cos((Math.PI / 2) * offset) ** 4) {
      return intervalNs + Math.round(offset * jitterNs);
    }
  }
}
