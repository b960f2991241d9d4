/**
 * The module i405/metrics: a tunnel's counters for Prometheus. A module of its own, so that
 * whoever doesn't ask for metrics doesn't load prom-client. `types/metrics.d.ts` is its contract.
 */
export { registerMetrics } from "./register.js";
