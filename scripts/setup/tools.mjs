// @ts-check
// What the machine has to bring along: Node, Rust, a C compiler. Each check returns what to say, or null.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

/** A problem that a person can solve: shown without a stack trace. */
export class SetupError extends Error {}

/**
 * Whether a dotted version reaches another, `"1.95.0"` and `"1.88"`.
 * @param {string} version
 * @param {string} least
 */
export function reaches(version, least) {
  const have = version.split(".").map((part) => Number.parseInt(part, 10));
  const want = least.split(".").map((part) => Number.parseInt(part, 10));
  for (const [place, number] of want.entries()) {
    const difference = (have[place] ?? 0) - number;
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/**
 * What to say where Node is too old or the system is another.
 * @param {string} version
 * @param {string} platform
 */
export function nodeProblem(version, platform) {
  if (platform !== "linux") return `i405 runs on Linux only; this is ${platform}.`;
  if (reaches(version, "20.19")) return null;
  return `Node ${version} is too old: i405 needs 20.19 or later.\nInstall it from https://nodejs.org/en/download, or with nvm: nvm install 22`;
}

/**
 * The command that installs a C compiler here, by the distribution's name.
 * @param {string} osRelease contents of /etc/os-release
 */
export function compilerCommand(osRelease) {
  const like = [...osRelease.matchAll(/^ID(?:_LIKE)?="?([^"\n]*)"?$/gm)].flatMap(([, names = ""]) => names.split(" "));
  if (like.includes("alpine")) return "apk add build-base";
  if (like.includes("arch")) return "pacman -S base-devel";
  if (like.includes("fedora") || like.includes("rhel")) return "dnf install gcc make";
  if (like.includes("suse")) return "zypper install gcc make";
  return "apt-get install build-essential";
}

/** rustup puts cargo here and adds it to PATH only for new shells. */
export function addCargoToPath() {
  const bin = join(process.env.CARGO_HOME ?? join(homedir(), ".cargo"), "bin");
  const path = process.env.PATH ?? "";
  if (existsSync(join(bin, "cargo")) && !path.split(delimiter).includes(bin)) {
    process.env.PATH = `${path}${delimiter}${bin}`;
  }
}

/**
 * Output of a program, or null if it is missing or fails.
 * @param {string} command
 * @param {string[]} parameters
 */
function outputOf(command, parameters) {
  const { status, stdout } = spawnSync(command, parameters, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  return status === 0 ? stdout : null;
}

/**
 * What to say where Rust or the C compiler is missing or too old.
 * @param {string} root
 */
export function toolchainProblem(root) {
  const least = /^rust-version = "([\d.]+)"/m.exec(readFileSync(join(root, "Cargo.toml"), "utf8"))?.[1] ?? "1";
  const version = /^cargo ([\d.]+)/.exec(outputOf("cargo", ["--version"]) ?? "")?.[1];
  if (version === undefined) {
    return (
      `Rust is missing: no working cargo in PATH. Install it as https://rustup.rs says, then open a new shell:\n` +
      `  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh`
    );
  }
  if (!reaches(version, least))
    return `Rust ${version} is too old: i405 needs ${least} or later.\n  rustup update stable`;
  if (outputOf(process.env.CC ?? "cc", ["--version"]) === null) {
    const osRelease = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
    const what = process.env.CC === undefined ? "no working cc in PATH" : `CC=${process.env.CC} does not run`;
    const asRoot = process.getuid?.() === 0 ? "" : "sudo ";
    return `A C compiler is missing: ${what}. Install one:\n  ${asRoot}${compilerCommand(osRelease)}`;
  }
  return null;
}

/** What to say where the formatter or the linter of Rust is missing; only the tests need them. */
export function componentsProblem() {
  const missing = ["rustfmt", "clippy"].filter((name) => {
    return outputOf("cargo", [name === "rustfmt" ? "fmt" : "clippy", "--version"]) === null;
  });
  if (missing.length === 0) return null;
  return `Missing parts of Rust: ${missing.join(" and ")}. Add them:\n  rustup component add ${missing.join(" ")}`;
}
