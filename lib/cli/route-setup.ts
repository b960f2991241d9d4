/** `--route` from its flags to its end: planned, set up, kept, taken back. */
import type { Family } from "../common/address-text.js";
import { texts } from "./config.js";
import { applyRoutes, listIp, runIp, strictReversePath, undoSteps, type RunIp } from "./ip.js";
import type { Log } from "./plain-log.js";
import { guardRoutes, type RouteGuard } from "./route-guard.js";
import { monitorRoutes, RouteKeeper, type KeeperReport } from "./route-keeper.js";
import { addressSteps, commandOf, describeStep, planRoutes, type RouteRequest, type RouteStep } from "./routes.js";
import type { Settings } from "./settings.js";
import { logWarning } from "./tunnel-log.js";
import { DEFAULT_FWMARK, wantsDefaultRoute } from "./tunnel-settings.js";

/** Routes that are set up. */
export interface TunnelRoutes {
  /** From now on, what is lost is put back. Call it after privileges were given up, because watching needs none. */
  watch(): void;
  /** The tunnel is about to end, and takes routes along. */
  stopWatching(): void;
  /** Idempotent. */
  takeBack(): void;
}

const FAMILIES = [4, 6] as const;

export function routeRequest(settings: Settings, device: string, peer?: string): RouteRequest {
  const families = FAMILIES.filter((family) => settings.has(`tun-ipv${family}`));
  const fwmark = Number(settings.get("fwmark")?.value ?? DEFAULT_FWMARK);
  return { routes: texts(settings.get("route")?.value), device, fwmark, families, peer };
}

/**
 * @param guarded A process of its own keeps the privilege for putting back and taking back.
 * @throws {I405Error} `ERR_I405_ROUTE_SETUP`; nothing is left behind then.
 */
export function setUpRoutes(
  settings: Settings,
  device: string,
  log: Log,
  guarded: boolean,
  run: RunIp = runIp,
): TunnelRoutes {
  const plan = planRoutes(routeRequest(settings, device));
  if (wantsDefaultRoute(settings) && strictReversePath()) {
    const remedy = "sysctl net.ipv4.conf.all.rp_filter=2";
    const message = "the kernel checks return paths strictly (rp_filter 1) and may drop the other end's datagrams";
    logWarning(log, { code: "I405_RP_FILTER", message, remedy });
  }
  applyRoutes(plan, run);
  const added = plan.steps.map((step) => commandOf(step, "add").join(" "));
  log.say("routes", { added }, `routes added: ${added.length}`);
  // Routes lead nowhere without their addresses, and IPv6 addresses go when an interface is set down.
  const addresses = FAMILIES.flatMap((family) => addressSteps(addressesOf(settings, family), family, device));
  const kept = [...addresses, ...plan.steps];
  const guard = guarded ? guardRoutes(kept) : undefined;
  let stopWatching: (() => void) | undefined;
  let applied = true;
  const takeBack = () => {
    if (!applied) return;
    applied = false;
    stopWatching?.();
    process.removeListener("exit", takeBack);
    // Routes go with the interface, so a failure to remove them there says nothing new.
    const failed = undoSteps(plan.steps, run);
    if (failed.some(({ kind }) => kind === "rule")) guard?.takeBack();
    guard?.dismiss();
  };
  process.on("exit", takeBack);
  return {
    watch: () => {
      if (guard !== undefined) stopWatching ??= watch(kept, guard, log);
    },
    stopWatching: () => stopWatching?.(),
    takeBack,
  };
}

function addressesOf(settings: Settings, family: Family): string[] {
  return texts(settings.get(`tun-ipv${family}`)?.value);
}

function watch(steps: readonly RouteStep[], guard: RouteGuard, log: Log): () => void {
  const keeper = new RouteKeeper({
    steps,
    list: listIp,
    putBack: (step) => guard.putBack(step),
    report: keeperReport(log),
    nowMs: () => performance.now(),
    after: (ms, act) => {
      const timer = setTimeout(act, ms).unref();
      return () => {
        clearTimeout(timer);
      };
    },
  });
  const stopMonitor = monitorRoutes(() => {
    keeper.look();
  });
  return () => {
    stopMonitor();
    keeper.stop();
  };
}

function keeperReport(log: Log): KeeperReport {
  const leaveAlone =
    "have it leave them alone (systemd-networkd: ManageForeignRoutes=no, ManageForeignRoutingPolicyRules=no)";
  return {
    lost: (steps) => {
      const message = `gone: ${steps.map(describeStep).join("; ")}. Until they are back, traffic takes other ways`;
      const remedy = `They are put back as soon as that can be done. If something on this machine removes them, ${leaveAlone}`;
      logWarning(log, { code: "I405_ROUTES_LOST", message, remedy });
    },
    back: (steps) => {
      log.say("routes", { putBack: steps.map(describeStep) }, `routes put back: ${steps.length}`);
    },
    refused: (step, reason) => {
      const message = `the routes could not be set again: ${describeStep(step)}: ${reason}`;
      const remedy = "It is tried again at each change. Set the interface up again, or start the command again";
      logWarning(log, { code: "I405_ROUTES", message, remedy });
    },
    contested: (pauseMs) => {
      const message = `something takes the routes away again and again; they are put back after pauses of up to ${pauseMs / 1000} s`;
      logWarning(log, {
        code: "I405_ROUTES_CONTESTED",
        message,
        remedy: `Find what does it (ip monitor), and ${leaveAlone}`,
      });
    },
  };
}
