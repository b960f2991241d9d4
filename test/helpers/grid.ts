/** Lateness read off the wire: a schedule without jitter is a grid, and each datagram belongs to one of its slots. */

export interface GridFit {
  /** Of each datagram, in nanoseconds after the most punctual one. */
  latenessNs: number[];
  /** Slots from the first datagram to the last. */
  slots: number;
  /** Slots between them that no datagram belongs to. */
  missed: number;
}

/** The phase of a time in its interval, as seen from `origin`, in -half..half. */
function phase(timeNs: number, origin: number, intervalNs: number): number {
  const turns = (timeNs - origin) / intervalNs;
  return (turns - Math.round(turns)) * intervalNs;
}

/** Nearest rank of an ascending list. */
function at(sorted: Float64Array, share: number): number {
  return sorted[Math.floor(share * (sorted.length - 1))] ?? NaN;
}

/**
 * Where the grid's deadlines are: at the most punctual datagram, since none leaves early.
 *
 * A datagram that is late by nearly a whole interval looks early, so only those count as punctual that lie no further
 * before the first hundredth than that lies before the median.
 */
function originOf(timesNs: readonly number[], first: number, intervalNs: number): number {
  const phases = (origin: number) => Float64Array.from(timesNs, (time) => phase(time, origin, intervalNs)).sort();
  // Twice around the median: the first turn frees it from where the first datagram happened to be.
  const near = first + at(phases(first), 0.5);
  const centre = near + at(phases(near), 0.5);
  const around = phases(centre);
  const early = at(around, 0.01);
  const bound = early - Math.max(at(around, 0.5) - early, 1);
  return centre + (around.find((value) => value >= bound) ?? early);
}

/**
 * Fits a grid of a known interval.
 *
 * The rule of the dispatcher settles which slot a late datagram is of: it is sent at once, then the slots whose
 * deadlines have passed are skipped. So after a gap of m intervals the datagram is of the first slot in the gap, and
 * m - 1 slots are missing.
 */
export function fitGrid(timesNs: readonly number[], intervalNs: number): GridFit {
  const first = timesNs[0];
  if (first === undefined) return { latenessNs: [], slots: 0, missed: 0 };
  const origin = originOf(timesNs, first, intervalNs);
  const latenessNs: number[] = [];
  let before = NaN;
  let slot = NaN;
  let missed = 0;
  let firstSlot = NaN;
  for (const time of timesNs) {
    // The most punctual one is at 0 but for rounding; half a nanosecond keeps it in its own slot.
    const index = Math.floor((time - origin + 0.5) / intervalNs);
    // Two in one interval: the earlier was sent just in time and seen just after it, so nothing was skipped.
    if (index === before && slot < index) missed -= 1;
    if (Number.isNaN(before)) firstSlot = slot = index;
    else slot = Math.min(before + 1, index);
    missed += index === before ? 0 : index - slot;
    latenessNs.push(Math.max(0, time - origin - slot * intervalNs));
    before = index;
  }
  return { latenessNs, slots: before - firstSlot + 1, missed };
}
