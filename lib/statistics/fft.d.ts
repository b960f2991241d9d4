/** The part of fft.js that is used here; the package brings no types. */
declare module "fft.js" {
  /** Complex numbers lie interleaved: real part, imaginary part. */
  export default class FFT {
    /** @param size complex numbers per transform, a power of two above 1 */
    constructor(size: number);
    transform(out: Float64Array, data: Float64Array): void;
    /** Scaled by 1 / size, so that it undoes `transform`. */
    inverseTransform(out: Float64Array, data: Float64Array): void;
  }
}
