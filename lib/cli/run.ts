/**
 * `i405 server` and `i405 client`: opens the tunnel, adds the routes, logs, and ends at a signal. Whatever happens,
 * routes are taken back and the tunnel is closed before this returns.
 */
import { lookup } from "node:dns/promises";
import { setTimeout as delay } from "node:timers/promises";
import { familyOf, formatHostAndPort, parseHostAndPort } from "../common/address-text.js";
import { durationNs } from "../common/units.js";
import { I405Tunnel, type TunnelOptions } from "../index.js";
import { texts } from "./config.js";
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE, exitCodeOf } from "./exit-codes.js";
import { explainError } from "./explain.js";
import type { TunnelCommand } from "./flag.js";
import { observe, type Observers } from "./observers.js";
import { outputSettings } from "./output-settings.js";
import type { Log } from "./plain-log.js";
import { setUpProcess, type ProcessSetup } from "./process-setup.js";
import { RecentLog } from "./recent-log.js";
import { routeRequest, setUpRoutes, type TunnelRoutes } from "./route-setup.js";
import { planRoutes } from "./routes.js";
import { liftRtThrottle } from "./rt-throttle.js";
import { secretReader } from "./secret-sources.js";
import { tellService } from "./service.js";
import type { Settings } from "./settings.js";
import { logClose, logEvents } from "./tunnel-log.js";
import { connectOptions, listenOptions, tunnelOptions } from "./tunnel-settings.js";
import type { RunTunnel, World } from "./world.js";

/** How long a signal may take to end the command, ms; over the time that `--linger` asks for. */
const CLOSE_MS = 900;
/** How often to look whether the interface is there, ms: routes are wanted before the first session. */
const OPEN_POLL_MS = 10;

/** @throws {I405Error} `ERR_I405_USAGE` for bad output flags. All other errors are logged as those flags say. */
export async function runTunnel(command: TunnelCommand, settings: Settings, world: World): Promise<number> {
  const output = outputSettings(settings);
  // The commands that end at once do without the logger.
  const { startLog } = await import("./log.js");
  const { logFormat: format, logLevel: level } = output;
  const log = new RecentLog(startLog(world.io, { format, level, program: `i405 ${command}` }));
  const failed = (error: unknown) => {
    const explained = explainError(error, command, settings);
    log.fail(explained);
    return exitCodeOf(explained.code);
  };
  // If it was asked to end before it began, it is no failure that this machine lacks something. A wrong flag is wrong
  // all the same.
  const failedToBegin = (error: unknown) => {
    const isUsage = exitCodeOf(explainError(error, command, settings).code) === EXIT_USAGE;
    return world.stop.isRequested() && !isUsage ? EXIT_OK : failed(error);
  };
  let tunnel: RunTunnel;
  let start: () => Promise<unknown>;
  let putBackThrottle: (() => void) | null = null;
  let observers: Observers;
  let setup: ProcessSetup;
  try {
    // Before secrets are read.
    setup = await setUpProcess(settings, world.io.environment, world.process);
    ({ tunnel, start } = await prepare(command, settings, world));
    // This comes before the timed thread begins, which reads the limit once.
    if (settings.has("lift-rt-throttle")) putBackThrottle = (world.liftRtThrottle ?? liftRtThrottle)();
    observers = await observe({ command, tunnel, settings, output, world, log, user: setup.user });
  } catch (error) {
    putBackThrottle?.();
    return failedToBegin(error);
  }
  if (world.stop.isRequested()) {
    putBackThrottle?.();
    await observers.end();
    return EXIT_OK;
  }
  logEvents(tunnel, log, command, settings.has("outgoing-send-deviation-stats"));
  tellService(setup.service, tunnel, command);
  const ended = new Promise<unknown>((resolve) => {
    let failure: unknown;
    tunnel.on("error", (error) => (failure = error));
    tunnel.on("close", () => resolve(failure));
  });
  const [least = "0", most = least] = String(settings.get("linger")?.value ?? "0").split("..");
  const lingerNs = durationNs(most.trim()) ?? 0;
  let routes: TunnelRoutes | undefined;
  const close = () => {
    routes?.stopWatching();
    return Promise.race([tunnel.close(), delay(CLOSE_MS + lingerNs / 1e6)]);
  };
  tunnel.on("error", () => routes?.stopWatching());
  void world.stop.requested.then(() => {
    setup.service.stopping(lingerNs / 1e6);
  });
  let opened = false;
  try {
    const started = start();
    await whenOpen(tunnel, started, world.stop.requested);
    if (!world.stop.isRequested() && tunnel.localAddress !== null) {
      sayOpen(command, tunnel, settings, log);
      opened = true;
      await observers.opened();
      if (settings.has("route") && tunnel.deviceName !== null) {
        routes = setUpRoutes(settings, tunnel.deviceName, log, world.process !== undefined, world.runIp);
      }
      giveUpPrivileges(setup, log);
      routes?.watch();
      setup.service.ready(command === "server" ? "listening" : "connecting", tunnel);
    }
    await Promise.race([started, world.stop.requested]);
    const failure = await Promise.race([ended, world.stop.requested]);
    if (failure !== undefined && !world.stop.isRequested()) return failed(failure);
    await close();
    return world.stop.isRequested() ? EXIT_OK : EXIT_FAILED;
  } catch (error) {
    // If it was asked to end while it was still opening, that is no failure.
    const code = world.stop.isRequested() ? EXIT_OK : failed(error);
    await close().catch(() => undefined);
    return code;
  } finally {
    routes?.takeBack();
    putBackThrottle?.();
    await observers.end();
    if (opened) logClose(tunnel, log);
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
  const peers = [options.peer].flat();
  // Only a default route leaves the tunnel's own datagrams out, whatever address they go to.
  if (texts(settings.get("route")?.value).some((route) => route !== "default")) {
    options.peer = await Promise.all(peers.map(resolvedPeer));
  }
  for (const peer of [options.peer].flat()) planRoutes(routeRequest(settings, "tun", parseHostAndPort(peer)?.host));
  const tunnel = create(tunnelOptions(command, settings));
  return { tunnel, start: () => tunnel.connect(options) };
}

function giveUpPrivileges(setup: ProcessSetup, log: Log): void {
  const kept = setup.giveUp();
  if (kept === null) return;
  const but = kept.length === 0 ? "" : ` but ${kept.join(", ")}`;
  log.say("privileges", { kept }, `privileges given up${but}`);
}

/** A name is looked up here, so that the routes and the tunnel mean the same address. */
async function resolvedPeer(peer: string): Promise<string> {
  const read = parseHostAndPort(peer);
  if (read === null || familyOf(read.host) !== 0) return peer;
  try {
    const { address } = await lookup(read.host);
    return formatHostAndPort(address, read.port);
  } catch {
    // The tunnel looks it up again and says what is wrong.
    return peer;
  }
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

function sayOpen(command: TunnelCommand, tunnel: RunTunnel, settings: Settings, log: Log): void {
  const { localAddress, deviceName } = tunnel;
  const inside = deviceName === null ? "" : `, interface ${deviceName}`;
  if (command === "server") {
    log.say("listening", { localAddress, deviceName }, `listening on ${String(localAddress)}${inside}`);
  } else {
    const peer = texts(settings.get("peer")?.value).join(", ");
    const text = `connecting to ${peer} from ${String(localAddress)}${inside}`;
    log.say("connecting", { peer, localAddress, deviceName }, text);
  }
}
