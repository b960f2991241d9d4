/** Numbers in 0..1 from a seed (a linear congruence, Numerical Recipes): a failing test fails again. */
export function randomSource(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
