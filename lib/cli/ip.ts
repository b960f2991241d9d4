/** Runs `ip`, and takes back at exit what it did. Synchronous: an exit handler may not wait. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { I405Error } from "../errors.js";
import type { guardRoutes } from "./route-guard.js";
import type { RoutePlan } from "./routes.js";

/** Runs `ip` with these parameters; returns its message if it failed, else null. */
export type RunIp = (parameters: readonly string[]) => string | null;

/** Longest that the kernel may take over a route, ms; beyond it something hangs. */
const IP_TIMEOUT_MS = 5000;

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

/**
 * Carries a plan out. Returns what takes it back, to be called once.
 *
 * @param startGuard Where this process is to give up the privilege that taking rules back needs.
 * @throws {I405Error} `ERR_I405_ROUTE_SETUP`; what was done by then is taken back.
 */
export function applyRoutes(plan: RoutePlan, run: RunIp = runIp, startGuard?: typeof guardRoutes): () => void {
  let applied = true;
  const rules = plan.remove.filter(([, kind]) => kind === "rule");
  const guard = rules.length > 0 ? startGuard?.(rules) : undefined;
  const undo = () => {
    if (!applied) return;
    applied = false;
    process.removeListener("exit", undo);
    // The interface takes its routes along when it goes, so a failure there says nothing new.
    const failed = plan.remove.filter((parameters) => run(parameters) !== null);
    if (failed.some(([, kind]) => kind === "rule")) guard?.takeBack();
    guard?.dismiss();
  };
  process.on("exit", undo);
  for (const parameters of plan.add) {
    const failure = run(parameters);
    // A rule that a killed run left behind is the very rule that is wanted.
    if (failure === null || (parameters[1] === "rule" && failure.includes("File exists"))) continue;
    undo();
    const message = `--route: ip ${parameters.join(" ")} failed: ${failure}`;
    throw new I405Error("ERR_I405_ROUTE_SETUP", message, { option: "route" });
  }
  return undo;
}

const RP_FILTER = "/proc/sys/net/ipv4/conf";

/**
 * Whether the kernel checks strictly that answers would go back the way they came: under a default route through the
 * tunnel, it would then drop the server's datagrams.
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
