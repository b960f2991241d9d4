/** Those who look at a running tunnel: metrics, status socket, live view, log. All are given up before it ends. */
import { isLoopback, parseAddress } from "../common/address-text.js";
import { loadAddon } from "../native/loader.js";
import { texts } from "./config.js";
import type { TunnelCommand } from "./flag.js";
import { showLive } from "./live/live.js";
import { DEFAULT_SOCKET, type OutputSettings } from "./output-settings.js";
import type { RecentLog } from "./recent-log.js";
import type { Settings } from "./settings.js";
import { nameOf, realPlaces, socketPath } from "./status/places.js";
import { serveStatus, type StatusServer } from "./status/server.js";
import { Photographer, type Facts } from "./status/snapshot.js";
import { logStrangers, logWarning } from "./tunnel-log.js";
import type { ObservedTunnel, World } from "./world.js";

interface Observed {
  command: TunnelCommand;
  tunnel: ObservedTunnel;
  settings: Settings;
  output: OutputSettings;
  world: World;
  log: RecentLog;
  /** User id that `--user` names. */
  user?: number | undefined;
}

export interface Observers {
  /** The interface is there: whatever needs its address begins. Throws as {@link observe}. */
  opened(): Promise<void>;
  /** Idempotent. */
  end(): Promise<void>;
}

/**
 * Begins to observe, before the tunnel is opened.
 *
 * @throws {I405Error} `ERR_I405_METRICS`, `ERR_I405_STATUS` if what was asked for can't be had
 */
export async function observe(observed: Observed): Promise<Observers> {
  const { tunnel, output, world, log } = observed;
  const ends: (() => unknown)[] = [];
  const end = async () => {
    for (const each of ends.splice(0).reverse()) await each();
  };
  const facts = factsOf(observed);
  const photographer = new Photographer(tunnel, facts, log.records);
  try {
    if (!isInner(observed)) await beginMetrics(observed, ends);
    const status = await beginStatus(observed, photographer);
    if (status !== null) ends.push(() => status.close());
  } catch (error) {
    await end();
    throw error;
  }
  ends.push(logStrangers(tunnel, log));
  if (output.live) {
    const view = showLive(world.io, () => Promise.resolve(photographer.take()));
    // On a terminal the records are in the view; elsewhere they stand between its lines.
    log.quiet = world.io.terminal() !== null;
    const stop = () => {
      view.stop();
      log.quiet = false;
    };
    log.beforeFailure = stop;
    ends.push(stop);
  }
  return {
    opened: async () => {
      if (isInner(observed)) await beginMetrics(observed, ends);
    },
    end,
  };
}

/** Whether the metrics are served at an address of the tunnel's own interface, so that they have to wait for it. */
function isInner({ settings, output: { metrics } }: Observed): boolean {
  if (metrics === null) return false;
  const own = ["tun-ipv4", "tun-ipv6"].flatMap((flag) => texts(settings.get(flag)?.value));
  const at = parseAddress(metrics.address)?.value;
  return own.some((prefix) => parseAddress(prefix.split("/")[0] ?? "")?.value === at);
}

function factsOf({ command, settings, output }: Observed): Facts {
  const text = (flag: string, otherwise: string) => settings.get(flag)?.value.toString() ?? otherwise;
  const { statusSocket } = output;
  const isDefault = statusSocket === null || statusSocket === DEFAULT_SOCKET;
  return {
    name: isDefault ? `${command}-${process.pid}` : nameOf(statusSocket),
    command,
    pollMode: text("poll-mode", "sleepy"),
    address: text(command === "client" ? "peer" : "listen-addr", ""),
  };
}

async function beginMetrics(observed: Observed, ends: (() => unknown)[]): Promise<void> {
  const { tunnel, command, output, log } = observed;
  const { metrics } = output;
  if (metrics === null) return;
  // prom-client is loaded by those who want it.
  const { serveMetrics } = await import("./metrics-server.js");
  const server = await serveMetrics(tunnel, command, metrics);
  ends.push(() => server.close());
  log.say("metrics", { address: server.address }, `metrics at http://${server.address}/metrics`);
  if (isLoopback(metrics.address) || isInner(observed)) return;
  logWarning(log, {
    code: "I405_METRICS_EXPOSED",
    message: `whoever reaches ${server.address} reads how much goes through the tunnel, and so does who watches that way`,
    remedy: "Bind --metrics to 127.0.0.1 or to the tunnel's own address, and have it scraped from there",
  });
}

/** null: there is none, because it wasn't wanted, or can't be made in the usual folder, which is said. */
async function beginStatus(
  { output, world, log, user }: Observed,
  photographer: Photographer,
): Promise<StatusServer | null> {
  const { statusSocket } = output;
  if (statusSocket === null) return null;
  const ownFolder = statusSocket === DEFAULT_SOCKET;
  const places = world.statusPlaces ?? realPlaces(world.io.environment);
  if (ownFolder && places.own === null) return null;
  const path = places.own !== null && ownFolder ? socketPath(places.own, photographer.facts.name) : statusSocket;
  try {
    const addon = await loadAddon();
    const peer = (fd: number) => addon.peerCredentials(fd);
    const give = user === undefined ? {} : { user };
    const server = await serveStatus({ path, ownFolder, snapshot: () => photographer.take(), peer, ...give });
    log.say("status", { path }, `status socket ${path}`, ownFolder ? "debug" : "info");
    return server;
  } catch (error) {
    if (!ownFolder) throw error;
    logWarning(log, {
      code: "I405_STATUS_SOCKET",
      message: `i405 status won't find this tunnel: no status socket at ${path}: ${reasonOf(error)}`,
      remedy:
        "Set XDG_RUNTIME_DIR to a folder that only this user can write in (su, cron and containers often don't), " +
        "or say --status-socket PATH, or --no-status-socket",
    });
    return null;
  }
}

/** Leaves out the path and the remedies, which are said anyway. */
function reasonOf(error: unknown): string {
  const { cause } = error as { cause?: unknown };
  const reason = cause instanceof Error ? cause : error;
  return reason instanceof Error ? reason.message : String(reason);
}
