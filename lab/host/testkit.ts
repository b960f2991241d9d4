/** Where the test programs of crates/i405-testkit are. `npm test` builds them beforehand. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Path of a built test program.
 * @throws if it isn't built, naming the command that builds it.
 */
export function testkit(name: string): string {
  const path = join(resolve(ROOT, process.env.CARGO_TARGET_DIR ?? "target"), "release", name);
  if (existsSync(path)) return path;
  throw new Error(`${path} is missing: build it with \`cargo build --release -p i405-testkit\``);
}
