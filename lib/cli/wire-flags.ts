/** The flags of the schedules: the client's for both directions, and a server's for a client that it knows beforehand. */
import type { Flag, FlagKind } from "./flag.js";

export const WIRE = "On the wire:";

/** One direction's flags; `outgoing` and `incoming` are the client's names for `up` and `down`. */
function wireFlags(direction: "up" | "down"): Flag[] {
  const alias = direction === "up" ? "outgoing" : "incoming";
  const which = direction === "up" ? "client to server" : "server to client";
  const flag = (suffix: string, option: string, value: string, help: string, kind: FlagKind = "text"): Flag => ({
    name: `${direction}-${suffix}`,
    aliases: [`${alias}-${suffix}`],
    kind,
    value,
    help,
    group: WIRE,
    option: `${direction}.${option}`,
    only: "client",
  });
  return [
    flag("speed", "rate", "<rate>", `${which}, outer bytes per second: 100KiB/s (default), 1MB/s, 8Mbit/s`),
    flag("packet-interval", "interval", "<duration>", "mean interval instead of a speed: 8.5ms, 250us"),
    flag(
      "packet-length",
      "length",
      "<bytes>",
      "IP length of every datagram (default: route's MTU, at most 1500)",
      "integer",
    ),
    flag(
      "packet-jitter",
      "jitter",
      "<duration>",
      "half width of the jitter, 0 for none (default: half of the interval)",
    ),
  ];
}

const JITTER_SHAPE: Flag = {
  name: "jitter-shape",
  kind: "text",
  value: "<cos4|uniform>",
  help: "density of the jitter, both ways (default cos4)",
  group: WIRE,
  option: "up.jitterShape",
  only: "client",
};

export const CLIENT_WIRE_FLAGS: readonly Flag[] = [...wireFlags("up"), ...wireFlags("down"), JITTER_SHAPE];

/** Of a server: what it sends to `--client`. A client's other flags say what is asked for, and a server asks for nothing. */
export const KNOWN_CLIENT_FLAGS: readonly Flag[] = [
  ...wireFlags("down").map((flag): Flag => ({
    ...flag,
    aliases: [],
    option: `client.${flag.option!}`,
    only: "server",
  })),
  {
    ...JITTER_SHAPE,
    help: "density of the jitter towards --client (default cos4)",
    option: "client.down.jitterShape",
    only: "server",
  },
];
