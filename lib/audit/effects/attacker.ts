/** A learned attacker: trees over features of windows, trained on one half of the stretches and tested on the other. */
import { trainTrees } from "../../statistics/boosted-trees.js";
import { normalP } from "../../statistics/two-sample.js";
import type { Seen } from "../observation.js";
import { features, windowsOf, type Clip } from "../windows.js";
import { percent, type Effect } from "./effect.js";

/** Windows of each condition below which nothing is learned. */
const FEWEST_WINDOWS = 30;
/** Windows of each condition that are used at most. */
const MOST_WINDOWS = 1500;

/** How well it did. */
export interface Attack {
  /** Mean of the shares of windows of either condition that it got right; 0.5 is a coin's. */
  accuracy: number;
  p: number;
  /** Windows that it was tested on. */
  windows: [number, number];
  gapsPerWindow: number;
}

/** Null if there are too few windows. */
export function attack(a: readonly Seen[], b: readonly Seen[], clip: Clip): Attack | null {
  const halves = [a, b].map((seen) => split(seen, clip));
  if (halves.some(({ train, test }) => Math.min(train.length, test.length) < FEWEST_WINDOWS / 2)) return null;
  const [one, other] = halves as [Halves, Halves];
  const classes = [...one.train.map(() => 0 as const), ...other.train.map(() => 1 as const)];
  const model = trainTrees([...one.train, ...other.train], classes);
  const hits = one.test.filter((row) => model(row) <= 0).length / one.test.length;
  const otherHits = other.test.filter((row) => model(row) > 0).length / other.test.length;
  const accuracy = (hits + otherHits) / 2;
  const error = Math.sqrt((1 / one.test.length + 1 / other.test.length) / 16);
  // It may only be better than a coin; worse is chance.
  const p = accuracy > 0.5 ? normalP((accuracy - 0.5) / error) / 2 : 1;
  return { accuracy, p, windows: [one.test.length, other.test.length], gapsPerWindow: one.gapsEach };
}

interface Halves {
  train: Float64Array[];
  test: Float64Array[];
  gapsEach: number;
}

/** Every other stretch; of a single one the first and the second half. */
function split(seen: readonly Seen[], clip: Clip): Halves {
  const windows = windowsOf(seen);
  const every = Math.max(Math.ceil(windows.length / MOST_WINDOWS), 1);
  const used = windows.filter((_, index) => index % every === 0);
  const stretches = new Set(used.map(({ stretch }) => stretch)).size;
  const trains = (index: number, stretch: number) => (stretches > 1 ? stretch % 2 === 0 : index < used.length / 2);
  const rows = used.map((window, index) => ({ row: features(window, clip), train: trains(index, window.stretch) }));
  return {
    train: rows.filter(({ train }) => train).map(({ row }) => row),
    test: rows.filter(({ train }) => !train).map(({ row }) => row),
    gapsEach: windows[0]?.gaps.length ?? 0,
  };
}

/** What an attack says, if there was one. */
export function attackerEffect(found: Attack | null): Effect[] {
  if (found === null) return [];
  const { accuracy, p, gapsPerWindow } = found;
  const words = `a learned attacker is right about ${percent(accuracy)} of windows of ${gapsPerWindow} gaps`;
  return [{ effect: "attacker", measure: accuracy, p, words }];
}
