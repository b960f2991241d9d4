/** The part of jstat that is used here; the package brings no types. */
declare module "jstat" {
  interface Jstat {
    chisquare: { cdf(x: number, degrees: number): number };
    normal: {
      cdf(x: number, mean: number, stddev: number): number;
      inv(p: number, mean: number, stddev: number): number;
    };
    studentt: { cdf(x: number, degrees: number): number };
    centralF: { cdf(x: number, degrees: number, otherDegrees: number): number };
    /** Regularized lower incomplete gamma function, P(a, x). */
    lowRegGamma(a: number, x: number): number;
  }
  // CommonJS: the whole module is the default.
  const module: { jStat: Jstat } & Jstat;
  export default module;
}
