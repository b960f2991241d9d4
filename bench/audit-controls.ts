/** How often the audit cries wolf: equal conditions, simulated, each a control; and how often it finds a small leak. */
import { analyse } from "../lib/audit/analyse.js";
import { subjectOf } from "../lib/audit/subject.js";
import { observation, send, SIMULATED, unknowing } from "../test/audit/simulate.js";
import { readOptions, Report } from "./lib/report.js";

const options = readOptions({ runs: 200, slots: 15_000, intervalUs: 1000, jitterShare: 0.5, errorUs: 5, leakUs: 5 });
const report = new Report(options.json);

for (const known of [true, false]) {
  let [pairs, alarms, bulk, alone, falseN95, leaks] = [0, 0, 0, 0, 0, 0];
  for (let run = 0; run < options.runs; run += 1) {
    let fromNs = 0;
    const seen = Array.from({ length: 4 }, (_, index) => {
      const errorNs = 1000 * (index % 2 === 0 ? options.errorUs : options.leakUs);
      const intervalNs = 1000 * options.intervalUs;
      const one = send({
        ...{ seed: 1000 * run + index, label: index % 2 === 0 ? "idle" : "busy", intervalNs, slots: options.slots },
        ...{ jitterNs: options.jitterShare * intervalNs, errorNs, fromNs },
      });
      fromNs = one.toNs;
      return known ? one : unknowing(one);
    });
    const subject = subjectOf(observation(seen), {}, undefined)!;
    const found = await analyse(SIMULATED, [subject], { onProgress: () => undefined });
    const controls = found.pairs.filter(({ control }) => control);
    pairs += controls.length;
    alarms += controls.filter(({ findings }) => findings.length > 0).length;
    bulk += controls.filter(({ n95 }) => n95?.atLeast === false).length;
    falseN95 += found.pairs.filter((pair) => !pair.control && pair.n95?.atLeast === false).length;
    alone += found.findings.length > 0 ? 1 : 0;
    leaks += found.pairs.filter((pair) => !pair.control && pair.findings.length > 0).length;
    if ((run + 1) % 10 === 0) report.progress(`${known ? "known" : "hidden"} deadlines, ${run + 1} of ${options.runs}`);
  }
  report.add({
    deadlines: known ? "known" : "hidden",
    runs: options.runs,
    controls: pairs,
    "controls with a finding": alarms,
    "nominal, at most": 0.01 * pairs,
    "controls with an n95": bulk,
    nominal: 0.025 * pairs,
    "runs with a finding of one condition": alone,
    "busy - idle found": leaks,
    "busy - idle with an n95": falseN95,
  });
}
report.table("False alarms of the audit; without --leak-us unlike --error-us, busy and idle are equal as well");
