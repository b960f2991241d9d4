/**
 * Properties checked with generated values. The seed is always the same, so that a run that passed passes again;
 * `npm run fuzz -- properties` draws new ones. `I405_FUZZ_SEED=n` sets one, `I405_FUZZ_EXECUTIONS=n` how many values
 * each property gets.
 */
import fc from "fast-check";
import type { Test } from "tap";
import { I405Error } from "../../lib/common/errors.js";

/** Of a property that takes microseconds; all of them together take a few seconds. */
const EXECUTIONS = 500;

const SEED = 1405;

/** fast-check's seeds are 32 bits. */
const seed = Number(process.env.I405_FUZZ_SEED ?? SEED);
const asked = process.env.I405_FUZZ_EXECUTIONS;

/**
 * Checks that a property holds, with the smallest counterexample in the message if not.
 * @param cost how many times dearer than a cheap one it is: it gets so many values fewer.
 */
export async function holds<T extends [unknown, ...unknown[]]>(
  t: Test,
  name: string,
  values: { [K in keyof T]: fc.Arbitrary<T[K]> },
  property: (...values: T) => void | Promise<void>,
  cost = 1,
): Promise<void> {
  const numRuns = Math.max(1, Math.ceil(Number(asked ?? EXECUTIONS) / cost));
  await t.test(`${name} (seed ${seed}, ${numRuns} values)`, async (t) => {
    let runs = 0;
    const counted = async (...given: T) => {
      runs += 1;
      await property(...given);
    };
    await fc.assert(fc.asyncProperty<T>(...values, counted), { seed, numRuns });
    t.ok(runs >= numRuns, "every value was tried");
  });
}

/** Characters of the longest message: of an unknown key, with all that are known. */
const LONGEST_MESSAGE = 1500;

/** What a call returns, or undefined if it throws the one error that may come out. Anything else goes on up. */
export function orRefusal<T>(call: () => T, ...codes: string[]): T | undefined {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof I405Error)) throw error;
    if (codes.length > 0 && !codes.includes(error.code)) throw error;
    if (error.message.includes("\n")) throw new Error("a message of several lines", { cause: error });
    if (error.message.length > LONGEST_MESSAGE) throw new Error("a message that is too long", { cause: error });
    return undefined;
  }
}

/** Any value at all, strange objects included, and often a string. */
export const anything = fc.oneof(
  fc.anything({ withBigInt: true, withNullPrototype: true, withTypedArray: true, withDate: true, withMap: true }),
  fc.string({ unit: "binary" }),
  fc.double(),
);
