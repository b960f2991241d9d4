/** Metrics of a tunnel for Prometheus: the module `i405/metrics`. Names, units and meanings are in docs/operations.md. */
import type { Registry } from "prom-client";
import type { I405Tunnel, TunnelEvents } from "../index.js";

/** What metrics are read from: an `I405Tunnel`, or what has these of it. */
export type MeasuredTunnel = Pick<I405Tunnel, "connection" | "state" | "stats"> & {
  on<Name extends keyof TunnelEvents>(event: Name, listener: TunnelEvents[Name]): unknown;
  off<Name extends keyof TunnelEvents>(event: Name, listener: TunnelEvents[Name]): unknown;
};

export interface MetricsOptions {
  /** Where to register them. Default: prom-client's global `register`. */
  registry?: Registry;
  /**
   * Value of the label `tunnel` in this tunnel's metrics: 1 to 63 characters, different from the other tunnels' in the
   * registry. Default: `"default"`.
   */
  name?: string;
}

/**
 * Adds a tunnel's metrics to a registry, before or after the tunnel is opened. They are read when the registry is asked
 * for them, from counters that are kept anyway: a scrape doesn't touch the timed path. What is counted by events
 * (sessions, rekeys, warnings) is counted from this call on.
 *
 * They tell how much goes through the tunnel, which the tunnel is there to hide: keep them on this machine, or send them
 * through the tunnel.
 *
 * @returns What takes the tunnel's metrics out again; idempotent.
 * @throws {I405Error} `ERR_I405_OPTION` for a bad option, or a name that another tunnel in the registry has.
 *
 * @example
 * ```ts
 * import { register } from "prom-client";
 * import { registerMetrics } from "i405/metrics";
 *
 * const remove = registerMetrics(tunnel, { name: "home" });
 * console.log(await register.metrics());
 * remove();
 * ```
 */
export function registerMetrics(tunnel: MeasuredTunnel, options?: MetricsOptions): () => void;
