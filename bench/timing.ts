/** Lateness, CPU, memory, goodput and round trips by poll mode, condition and interval, and how well they are told apart. */
import { writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { withPair } from "./lib/bench.js";
import { printTable } from "./lib/report.js";
import { prepare } from "./timing/conditions.js";
import { plan, roughly, sessionSeconds } from "./timing/plan.js";
import { plot } from "./timing/plot.js";
import { comparisons, Results, rows, singleStretches } from "./timing/results.js";
import { parseSelection, USAGE, UsageError, type Selection } from "./timing/selection.js";
import { runSession, spin } from "./timing/session.js";
import {
  accountRows,
  callRows,
  carriedRows,
  comparisonRow,
  machineRow,
  programRows,
  wireRows,
} from "./timing/tables.js";

/** What goes on, for the person who waits. */
function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function readSelection(): Selection {
  try {
    return parseSelection(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    if (error.message === "") console.log(USAGE);
    else say(`${error.message}\n\n${USAGE}`);
    process.exit(error.message === "" ? 0 : 2);
  }
}

/** Runs every session; what there is when one fails, too. */
async function measure(selection: Selection, results: Results): Promise<string | null> {
  const sessions = plan(selection);
  const seconds = sessions.map((session) => sessionSeconds(session, selection.stretchS));
  const left = (done: number) => roughly(seconds.slice(done).reduce((sum, each) => sum + each, 0));
  say(`${sessions.length} sessions, about ${left(0)}; leave the machine alone meanwhile`);
  let failed: string | null = null;
  await withPair(async (pair) => {
    prepare(pair);
    for (const [done, session] of sessions.entries()) {
      const { sender, intervalNs, round } = session;
      const what = `[${done + 1}/${sessions.length}] ${intervalNs / 1000} us, ${sender.name}, round ${round}`;
      say(`${what}; about ${left(done)} left`);
      try {
        const measured = await runSession(pair, session, selection, (condition) => say(`    ${condition}`));
        say("    bare spinner");
        results.add(session, measured, await spin(pair, session, selection));
      } catch (error) {
        failed = `${what}: ${(error as Error).message}`;
        say(`${failed}\nStopped; what was measured until then follows.`);
        return;
      }
    }
  });
  return failed;
}

const selection = readSelection();
const results = new Results();
const failed = await measure(selection, results);
const all = results.subjects.map((subject) => {
  say(`computing n95: ${subject.intervalNs / 1000} us, ${subject.sender}`);
  return { subject, rows: rows(subject), n95: comparisons(subject, selection.jitterShare) };
});
const everyRow = all.flatMap((one) => one.rows);
printTable("Lateness on the wire, us; sd trimmed at p99.9; medians over stretches", everyRow.flatMap(wireRows));
printTable("Lateness at the call, us, as the sender itself saw it", everyRow.flatMap(callRows));
printTable("Programs: CPU, shares of one core, and resident memory", everyRow.flatMap(programRows));
printTable("Carried upwards; round trips, ms", everyRow.flatMap(carriedRows));
const everyPair = selection.wire ? all.flatMap((one) => one.n95) : [];
const percent = selection.jitterShare * 100;
printTable(
  `Intervals an optimal observer needs (n95, low end of 95 %), cos^4 jitter of +-${percent} %`,
  everyPair.map(comparisonRow),
);
printTable(
  "Every slot of the client, per round: sent and missed by its own account; elapsed and seen on the wire",
  results.subjects.flatMap(accountRows),
);
printTable(
  "What the machine itself took from a bare SCHED_FIFO spinner on the same core, gaps above 50 us or a slot",
  results.subjects.map(machineRow),
);
if (selection.json !== null) {
  const machine = { cpus: cpus().map(({ model }) => model), kernel: release() };
  const subjects = all.map(({ subject, ...rest }) => ({
    intervalNs: subject.intervalNs,
    sender: subject.sender,
    ...rest,
    stretches: singleStretches(subject),
    spinners: subject.spinners,
    accounts: subject.accounts,
  }));
  // JSON has no Infinity: an n95 without an upper end has null there.
  writeFileSync(selection.json, `${JSON.stringify({ selection, failed, machine, subjects }, null, 2)}\n`);
}
if (selection.svg !== null && selection.wire && results.subjects.length > 0)
  writeFileSync(selection.svg, plot(results.subjects));
process.exitCode = failed === null ? 0 : 1;
