/** Whole tunnels in virtual time under every fault, by seed: no invariant may break. `--seed N` repeats one run. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { simulate, type Outcome } from "../lab/simulation/simulate.js";
import { loadSimulator } from "../lab/simulation/simulator.js";
import { readOptions, Report, rounded, type Row } from "./lib/report.js";

const options = readOptions({
  seeds: 100,
  /** The first seed. */
  first: 1,
  /** One seed, to be repeated; 0: as many as `seeds` says. */
  seed: 0,
  minutes: 10,
  jobs: 1,
  /** "off": a quiet network. */
  faults: "on",
  /** Of lab/simulation/circumstances.ts; "": by the seed. */
  wire: "",
  /** Of lab/simulation/simulator.ts; "": drawn under faults, else wide. */
  path: "",
  /** A mistake to be planted, of lab/simulation/simulator.ts. */
  plant: "nothing",
  /** With `--seed`: "on" shows all that enters and leaves the machines, on standard error. */
  trace: "off",
  /** Of how many workers this is which, "0/2"; the bench starts them itself. */
  worker: "",
});

/** What a worker tells of a run: one line of JSON. */
interface Line {
  seed: number;
  broken: string | null;
  cpuMs: number;
  figures: Record<string, number>;
  warnings: Record<string, number>;
  digest: string;
}

function lineOf(seed: number, cpuMs: number, { digest, warnings, broken, ...figures }: Outcome): Line {
  return {
    seed,
    broken,
    cpuMs,
    figures: { ...figures },
    warnings: Object.fromEntries(warnings),
    digest: digest.toString(16),
  };
}

/** Without the bytes of messages, which say nothing to anybody. */
function show(atNs: number, end: string, what: string, value?: unknown): void {
  const text = JSON.stringify(value, (_, field: unknown) => {
    if (field instanceof Uint8Array) return `${field.length} bytes`;
    return typeof field === "bigint" ? Number(field) : field;
  }) as string | undefined;
  console.error(`${(atNs / 1e6).toFixed(3)} ${end} ${what} ${text ?? ""}`);
}

async function work(seeds: Iterable<number>): Promise<void> {
  const simulator = loadSimulator();
  for (const seed of seeds) {
    const before = process.cpuUsage();
    const outcome = simulate(simulator, {
      seed,
      seconds: options.minutes * 60,
      faults: options.faults !== "off",
      plant: options.plant as "nothing",
      ...(options.wire === "" ? {} : { wire: options.wire as "short" }),
      ...(options.path === "" ? {} : { path: options.path as "wide" }),
      ...(options.trace === "off" ? {} : { trace: show }),
    });
    const { user, system } = process.cpuUsage(before);
    console.log(JSON.stringify(lineOf(seed, (user + system) / 1000, outcome)));
    // What is collected is finalized between two turns of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function* seedsOf(index: number, jobs: number): Iterable<number> {
  for (let place = index; place < options.seeds; place += jobs) yield options.first + place;
}

/** Sums of all runs, but where the largest is what counts. */
class Summary {
  readonly totals: Record<string, number> = {};
  readonly warnings: Record<string, number> = {};
  readonly broken: Line[] = [];
  runs = 0;
  cpuMs = 0;

  add(line: Line): void {
    this.runs += 1;
    this.cpuMs += line.cpuMs;
    for (const [name, value] of Object.entries(line.figures)) {
      const before = this.totals[name] ?? 0;
      this.totals[name] = name === "slowestHealNs" ? Math.max(before, value) : before + value;
    }
    for (const [code, count] of Object.entries(line.warnings)) this.warnings[code] = (this.warnings[code] ?? 0) + count;
    if (line.broken !== null) this.broken.push(line);
  }

  row(): Row {
    const { slowestHealNs = 0, ...sums } = this.totals;
    return {
      runs: this.runs,
      broken: this.broken.length,
      cpuSecondsPerRun: rounded(this.cpuMs / 1000 / Math.max(1, this.runs), 3),
      slowestHealSeconds: rounded(slowestHealNs / 1e9, 2),
      ...sums,
    };
  }
}

async function runWorkers(summary: Summary): Promise<void> {
  const jobs = Math.max(1, Math.min(options.jobs, options.seeds));
  const started = Date.now();
  let shownAt = started;
  const workers = Array.from({ length: jobs }, async (_, index) => {
    const parameters = [...process.argv.slice(1), "--worker", `${index}/${jobs}`];
    const child = spawn(process.execPath, ["--enable-source-maps", ...parameters], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
    for await (const text of createInterface({ input: child.stdout })) {
      const line = JSON.parse(text) as Line;
      summary.add(line);
      if (line.broken !== null) console.error(`seed ${line.seed}: ${line.broken}`);
      if (Date.now() - shownAt < 60_000) continue;
      shownAt = Date.now();
      console.error(`${summary.runs} of ${options.seeds} runs, ${summary.broken.length} broken`);
    }
    const code = await ended;
    if (code !== 0) throw new Error(`a worker ended with exit code ${code}`);
  });
  await Promise.all(workers);
}

if (options.worker !== "") {
  const [index = 0, jobs = 1] = options.worker.split("/").map(Number);
  await work(seedsOf(index, jobs));
} else if (options.seed !== 0) {
  await work([options.seed]);
} else {
  const summary = new Summary();
  console.error(`seeds ${options.first} to ${options.first + options.seeds - 1}, ${options.minutes} min each`);
  await runWorkers(summary);
  const report = new Report(options.json);
  report.add(summary.row());
  report.add({ ...summary.warnings });
  for (const { seed, broken } of summary.broken) console.log(`broken: seed ${seed}: ${broken}`);
  if (summary.broken.length > 0) {
    console.log(`repeat one with: node bench/run.mjs simulate --minutes ${options.minutes} --seed N`);
    process.exit(1);
  }
}
