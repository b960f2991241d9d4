/** Lateness read off the wire: a schedule without jitter is a grid, and each datagram belongs to one of its slots. */

/** Times in nanoseconds, ascending. */
export type Times = readonly number[] | Float64Array;

export interface GridFit {
  /** Of each datagram, in nanoseconds after the most punctual one. */
  latenessNs: number[];
  /** Which slot each datagram is of, counted from the first one's. */
  slotOf: number[];
  /** Slots from the first datagram to the last. */
  slots: number;
  /** Slots between them that no datagram belongs to. */
  missed: number;
}

/**
 * How far before the bulk the most punctual datagram may lie, whatever the distribution: a sleeper that is nearly always
 * 30 us late now and then finds its core awake. A twentieth of the interval at most, since a datagram that is late by
 * nearly a whole interval must not pass for it.
 */
const EARLY_NS = 50_000;
const EARLY_SHARE = 0.05;
/** And in widths of the bulk: a bell shape of 100,000 ends there. */
const EARLY_WIDTHS = 3;

/** The phase of a time in its interval, as seen from `origin`, in -half..half. */
function phase(timeNs: number, origin: number, intervalNs: number): number {
  const turns = (timeNs - origin) / intervalNs;
  return (turns - Math.round(turns)) * intervalNs;
}

/** The shortest arc of the circle of phases that holds half of them: where it begins, and its width. */
function bulkOf(phases: Float64Array, intervalNs: number): { start: number; width: number } {
  const half = Math.ceil(phases.length / 2);
  let best = { start: 0, width: Infinity };
  phases.forEach((start, index) => {
    const last = index + half - 1;
    const end = last < phases.length ? phases[last]! : phases[last - phases.length]! + intervalNs;
    if (end - start < best.width) best = { start, width: end - start };
  });
  return best;
}

/**
 * Where the grid's deadlines are: at the most punctual datagram, since none leaves early.
 *
 * A datagram that is late by nearly a whole interval looks early, so only those count as punctual that lie little
 * before the bulk. The bulk is found even if nearly half of the datagrams are late by anything.
 */
function originOf(timesNs: Times, first: number, intervalNs: number): number {
  const phases = (origin: number) => Float64Array.from(timesNs, (time) => phase(time, origin, intervalNs)).sort();
  const { start, width } = bulkOf(phases(first), intervalNs);
  const margin = Math.max(EARLY_WIDTHS * width, Math.min(EARLY_NS, EARLY_SHARE * intervalNs));
  const bound = -Math.min(margin, (intervalNs - width) / 2);
  const bulk = first + start;
  return bulk + (phases(bulk).find((value) => value >= bound) ?? 0);
}

/**
 * Fits a grid of a known interval.
 *
 * The rule of the dispatcher settles which slot a late datagram is of: it is sent at once, then the slots whose
 * deadlines have passed are skipped. So after a gap of m intervals the datagram is of the first slot in the gap, and
 * m - 1 slots are missing.
 */
export function fitGrid(timesNs: Times, intervalNs: number): GridFit {
  const first = timesNs[0];
  if (first === undefined) return { latenessNs: [], slotOf: [], slots: 0, missed: 0 };
  const origin = originOf(timesNs, first, intervalNs);
  const latenessNs: number[] = [];
  const slotOf: number[] = [];
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
    slotOf.push(slot - firstSlot);
    before = index;
  }
  return { latenessNs, slotOf, slots: before - firstSlot + 1, missed };
}

/** Lateness slot by slot from the first datagram's on, NaN where none belongs to a slot. */
export function errorsBySlot({ latenessNs, slotOf, slots }: GridFit): Float64Array {
  const errors = new Float64Array(slots).fill(NaN);
  slotOf.forEach((slot, index) => (errors[slot] = latenessNs[index]!));
  return errors;
}
