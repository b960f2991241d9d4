import t from "tap";
import { median, quantile } from "../../lib/statistics/quantile.js";

t.test("nearest rank", async (t) => {
  const ten = Float64Array.from({ length: 10 }, (_, index) => index + 1);
  t.same(
    [0, 0.1, 0.11, 0.5, 0.95, 1].map((share) => quantile(ten, share)),
    [1, 1, 2, 5, 10, 10],
  );
  t.equal(quantile([7], 0.001), 7);
  t.equal(quantile([], 0.5), 0);
});

t.test("median", async (t) => {
  t.equal(median([3, 1, 2]), 2);
  t.equal(median(Float64Array.of(1, 2, 10, 3)), 2.5);
  t.equal(median([]), 0);
});
