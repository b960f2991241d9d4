/**
 * The module i405/metrics: a tunnel's counters for Prometheus. Its contract is `types/metrics.d.ts`. It is a module of
 * its own, so that a program without metrics doesn't load prom-client.
 */
export { registerMetrics } from "./register.js";
