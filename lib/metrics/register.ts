/** Tunnels in a registry: the metrics are made with the first one, and read for each when they are asked for. */
import { Counter, Gauge, register as globalRegistry, type Registry } from "prom-client";
import type { MeasuredTunnel, MetricsOptions } from "../../types/metrics.js";
import { describe, optionError } from "../common/errors.js";
import { version } from "../common/version.js";
import { BUILD, DEFINITIONS, LATENESS, STEAL, type Definition, type Measured } from "./definitions.js";
import { EventCounts } from "./events.js";
import { stealSeconds } from "./host.js";
import { CountedHistogram } from "./lateness.js";

/** Label that tells a registry's tunnels apart. */
const TUNNEL = "tunnel";
const DEFAULT_NAME = "default";
const LONGEST_NAME = 63;

/** One tunnel, read once for all the metrics of a scrape, so that these belong together. */
class Entry {
  readonly events: EventCounts;
  #now: Measured | null = null;

  constructor(readonly tunnel: MeasuredTunnel) {
    this.events = new EventCounts(tunnel);
  }

  measured(): Measured {
    if (this.#now !== null) return this.#now;
    const { tunnel, events } = this;
    this.#now = { stats: tunnel.stats(), state: tunnel.state, connection: tunnel.connection, events };
    // A registry asks all of its metrics within one call.
    queueMicrotask(() => (this.#now = null));
    return this.#now;
  }
}

/** The tunnels of one registry, by name. */
type Tunnels = Map<string, Entry>;

const known = new WeakMap<Registry, Tunnels>();

export function registerMetrics(tunnel: MeasuredTunnel, options: MetricsOptions = {}): () => void {
  const { registry = globalRegistry, name = DEFAULT_NAME } = options;
  const tunnels = tunnelsOf(registry);
  requireName(name, tunnels);
  const entry = new Entry(tunnel);
  tunnels.set(name, entry);
  return () => {
    if (tunnels.get(name) !== entry) return;
    entry.events.stop();
    tunnels.delete(name);
  };
}

function requireName(name: unknown, tunnels: Tunnels): void {
  const fits = typeof name === "string" && name.length >= 1 && name.length <= LONGEST_NAME;
  if (!fits) {
    throw optionError({ option: "name", came: describe(name), expected: `1 to ${LONGEST_NAME} characters` });
  }
  if (!tunnels.has(name)) return;
  const remedy = "Give each tunnel a name of its own, or a registry";
  throw optionError({ option: "name", came: describe(name), expected: "a name that no other tunnel here has", remedy });
}

function tunnelsOf(registry: Registry): Tunnels {
  // A registry that was cleared has lost ours, and gets them again.
  const before = known.get(registry);
  if (before !== undefined && registry.getSingleMetric(BUILD.name) !== undefined) return before;
  const tunnels: Tunnels = before ?? new Map<string, Entry>();
  known.set(registry, tunnels);
  addBuild(registry);
  addSteal(registry);
  for (const definition of DEFINITIONS) addMetric(registry, definition, tunnels);
  const read = () =>
    [...tunnels].flatMap(([name, entry]) =>
      entry.measured().stats.lateness.map((each) => [{ [TUNNEL]: name, [LATENESS.label]: each.source }, each] as const),
    );
  const { name, help, label } = LATENESS;
  registry.registerMetric(new CountedHistogram({ name, help, labelNames: [TUNNEL, label] }, read));
  return tunnels;
}

function addMetric(registry: Registry, definition: Definition, tunnels: Tunnels): void {
  const { name, help, kind, labels } = definition;
  const Kind = kind === "counter" ? Counter : Gauge;
  new Kind({
    name,
    help,
    labelNames: [TUNNEL, ...labels],
    registers: [registry],
    collect() {
      // Counters only know how to rise: from nothing to what it is now.
      this.reset();
      for (const [tunnelName, entry] of tunnels) {
        for (const [sampleLabels, value] of definition.read(entry.measured())) {
          this.inc({ [TUNNEL]: tunnelName, ...sampleLabels }, Number(value));
        }
      }
    },
  });
}

function addBuild(registry: Registry): void {
  const build = new Gauge({ ...BUILD, labelNames: ["version", "node"], registers: [registry] });
  build.set({ version, node: process.versions.node }, 1);
}

function addSteal(registry: Registry): void {
  new Counter({
    ...STEAL,
    registers: [registry],
    collect() {
      this.reset();
      const seconds = stealSeconds();
      if (seconds !== null) this.inc(seconds);
    },
  });
}
