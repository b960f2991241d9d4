// @ts-check
// Programs of the distribution that some tests use. Where one is missing those tests skip and say so, but in CI, where
// nothing may be left out, it is installed.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Program and Debian package. */
const TEST_TOOLS = new Map([
  ["ip", "iproute2"],
  ["nft", "nftables"],
  ["script", "bsdutils"],
  ["systemd-analyze", "systemd"],
  ["tcpdump", "tcpdump"],
]);
/** An apt-get that takes longer waits for a lock or a mirror that won't come, ms. */
const PATIENCE_MS = 180_000;

/**
 * Packages of those programs that are in none of the folders.
 * @param {string} path folders as in PATH
 */
export function missingPackages(path) {
  const folders = path.split(delimiter);
  const has = (/** @type {string} */ tool) => folders.some((folder) => existsSync(join(folder, tool)));
  return [...TEST_TOOLS].filter(([tool]) => !has(tool)).map(([, packageName]) => packageName);
}

/** Installs what is missing, in CI and as root; a failure is said, and the tests that need it skip. */
export function installTestTools() {
  if (!process.env.CI || process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) return;
  const missing = missingPackages(process.env.PATH ?? "");
  if (missing.length === 0) return;
  process.stdout.write(`set-up: installing ${missing.join(", ")} for the tests (apt-get)\n`);
  const install = ["install", "--yes", "--no-install-recommends", ...missing];
  // A machine's lists may be older than its mirror, or not there at all.
  if (aptGet(install) || (aptGet(["update"]) && aptGet(install))) return;
  process.stderr.write(`i405: apt-get could not install ${missing.join(", ")}: tests that need them skip\n`);
}

/** @param {string[]} parameters */
function aptGet(parameters) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const { status } = spawnSync("apt-get", ["--quiet", "-o", "DPkg::Lock::Timeout=120", ...parameters], {
    env,
    stdio: ["ignore", "ignore", "inherit"],
    timeout: PATIENCE_MS,
  });
  return status === 0;
}
