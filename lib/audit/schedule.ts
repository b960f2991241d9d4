/** The schedule of a direction: interval, half width and shape of its jitter, as they were given or as they look. */
import { formatDuration } from "../common/units.js";
import { JITTER_SHAPES, jitterDensity, type ShapeName } from "../statistics/jitter-density.js";
import { captureError } from "./capture/errors.js";
import type { Observation } from "./observation.js";

/** The wire of one direction. */
export interface Schedule {
  intervalNs: number;
  /** Half width; 0: a grid. */
  jitterNs: number;
  shape: ShapeName;
  /** Which of these were not given, and guessed. */
  guessed: ("interval" | "jitter" | "shape")[];
}

/** What is known beforehand. */
export interface KnownSchedule {
  intervalNs?: number | undefined;
  jitterNs?: number | undefined;
  shape?: ShapeName | undefined;
}

/** Share of the gaps that is cut at each end before guessing: late slots. */
const CUT = 0.002;
/** Gaps that are added up to see whether deviations add up, too; and by how much they may on a grid, in variance. */
const [TOGETHER, GRID] = [16, 4];
/** Points at which a shape's distribution is compared. */
const POINTS = 200;
/** Slots to a datagram: more than any tunnel misses, and few enough to keep a figure of each. */
const MOST_SLOTS_PER_DATAGRAM = 1000;

/** @param gapsNs of any conditions, in order */
export function findSchedule(gapsNs: Float64Array, known: KnownSchedule): Schedule {
  const gaps = gapsNs.slice().sort();
  const bulk = gaps.subarray(Math.floor(CUT * gaps.length), Math.ceil((1 - CUT) * gaps.length));
  const guessed: Schedule["guessed"] = [];
  const mean = bulk.reduce((sum, gap) => sum + gap, 0) / bulk.length;
  if (known.intervalNs === undefined) guessed.push("interval");
  const intervalNs = known.intervalNs ?? mean;
  const sd = Math.sqrt(bulk.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / bulk.length);
  if (known.jitterNs === undefined) guessed.push("jitter");
  if (known.jitterNs === 0 || (known.jitterNs === undefined && isGrid(gapsNs))) {
    return { intervalNs, jitterNs: 0, shape: known.shape ?? "cos4", guessed };
  }
  if (known.shape === undefined) guessed.push("shape");
  const candidates = known.shape === undefined ? JITTER_SHAPES : [known.shape];
  const fits = candidates.map((shape) => {
    const cdf = distribution(shape);
    const jitterNs = known.jitterNs ?? Math.min(sd / cdf.sd, intervalNs);
    return { shape, jitterNs, distance: distance(bulk, mean, jitterNs, cdf) };
  });
  const best = fits.reduce((least, fit) => (fit.distance < least.distance ? fit : least));
  return { intervalNs, jitterNs: best.jitterNs, shape: best.shape, guessed };
}

/**
 * Refuses an interval that can't be these datagrams' interval.
 *
 * @throws {I405Error} `ERR_I405_CAPTURE`
 */
export function requireInterval({ direction, seen }: Observation, { intervalNs }: Schedule): void {
  const datagrams = seen.reduce((sum, { timesNs }) => sum + timesNs.length, 0);
  const spanNs = seen.reduce((sum, { timesNs }) => sum + (timesNs.at(-1) ?? 0) - (timesNs[0] ?? 0), 0);
  if (intervalNs > 0 && spanNs / intervalNs <= MOST_SLOTS_PER_DATAGRAM * datagrams) return;
  const what = `${datagrams} datagrams in ${formatDuration(spanNs)} don't fit an interval of ${formatDuration(intervalNs)}`;
  throw captureError(direction, what, "Give the real one (interval, --interval), or a capture of a tunnel that runs");
}

/** Are deadlines a grid? There an error makes one gap longer and the next one shorter, so that sums scatter no more. */
function isGrid(gapsNs: Float64Array): boolean {
  const sums = Float64Array.from({ length: Math.floor(gapsNs.length / TOGETHER) }, (_, index) =>
    gapsNs.subarray(index * TOGETHER, (index + 1) * TOGETHER).reduce((sum, gap) => sum + gap, 0),
  );
  return scatter(sums) ** 2 <= GRID * scatter(gapsNs) ** 2;
}

/** Median deviation from the median: single stalls and seams don't count. */
function scatter(values: Float64Array): number {
  const sorted = values.slice().sort();
  const middle = sorted[sorted.length >> 1]!;
  return sorted.map((value) => Math.abs(value - middle)).sort()[sorted.length >> 1]!;
}

interface Distribution {
  /** Share below -1 + 2 i / {@link POINTS}. */
  below: Float64Array;
  /** Standard deviation in half widths. */
  sd: number;
}

function distribution(shape: ShapeName): Distribution {
  const density = jitterDensity(shape);
  const below = new Float64Array(POINTS + 1);
  let [sum, square] = [0, 0];
  for (let point = 0; point < POINTS; point += 1) {
    const offset = -1 + (2 * (point + 0.5)) / POINTS;
    sum += density(offset);
    square += density(offset) * offset * offset;
    below[point + 1] = sum;
  }
  return { below: below.map((value) => value / sum), sd: Math.sqrt(square / sum) };
}

/** Greatest difference of the two distributions. */
function distance(sorted: Float64Array, mean: number, jitterNs: number, { below }: Distribution): number {
  let greatest = 0;
  for (let place = 1; place < POINTS; place += 1) {
    const gap = sorted[Math.floor((place / POINTS) * sorted.length)]!;
    const offset = Math.min(Math.max((gap - mean) / jitterNs, -1), 1);
    const expected = below[Math.round(((offset + 1) / 2) * POINTS)]!;
    greatest = Math.max(greatest, Math.abs(expected - place / POINTS));
  }
  return greatest;
}
