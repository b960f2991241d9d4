/** Two trained observers that try to tell datagrams of one kind from another by their bytes. */

/** Which kind: 0 or 1. */
export interface Sample {
  bytes: Buffer;
  kind: 0 | 1;
}

/** Places whose single bits the logistic observer looks at: header, nonce, and what follows. */
const HEAD_BYTES = 32;

/** Shuffles reproducibly, so that order of capture teaches nothing. */
export function shuffled<T>(values: readonly T[], seed = 1): T[] {
  const result = [...values];
  let state = seed;
  for (let index = result.length - 1; index > 0; index -= 1) {
    state = (state * 48_271) % 2_147_483_647;
    const other = state % (index + 1);
    [result[index], result[other]] = [result[other]!, result[index]!];
  }
  return result;
}

/** Byte histogram, standardised, and the bits of the first bytes, as -1 and 1. */
function features({ bytes }: Sample): Float64Array {
  const vector = new Float64Array(256 + HEAD_BYTES * 8 + 1);
  for (const byte of bytes) vector[byte]! += 1;
  const expected = bytes.length / 256;
  for (let value = 0; value < 256; value += 1) vector[value] = (vector[value]! - expected) / Math.sqrt(expected);
  for (let bit = 0; bit < HEAD_BYTES * 8; bit += 1) {
    vector[256 + bit] = ((bytes[bit >> 3] ?? 0) >> (bit & 7)) & 1 ? 1 : -1;
  }
  vector[vector.length - 1] = 1;
  return vector;
}

function dot(one: Float64Array, other: Float64Array): number {
  let sum = 0;
  for (let index = 0; index < one.length; index += 1) sum += one[index]! * other[index]!;
  return sum;
}

/** Logistic regression by stochastic gradient descent; how many of `test` it gets right. */
export function logisticHits(train: readonly Sample[], test: readonly Sample[], rounds = 20): number {
  const vectors = train.map(features);
  const weights = new Float64Array(vectors[0]!.length);
  for (let round = 0; round < rounds; round += 1) {
    const step = 0.02 / (1 + round);
    vectors.forEach((vector, index) => {
      const error = train[index]!.kind - 1 / (1 + Math.exp(-dot(weights, vector)));
      for (let place = 0; place < weights.length; place += 1) weights[place]! += step * error * vector[place]!;
    });
  }
  return test.filter((sample) => (dot(weights, features(sample)) > 0 ? 1 : 0) === sample.kind).length;
}

/** Naive Bayes over the value at every position; how many of `test` it gets right. */
export function bayesHits(train: readonly Sample[], test: readonly Sample[]): number {
  const length = Math.min(...train.map(({ bytes }) => bytes.length));
  const counts = [new Uint32Array(length * 256).fill(1), new Uint32Array(length * 256).fill(1)] as const;
  for (const { bytes, kind } of train) {
    for (let place = 0; place < length; place += 1) counts[kind][place * 256 + bytes[place]!]! += 1;
  }
  const [zeros, ones] = [0, 1].map((kind) => train.filter((sample) => sample.kind === kind).length) as [number, number];
  // Kinds of unequal number would shift every place's odds alike.
  const shift = length * (Math.log(zeros + 256) - Math.log(ones + 256));
  return test.filter(({ bytes, kind }) => {
    let odds = shift;
    for (let place = 0; place < length; place += 1) {
      const at = place * 256 + bytes[place]!;
      odds += Math.log(counts[1][at]!) - Math.log(counts[0][at]!);
    }
    return (odds > 0 ? 1 : 0) === kind;
  }).length;
}
