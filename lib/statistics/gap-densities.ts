/**
 * The two densities of gaps that an observer compares, on one grid. Each is the density of the jitter convolved with
 * the measured gap errors. So both are smooth, however few errors were measured, and differ only by what differs in the
 * errors.
 *
 * The unit is half widths of the jitter around the mean interval. Both conditions go through one complex Fourier
 * transform, one as the real part and one as the imaginary part. They don't mix, because the kernel is real and even.
 */
import FFT from "fft.js";
import type { JitterDensity } from "./jitter-density.js";

/** Cells per half width. An error is shared between two cells, which widens it by a fourth of a cell squared at most. */
const CELLS_PER_HALF_WIDTH = 4096;
/**
 * In half widths. Gap errors beyond this count as if they were at it: such a gap is longer or shorter than any that is
 * drawn. An observer sees that at once, so it doesn't matter by how much.
 */
const REACH = 2;
/** Cells of the grid: a power of two with room for reach and kernel on both sides. */
const CELLS = 8 * CELLS_PER_HALF_WIDTH;

/** Gap errors as places on the grid. */
export interface Placed {
  /** Each error's lower cell. */
  cells: Uint16Array;
  /** What of it belongs to the cell above, 0..1. */
  above: Float64Array;
}

/** Which of the two conditions: the real or the imaginary part. */
export type Side = 0 | 1;

/** The grid. One of them serves any number of comparisons under one jitter; it holds the one that is under way. */
export class GapDensities {
  readonly #fft = new FFT(CELLS);
  readonly #kernel: Float64Array;
  readonly #errors = new Float64Array(2 * CELLS);
  readonly #spectrum = new Float64Array(2 * CELLS);
  readonly #masses = new Float64Array(2 * CELLS);
  readonly #counts: [number, number] = [0, 0];

  constructor(density: JitterDensity) {
    const kernel = new Float64Array(2 * CELLS);
    let total = 0;
    for (let cell = -CELLS_PER_HALF_WIDTH; cell <= CELLS_PER_HALF_WIDTH; cell += 1) {
      const value = density(cell / CELLS_PER_HALF_WIDTH);
      kernel[2 * ((cell + CELLS) % CELLS)] = value;
      total += value;
    }
    const spectrum = new Float64Array(2 * CELLS);
    this.#fft.transform(spectrum, kernel);
    // Even, so the imaginary parts are nothing but rounding.
    this.#kernel = Float64Array.from({ length: CELLS }, (_, at) => spectrum[2 * at]! / total);
  }

  /** Where gap errors lie on the grid of a jitter of that half width, in the same unit. */
  static place(gapErrors: Float64Array, halfWidth: number): Placed {
    const cells = new Uint16Array(gapErrors.length);
    const above = new Float64Array(gapErrors.length);
    gapErrors.forEach((error, at) => {
      const place = Math.min(Math.max(error / halfWidth, -REACH), REACH) * CELLS_PER_HALF_WIDTH + CELLS / 2;
      cells[at] = Math.floor(place);
      above[at] = place - Math.floor(place);
    });
    return { cells, above };
  }

  /** Forgets both conditions. */
  clear(): void {
    this.#errors.fill(0);
    this.#counts.fill(0);
  }

  /** Adds `count` errors from `first` on; after the last comes the first again. */
  add(side: Side, { cells, above }: Placed, first: number, count: number): void {
    const errors = this.#errors;
    for (let taken = 0, at = first; taken < count; taken += 1, at += 1) {
      if (at === cells.length) at = 0;
      const place = 2 * cells[at]! + side;
      errors[place]! += 1 - above[at]!;
      errors[place + 2]! += above[at]!;
    }
    this.#counts[side] += count;
  }

  /** Probability of each cell, interleaved: condition 0, condition 1. Valid until the next call. */
  masses(): Float64Array {
    const [spectrum, kernel] = [this.#spectrum, this.#kernel];
    const scale = [1 / this.#counts[0], 1 / this.#counts[1]] as const;
    for (let at = 0; at < 2 * CELLS; at += 2) {
      this.#errors[at]! *= scale[0];
      this.#errors[at + 1]! *= scale[1];
    }
    this.#counts.fill(1);
    this.#fft.transform(spectrum, this.#errors);
    for (let at = 0; at < CELLS; at += 1) {
      spectrum[2 * at]! *= kernel[at]!;
      spectrum[2 * at + 1]! *= kernel[at]!;
    }
    this.#fft.inverseTransform(this.#masses, spectrum);
    return this.#masses;
  }
}
