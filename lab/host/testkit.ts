/** Where the test programs of crates/i405-testkit and the simulator are. `npm test` builds them beforehand. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TARGET = resolve(ROOT, process.env.CARGO_TARGET_DIR ?? "target");
/** Tests run what cargo's own tests are compiled with. Benches measure with what is optimised throughout: bench/run.mjs. */
const PROFILE = process.env.I405_TESTKIT_PROFILE ?? "debug";

/**
 * Path of a built test program.
 * @throws if it isn't built, naming the command that builds it.
 */
export function testkit(name: string): string {
  const path = join(TARGET, PROFILE, name);
  if (existsSync(path)) return path;
  const option = PROFILE === "release" ? "--benches" : "--tests";
  throw new Error(`${path} is missing: build it with \`node scripts/setup.mjs ${option}\``);
}
