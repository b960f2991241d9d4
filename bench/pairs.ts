/** Descriptors and resident memory of one program that opens and closes connected pairs, one after the other. */
import { join } from "node:path";
import { here, Program } from "../lab/host/program.js";
import { readOptions, Report, rounded } from "./lib/report.js";
import { ROOT } from "./lib/tunnel.js";

const options = readOptions({
  pairs: 1000,
  every: 100,
  descriptors: 256,
  // V8 gives its young generation between 1 and 48 MiB as it likes, which hides everything else. 0: as it likes.
  youngMib: 1,
});
const report = new Report(options.json);
const MIB = 1 << 20;

interface Reached {
  pairs: number;
  descriptors: number;
  threads: number;
  resident: number;
  heap: number;
}

const marks = Array.from(
  { length: Math.floor(options.pairs / options.every) },
  (_, index) => options.every * (index + 1),
);
const limited = ["sh", "-c", `ulimit -n ${options.descriptors} && exec "$@"`, "sh"];
const young = options.youngMib === 0 ? [] : [`--max-semi-space-size=${options.youngMib}`];
const file = join(ROOT, "test", "real", "programs", "pairs.mjs");
const program = new Program(here, [...limited, process.execPath, ...young, file, ...marks.map(String)]);
/** What a pair may take on a slow machine, ms. */
const PATIENCE_MS = 5000;
const { code } = await program.exitWithin(options.pairs * PATIENCE_MS);
if (code !== 0) throw new Error(`it ended with ${code}: ${program.stderr}`);
const reached = program.events.filter(({ event }) => event === "pairs") as unknown as Reached[];
for (const { pairs, descriptors, threads, resident, heap } of reached) {
  report.add({ pairs, descriptors, threads, resident: rounded(resident / MIB), heap: rounded(heap / MIB) });
}
report.table("Pairs opened and closed; resident memory and V8's heap in it, MiB");
const [first, last] = [reached[0]!, reached.at(-1)!];
report.add({
  descriptors: last.descriptors - first.descriptors,
  resident: rounded((last.resident - first.resident) / MIB),
  heap: rounded((last.heap - first.heap) / MIB),
});
report.table(`From ${first.pairs} to ${last.pairs} pairs`);
