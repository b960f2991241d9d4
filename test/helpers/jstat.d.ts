/** The part of jstat that the tests use; the package brings no types. */
declare module "jstat" {
  const jStat: {
    chisquare: { cdf(x: number, degrees: number): number };
    normal: { cdf(x: number, mean: number, stddev: number): number };
  };
  export default jStat;
}
