/**
 * Gradient-boosted trees for two classes (Friedman, "Greedy function approximation", 2001), small enough to be read.
 * They have logistic loss, a few levels, features cut into quantile bins, and Newton steps in the leaves.
 *
 * There is no well-kept package of them for Node. Those of other languages are far larger than is needed to see whether
 * windows of gaps can be told apart.
 */

/** Trees, levels of each, share of each step that is taken, cuts per feature, least samples in a leaf. */
const [TREES, LEVELS, RATE, CUTS, LEAST_LEAF] = [60, 2, 0.15, 16, 12];
/** Added to the second derivative, so that small leaves don't take large steps. */
const RIDGE = 1;

interface Split {
  feature: number;
  cut: number;
  below: Split | number;
  above: Split | number;
}

/** A trained attacker: the log odds of class 1. */
export type Model = (features: Float64Array) => number;

/**
 * @param rows features of each sample, all of one length
 * @param classes 0 or 1 for each; every class counts alike, however many samples it has
 */
export function trainTrees(rows: readonly Float64Array[], classes: readonly (0 | 1)[]): Model {
  const cuts = quantileCuts(rows);
  const ones = classes.reduce<number>((sum, each) => sum + each, 0);
  const weights = classes.map((each) =>
    each === 1 ? rows.length / (2 * ones) : rows.length / (2 * (rows.length - ones)),
  );
  const odds = new Float64Array(rows.length);
  const trees: (Split | number)[] = [];
  for (let round = 0; round < TREES; round += 1) {
    const slope = new Float64Array(rows.length);
    const curvature = new Float64Array(rows.length);
    odds.forEach((value, index) => {
      const probability = 1 / (1 + Math.exp(-value));
      slope[index] = weights[index]! * (classes[index]! - probability);
      curvature[index] = weights[index]! * probability * (1 - probability);
    });
    const tree = grow(rows, cuts, slope, curvature, [...rows.keys()], LEVELS);
    trees.push(tree);
    rows.forEach((row, index) => (odds[index]! += RATE * answer(tree, row)));
  }
  return (features) => trees.reduce<number>((sum, tree) => sum + RATE * answer(tree, features), 0);
}

function quantileCuts(rows: readonly Float64Array[]): Float64Array[] {
  return Array.from(rows[0] ?? [], (_, feature) => {
    const sorted = Float64Array.from(rows, (row) => row[feature]!).sort();
    const cuts = Array.from(
      { length: CUTS },
      (_, cut) => sorted[Math.floor(((cut + 1) * sorted.length) / (CUTS + 1))]!,
    );
    return Float64Array.from(new Set(cuts));
  });
}

function grow(
  rows: readonly Float64Array[],
  cuts: readonly Float64Array[],
  slope: Float64Array,
  curvature: Float64Array,
  members: readonly number[],
  levels: number,
): Split | number {
  const total = (of: Float64Array, which: readonly number[]) => which.reduce((sum, index) => sum + of[index]!, 0);
  const [allSlope, allCurvature] = [total(slope, members), total(curvature, members)];
  const leaf = allSlope / (allCurvature + RIDGE);
  if (levels === 0 || members.length < 2 * LEAST_LEAF) return leaf;
  let best: { gain: number; feature: number; cut: number } | undefined;
  const before = allSlope ** 2 / (allCurvature + RIDGE);
  for (const [feature, edges] of cuts.entries()) {
    // One pass over the members fills the bins; cuts are then sums over bins.
    const bins = Array.from({ length: edges.length + 1 }, () => [0, 0, 0] as [number, number, number]);
    for (const index of members) {
      const value = rows[index]![feature]!;
      let place = 0;
      while (place < edges.length && value > edges[place]!) place += 1;
      const bin = bins[place]!;
      bin[0] += slope[index]!;
      bin[1] += curvature[index]!;
      bin[2] += 1;
    }
    let [s, c, n] = [0, 0, 0];
    for (const [place, cut] of edges.entries()) {
      s += bins[place]![0];
      c += bins[place]![1];
      n += bins[place]![2];
      if (n < LEAST_LEAF || members.length - n < LEAST_LEAF) continue;
      const gain = s ** 2 / (c + RIDGE) + (allSlope - s) ** 2 / (allCurvature - c + RIDGE) - before;
      if (gain > (best?.gain ?? 1e-9)) best = { gain, feature, cut };
    }
  }
  if (best === undefined) return leaf;
  const { feature, cut } = best;
  const side = (above: boolean) => members.filter((index) => rows[index]![feature]! > cut === above);
  const child = (above: boolean) => grow(rows, cuts, slope, curvature, side(above), levels - 1);
  return { feature, cut, below: child(false), above: child(true) };
}

function answer(tree: Split | number, row: Float64Array): number {
  let node = tree;
  while (typeof node !== "number") node = row[node.feature]! > node.cut ? node.above : node.below;
  return node;
}
