/** What bench/jitter computes, against closed forms. */
import t from "tap";
import { information, total } from "../../bench/jitter/information.js";
import { search } from "../../bench/jitter/search.js";
import { integratedN95 } from "../audit/integrated.js";
import { LEAST } from "../../lib/statistics/n95.js";
import { family, LEAST_INFORMATION, SHAPES } from "../../bench/jitter/shapes.js";

const near = (found: number, expected: number) => Math.abs(found / expected - 1) < 0.001;

t.test("information of cos4", (t) => {
  const { fisher, curvature } = information(SHAPES.cos4!);
  t.ok(near(fisher, (4 * Math.PI ** 2) / 3), String(fisher));
  t.ok(near(curvature, 8 * Math.PI ** 4), String(curvature));
  t.end();
});

t.test("for small errors the distance is an eighth of the information of single intervals", (t) => {
  const sds = [0.006, 0.004] as const;
  const expected = (8 * LEAST) / ((sds[0] ** 2 - sds[1] ** 2) ** 2 * 8 * Math.PI ** 4);
  const found = integratedN95(SHAPES.cos4!, sds);
  t.ok(Math.abs(found / expected - 1) < 0.1, `${found} for ${expected}`);
  t.ok(integratedN95(SHAPES.uniform!, sds) < found / 1000, "an edge shows more");
  t.end();
});

t.test("the shape in the repository is where the search ends", (t) => {
  const of = (at: readonly number[]) => (at[0]! <= 3 ? Infinity : total(information(family(at))));
  const least = of(LEAST_INFORMATION);
  t.ok(least < 0.97 * of([4]));
  t.ok(of(search(of, LEAST_INFORMATION, 40)) > 0.999 * least);
  t.same(
    search(([x = 0, y = 0]) => (x - 3) ** 2 + (y + 1) ** 2, [0, 0], 200).map((value) => Math.round(value * 1e3) / 1e3),
    [3, -1],
  );
  t.end();
});
