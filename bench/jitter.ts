/** Shapes and widths of the jitter: how many intervals an optimal observer needs, by numeric integration; no network. */
import { integratedN95 } from "../test/audit/integrated.js";
import { information, total } from "./jitter/information.js";
import { search } from "./jitter/search.js";
import { family, LEAST_INFORMATION, SHAPES } from "./jitter/shapes.js";
import { readOptions, Report, rounded } from "./lib/report.js";

const options = readOptions({
  intervalMs: 10,
  /** Half widths, percent of the interval. */
  widths: "10,25,50",
  /** Standard deviations of the send errors of the two conditions, us. */
  errors: "20:5,5:4,2:1",
  /** Steps of the search for the shape of least information; 0: the one in the repository. */
  search: 0,
});
const report = new Report(options.json);

if (options.search > 0) {
  const found = search(
    (at) => (at[0]! <= 3 ? Infinity : total(information(family(at)))),
    LEAST_INFORMATION,
    options.search,
  );
  report.progress(`least information at ${found.map((value) => value.toFixed(4)).join(" ")}`);
  SHAPES["least information"] = family(found);
}

/** Those whose second derivative is small enough at the ends for the second order to say anything. */
const SMOOTH = new Set(["cos4", "cos5", "cos6", "least information"]);
for (const [shape, density] of Object.entries(SHAPES)) {
  if (!SMOOTH.has(shape)) continue;
  const found = information(density);
  report.add({
    shape,
    single: rounded(found.curvature, 1),
    neighbours: rounded(found.fisher ** 2, 1),
    both: rounded(total(found), 1),
  });
}
report.table("Information about the errors' variance, by single intervals and by neighbours; the least is best");

const few = (n: number) => (n < 1e5 ? String(Math.round(n)) : n.toExponential(1).replace("e+", "e"));
for (const [shape, density] of Object.entries(SHAPES)) {
  const row: Record<string, string> = { shape };
  for (const width of options.widths.split(",").map(Number)) {
    for (const errors of options.errors.split(",")) {
      const halfWidthUs = options.intervalMs * 10 * width;
      const [sd, otherSd] = errors.split(":").map((us) => Number(us) / halfWidthUs) as [number, number];
      row[`${width} %, ${errors} us`] = few(integratedN95(density, [sd, otherSd]));
    }
  }
  report.add(row);
}
report.table(
  `n95 by single intervals of ${options.intervalMs} ms; half width of the jitter, sd of the errors in either condition`,
);
