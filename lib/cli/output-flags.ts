/** The flags of `i405 server` and `i405 client` that say what is told, to whom and how. */
import type { Flag } from "./flag.js";

const OUTPUT = "Output:";

export const OUTPUT_FLAGS: readonly Flag[] = [
  {
    name: "outgoing-send-deviation-stats",
    kind: "text",
    value: "<duration>",
    help: "say this often how late slots were: count, mean, stddev, p50 to p99.9, max, missed",
    group: OUTPUT,
    option: "deviationInterval",
  },
  {
    name: "deviation-source",
    kind: "text",
    value: "<source>",
    help: "from what: call (default), or the kernel's (software) or the network card's (hardware) timestamps",
    group: OUTPUT,
    option: "deviationSource",
  },
  {
    name: "log-level",
    kind: "text",
    value: "<level>",
    help: "least important records that are written: debug, info (default), warn or error",
    group: OUTPUT,
  },
  {
    name: "log-format",
    kind: "text",
    value: "<text|json>",
    help: "text (default): lines for people; json: one object a line on standard output",
    group: OUTPUT,
  },
  { name: "json", kind: "switch", help: "the same as --log-format json", group: OUTPUT },
  { name: "live", kind: "switch", help: "a view of the running tunnel, once a second", group: OUTPUT },
  {
    name: "metrics",
    kind: "text",
    value: "<address:port>",
    help: "Prometheus endpoint, http://127.0.0.1:9405/metrics for 127.0.0.1:9405 (default: none)",
    group: OUTPUT,
  },
  {
    name: "status-socket",
    kind: "text",
    value: "<path>",
    help: "Unix socket for i405 status (default: in $XDG_RUNTIME_DIR/i405, for root in /run/i405, for a service in its RuntimeDirectory)",
    group: OUTPUT,
  },
  { name: "no-status-socket", kind: "switch", help: "no such socket", group: OUTPUT },
  {
    name: "config",
    kind: "text",
    value: "<file>",
    help: "TOML file with these flags' names as keys; flags go before it",
    group: OUTPUT,
  },
];
