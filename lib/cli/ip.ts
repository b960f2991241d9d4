/** Runs `ip`: to set routes and rules up, to take them back, and to see which are there. */
import { execFile, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { I405Error } from "../common/errors.js";
import { commandOf, type RoutePlan, type RouteStep } from "./routes.js";

/** Runs `ip` with these parameters to its end, as an exit handler has to; returns its message if it failed, else null. */
export type RunIp = (parameters: readonly string[]) => string | null;

/** Longest that the kernel may take over a route, ms; beyond it something hangs. */
const IP_TIMEOUT_MS = 5000;
/** Room for the rules of a machine that has very many, bytes. */
const LONGEST_LIST = 16 << 20;

export const runIp: RunIp = (parameters) => {
  const result = spawnSync("ip", parameters, {
    encoding: "utf8",
    stdio: ["ignore", "ignore", "pipe"],
    timeout: IP_TIMEOUT_MS,
  });
  if (result.error !== undefined) {
    const missing = (result.error as NodeJS.ErrnoException).code === "ENOENT";
    return missing ? "ip is missing. Install it: apt-get install iproute2" : result.error.message;
  }
  return result.status === 0 ? null : firstLine(result.stderr, `exit code ${String(result.status)}`);
};

function firstLine(text: string, otherwise: string): string {
  const line = text.trim().split("\n", 1)[0];
  return line === undefined || line === "" ? otherwise : line;
}

/** What `ip -json` lists; null: it can't be told. */
export type ListIp = (parameters: readonly string[]) => Promise<unknown[] | null>;

export const listIp: ListIp = (parameters) =>
  new Promise((resolve) => {
    execFile("ip", parameters, { timeout: IP_TIMEOUT_MS, maxBuffer: LONGEST_LIST }, (error, stdout) => {
      try {
        const listed: unknown = JSON.parse(stdout.trim() === "" ? "[]" : stdout);
        resolve(Array.isArray(listed) ? listed : null);
      } catch {
        // If there is no such table or interface, `ip` fails, with half of an answer or none.
        resolve(error === null || typeof error.code !== "number" ? null : []);
      }
    });
  });

/** Takes steps back, the last first. Returns those that failed: most are gone already, with the interface. */
export function undoSteps(done: readonly RouteStep[], run: RunIp): RouteStep[] {
  return [...done].reverse().filter((step) => run(commandOf(step, "del")) !== null);
}

/**
 * Carries a plan out.
 *
 * @throws {I405Error} `ERR_I405_ROUTE_SETUP`. What was done by then is taken back, and nothing else.
 */
export function applyRoutes({ steps }: RoutePlan, run: RunIp = runIp): void {
  const done: RouteStep[] = [];
  for (const step of steps) {
    const parameters = commandOf(step, "add");
    const failure = run(parameters);
    // A killed run with this mark left a rule behind: the default route says that no other has the mark now.
    const isLeftover = step.kind === "rule" && failure?.includes("File exists") === true;
    if (failure === null || isLeftover) {
      done.push(step);
      continue;
    }
    undoSteps(done, run);
    const hint = failure.includes("File exists") ? existsHint(step) : "";
    const message = `--route: ip ${parameters.join(" ")} failed: ${failure}${hint}`;
    throw new I405Error("ERR_I405_ROUTE_SETUP", message, { option: "route" });
  }
}

function existsHint({ what }: RouteStep): string {
  const [prefix = ""] = what;
  return what.includes("table")
    ? "\nAnother tunnel has the default route of this mark. Give this one its own with --fwmark"
    : `\nSomething else routes ${prefix} already (ip route show ${prefix})`;
}

const RP_FILTER = "/proc/sys/net/ipv4/conf";

/**
 * Whether the kernel checks strictly that answers would go back the way that packets came. Under a default route
 * through the tunnel, it would then drop the server's datagrams.
 */
export function strictReversePath(folder = RP_FILTER): boolean {
  const filter = (name: string) => {
    try {
      return Number(readFileSync(`${folder}/${name}/rp_filter`, "utf8"));
    } catch {
      return 0;
    }
  };
  try {
    // The larger of the machine's and the interface's value holds (ip-sysctl.rst).
    const all = filter("all");
    return readdirSync(folder).some(
      (name) => !["all", "default", "lo"].includes(name) && Math.max(all, filter(name)) === 1,
    );
  } catch {
    return false;
  }
}
