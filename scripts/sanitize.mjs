// @ts-check
// `npm run sanitize -- [miri] [thread]`: tests under Miri and the thread sanitizer. docs/fuzzing.md says what they see.
import { hostTriple, nightlyProblem, partProblem, run } from "./fuzz/tools.mjs";
import { addCargoToPath, SetupError } from "./setup/tools.mjs";

/** Targets of crates/i405-fuzz without ring, whose assembly Miri can't run, and without tables of a MiB. */
const PURE_TARGETS = "budget,inner_length,reassembly,reorder,replay,stamp,unpacker";
/** Inputs per target: Miri is some hundred times slower. */
const MIRI_EXECUTIONS = "20";

/** @type {Record<string, () => void>} */
const SANITIZERS = {
  // Undefined behaviour: reads of uninitialised or freed memory, broken aliasing, misaligned access.
  miri() {
    const environment = {
      // Tests read their corpus, and proptest the clock.
      MIRIFLAGS: "-Zmiri-disable-isolation",
      PROPTEST_CASES: "2",
      I405_FUZZ_TARGET: PURE_TARGETS,
      I405_FUZZ_EXECUTIONS: MIRI_EXECUTIONS,
    };
    const test = ["+nightly", "miri", "test", "--locked"];
    // mask and seal are ring's assembly throughout; filling the whole table of nonces takes Miri very long.
    run(
      "cargo",
      [
        ...test,
        "-p",
        "i405-proto",
        "--lib",
        "--",
        ...["mask::", "seal::", "each_nonce_is_new"].flatMap((name) => ["--skip", name]),
      ],
      environment,
    );
    const replay = ["-p", "i405-fuzz", "--no-default-features", "--test", "replay", "every_target_holds"];
    run("cargo", [...test, ...replay], environment);
  },
  // Data races between the threads of a tunnel. The standard library is built along, or its locks would be reported.
  thread() {
    const parameters = ["-Zbuild-std", "--target", hostTriple(), "--locked"];
    for (const name of ["i405-sys", "i405-rt", "i405-process", "i405-probe"]) parameters.push("-p", name);
    parameters.push("--lib");
    // One after the other: some pin threads to cores.
    run("cargo", ["+nightly", "test", ...parameters, "--", "--test-threads=1"], {
      RUSTFLAGS: "-Zsanitizer=thread",
      TSAN_OPTIONS: "halt_on_error=1",
    });
  },
};

function main() {
  const asked = process.argv.slice(2);
  const unknown = asked.find((name) => SANITIZERS[name] === undefined);
  if (unknown !== undefined) {
    const known = Object.keys(SANITIZERS).join(" and ");
    throw new SetupError(
      `There is no sanitizer ${unknown}. There are ${known}; the address sanitizer is npm run fuzz's`,
    );
  }
  addCargoToPath();
  const chosen = asked.length === 0 ? Object.keys(SANITIZERS) : asked;
  const parts = { miri: "miri", thread: "rust-src" };
  for (const name of chosen) {
    const problem = nightlyProblem() ?? partProblem(parts[/** @type {"miri" | "thread"} */ (name)]);
    if (problem !== null) throw new SetupError(problem);
  }
  for (const name of chosen) SANITIZERS[name]?.();
}

try {
  main();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`i405: ${error.message}\n`);
  process.exitCode = 2;
}
