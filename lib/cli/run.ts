/**
 * `i405 server` and `i405 client`: opens the tunnel, adds the routes, reports, and ends it at a signal. Whatever
 * happens, routes are taken back and the tunnel is closed before this returns.
 */
import { lookup } from "node:dns/promises";
import { setTimeout as delay } from "node:timers/promises";
import { I405Tunnel, type TunnelOptions } from "../index.js";
import { durationNs } from "../units.js";
import { texts } from "./config.js";
import type { DoctorParts } from "./doctor/doctor.js";
import { EXIT_FAILED, EXIT_OK, exitCodeOf } from "./exit-codes.js";
import { explainError } from "./explain.js";
import type { TunnelCommand } from "./flags.js";
import { applyRoutes, runIp, strictReversePath, type RunIp } from "./ip.js";
import type { Io } from "./io.js";
import { reportClose, reportEvents, type Report, type Reported } from "./report.js";
import { planRoutes } from "./routes.js";
import { liftRtThrottle } from "./rt-throttle.js";
import { secretReader } from "./secret-sources.js";
import type { Settings } from "./settings.js";
import type { Stop } from "./signals.js";
import { connectOptions, DEFAULT_FWMARK, listenOptions, tunnelOptions, wantsDefaultRoute } from "./tunnel-settings.js";

export type RunTunnel = Reported & Pick<I405Tunnel, "connect" | "listen" | "close" | "localAddress" | "deviceName">;

/** What the command needs of the world; tests hand in their own. */
export interface World {
  io: Io;
  stop: Stop;
  /** For `i405 doctor`. */
  doctor?: DoctorParts;
  createTunnel?: (options: TunnelOptions) => RunTunnel;
  runIp?: RunIp;
  liftRtThrottle?: typeof liftRtThrottle;
}

/** How long a signal may take to end the command, ms; over the time that `--linger` asks for. */
const CLOSE_MS = 900;
/** How often to look whether the interface is there, ms: routes are wanted before the first session. */
const OPEN_POLL_MS = 10;

export async function runTunnel(command: TunnelCommand, settings: Settings, world: World, report: Report) {
  const failed = (error: unknown) => {
    const explained = explainError(error, command, settings);
    report.fail(explained);
    return exitCodeOf(explained.code);
  };
  let tunnel: RunTunnel;
  let start: () => Promise<unknown>;
  let putBackThrottle: (() => void) | null;
  try {
    ({ tunnel, start } = await prepare(command, settings, world));
    // Before the timed thread begins, which reads it once.
    putBackThrottle = settings.has("lift-rt-throttle") ? (world.liftRtThrottle ?? liftRtThrottle)() : null;
  } catch (error) {
    return failed(error);
  }
  reportEvents(tunnel, report, command, settings.has("outgoing-send-deviation-stats"));
  const ended = new Promise<unknown>((resolve) => {
    let failure: unknown;
    tunnel.on("error", (error) => (failure = error));
    tunnel.on("close", () => resolve(failure));
  });
  const lingerNs = durationNs(String(settings.get("linger")?.value ?? "0")) ?? 0;
  const close = () => Promise.race([tunnel.close(), delay(CLOSE_MS + lingerNs / 1e6)]);
  let takeBackRoutes: (() => void) | undefined;
  let opened = false;
  try {
    const started = start();
    await whenOpen(tunnel, started, world.stop.requested);
    if (!world.stop.isRequested() && tunnel.localAddress !== null) {
      sayOpen(command, tunnel, settings, report);
      opened = true;
      takeBackRoutes = addRoutes(tunnel, settings, world, report);
    }
    await Promise.race([started, world.stop.requested]);
    const failure = await Promise.race([ended, world.stop.requested]);
    if (failure !== undefined && !world.stop.isRequested()) return failed(failure);
    await close();
    return world.stop.isRequested() ? EXIT_OK : EXIT_FAILED;
  } catch (error) {
    // Asked to end while it was still opening: that is no failure.
    const code = world.stop.isRequested() ? EXIT_OK : failed(error);
    await close().catch(() => undefined);
    return code;
  } finally {
    takeBackRoutes?.();
    putBackThrottle?.();
    if (opened) reportClose(tunnel, report);
  }
}

/** Everything that can be refused before something is opened. */
async function prepare(command: TunnelCommand, settings: Settings, world: World) {
  const secrets = secretReader(world.io.environment, world.io.stdin);
  const create = world.createTunnel ?? ((options: TunnelOptions) => new I405Tunnel(options));
  if (command === "server") {
    const options = listenOptions(settings, secrets);
    planRoutes(routeRequest(settings, "tun"));
    const tunnel = create(tunnelOptions(command, settings));
    return { tunnel, start: () => tunnel.listen(options) };
  }
  const options = connectOptions(settings, secrets);
  if (settings.has("route")) options.peer = await resolvedPeer(options.peer);
  const peer = hostOf(options.peer);
  planRoutes(routeRequest(settings, "tun", peer));
  const tunnel = create(tunnelOptions(command, settings));
  return { tunnel, start: () => tunnel.connect(options) };
}

function routeRequest(settings: Settings, device: string, peer?: string) {
  const routes = settings.get("route")?.value;
  const families = ([4, 6] as const).filter((family) => settings.has(`tun-ipv${family}`));
  const fwmark = Number(settings.get("fwmark")?.value ?? DEFAULT_FWMARK);
  return { routes: texts(routes), device, fwmark, families, peer };
}

function addRoutes(tunnel: RunTunnel, settings: Settings, world: World, report: Report): (() => void) | undefined {
  if (!settings.has("route") || tunnel.deviceName === null) return undefined;
  const plan = planRoutes(routeRequest(settings, tunnel.deviceName));
  if (wantsDefaultRoute(settings) && strictReversePath()) {
    const remedy = "sysctl net.ipv4.conf.all.rp_filter=2";
    const message = "the kernel checks return paths strictly (rp_filter 1) and may drop the other end's datagrams";
    report.say(
      "warning",
      { code: "I405_RP_FILTER", message, remedy },
      `warning: ${message} (I405_RP_FILTER)\n  ${remedy}`,
    );
  }
  const undo = applyRoutes(plan, world.runIp ?? runIp);
  report.say(
    "routes",
    { added: plan.add.map((parameters) => parameters.join(" ")) },
    `routes added: ${plan.add.length}`,
  );
  return undo;
}

/** A name is looked up here, so that the routes and the tunnel mean the same address. */
async function resolvedPeer(peer: string): Promise<string> {
  const [, host, port] = /^([^[\]:\s]+):(\d+)$/.exec(peer) ?? [];
  if (host === undefined) return peer;
  try {
    const { address, family } = await lookup(host);
    return family === 6 ? `[${address}]:${port ?? ""}` : `${address}:${port ?? ""}`;
  } catch {
    // The tunnel looks it up again and says what is wrong.
    return peer;
  }
}

function hostOf(peer: string): string | undefined {
  const match = /^\[([^\]]+)\]:\d+$|^([^[\]:\s]+):\d+$/.exec(peer);
  return match?.[1] ?? match?.[2];
}

async function whenOpen(tunnel: RunTunnel, started: Promise<unknown>, stopped: Promise<unknown>): Promise<void> {
  const settled = Promise.race([started, stopped]).then(
    () => true,
    () => true,
  );
  while (tunnel.localAddress === null) {
    if (await Promise.race([settled, delay(OPEN_POLL_MS, false)])) return;
  }
}

function sayOpen(command: TunnelCommand, tunnel: RunTunnel, settings: Settings, report: Report): void {
  const { localAddress, deviceName } = tunnel;
  const inside = deviceName === null ? "" : `, interface ${deviceName}`;
  if (command === "server") {
    report.say("listening", { localAddress, deviceName }, `listening on ${String(localAddress)}${inside}`);
  } else {
    const peer = settings.get("peer")?.value;
    const text = `connecting to ${String(peer)} from ${String(localAddress)}${inside}`;
    report.say("connecting", { peer, localAddress, deviceName }, text);
  }
}
