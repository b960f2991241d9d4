/**
 * Every metric of a tunnel, once: its name, meaning and labels, and how it is read. Names and units follow Prometheus:
 * seconds and bytes, and `_total` for what only rises. docs/operations.md explains the metrics; a test keeps the two
 * together.
 */
import type { Connection, TunnelState, TunnelStats } from "../../index.js";
import type { EventCounts } from "./events.js";

/** What a metric is read from. */
export interface Measured {
  stats: TunnelStats;
  state: TunnelState;
  connection: Connection | null;
  events: EventCounts;
}

/** One value with its labels, except for `tunnel`. */
export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number | bigint];

export interface Definition {
  name: string;
  kind: "counter" | "gauge";
  help: string;
  /** Besides `tunnel`. */
  labels: readonly string[];
  read(measured: Measured): readonly Sample[];
}

type Read = (measured: Measured) => number | bigint;

function counter(name: string, help: string, read: Read): Definition {
  return { name, kind: "counter", help, labels: [], read: (measured) => [[{}, read(measured)]] };
}

function gauge(name: string, help: string, read: Read): Definition {
  return { ...counter(name, help, read), kind: "gauge" };
}

/** A counter with one label, whose values are all there from the start. */
function counterBy(name: string, help: string, label: string, reads: Readonly<Record<string, Read>>): Definition {
  const read = (measured: Measured): Sample[] =>
    Object.entries(reads).map(([value, each]) => [{ [label]: value }, each(measured)]);
  return { name, kind: "counter", help, labels: [label], read };
}

const STATES: readonly TunnelState[] = ["new", "connecting", "listening", "connected", "silent", "closing", "closed"];

const SLOTS: readonly Definition[] = [
  counterBy("i405_slots_sent_total", "Datagrams handed to the kernel, by what they held.", "contents", {
    carrying: ({ stats }) => stats.slots.carrying,
    cover: ({ stats }) => stats.slots.cover,
    handshake: ({ stats }) => stats.slots.handshake,
  }),
  counter("i405_slots_missed_total", "Slots skipped because later deadlines had passed.", (m) => m.stats.slots.missed),
  counter("i405_slots_late_total", "Slots sent more than 50 us after their deadline.", (m) => m.stats.slots.late),
  counter("i405_slots_hedged_total", "Slots sent by the second dispatcher.", (m) => m.stats.slots.hedged),
  counter(
    "i405_slots_emergency_total",
    "Cover slots sent without what waited, because the other dispatcher was stopped while it built.",
    (m) => m.stats.slots.emergency,
  ),
  counter("i405_slots_unreported_total", "Slots whose timestamp never came.", (m) => m.stats.slots.unreported),
  counter(
    "i405_launches_missed_total",
    "Datagrams that the kernel dropped for their launch time.",
    (m) => m.stats.slots.launchesMissed,
  ),
  counter("i405_send_errors_total", "Datagrams that the kernel refused.", (m) => m.stats.slots.sendErrors),
  gauge("i405_send_last_errno", "errno of the newest refusal, 0: none.", (m) => m.stats.slots.lastSendErrno),
  counter(
    "i405_throttle_stalls_total",
    "Times the kernel's real-time throttle took the timed thread off its core.",
    (m) => m.stats.throttleStalls,
  ),
  gauge("i405_burners", "Cores kept busy by a burner.", (m) => m.stats.burners),
];

const INSIDE: readonly Definition[] = [
  counterBy("i405_inner_packets_total", "Inner packets.", "direction", {
    sent: ({ stats }) => stats.inner.packetsSent,
    received: ({ stats }) => stats.inner.packetsReceived,
  }),
  counterBy("i405_inner_bytes_total", "Bytes of inner packets.", "direction", {
    sent: ({ stats }) => stats.inner.bytesSent,
    received: ({ stats }) => stats.inner.bytesReceived,
  }),
  counterBy("i405_inner_drops_total", "Inner packets dropped.", "reason", {
    queue_full: ({ stats }) => stats.inner.queueDrops,
    reader_full: ({ stats }) => stats.inner.readerDrops,
    malformed: ({ stats }) => stats.inner.malformed,
    not_allowed: ({ stats }) => stats.inner.notAllowed,
    link_local: ({ stats }) => stats.inner.linkLocal,
    looped: ({ stats }) => stats.inner.looped,
  }),
  counter(
    "i405_write_refusals_total",
    "Packets that a program wrote and that were not taken, because the queue was full or no session up.",
    (m) => m.stats.inner.writeRefusals,
  ),
  gauge("i405_queue_bytes", "Inner bytes that wait for a slot.", (m) => m.stats.inner.queuedBytes),
  counter("i405_device_errors_total", "Device reads and writes that failed.", (m) => m.stats.inner.deviceErrors),
  counter("i405_payloads_lost_total", "Payloads given up as lost on the way.", (m) => m.stats.reassembly.payloadsLost),
  counter(
    "i405_blocks_dropped_total",
    "Data blocks dropped because a part was lost or made no sense.",
    (m) => m.stats.reassembly.blocksDropped,
  ),
];

/** A gauge that is missing while nothing is known. */
function known(name: string, help: string, read: (measured: Measured) => number | null): Definition {
  const samples = (measured: Measured): Sample[] => {
    const value = read(measured);
    return value === null ? [] : [[{}, value]];
  };
  return { name, kind: "gauge", help, labels: [], read: samples };
}

function seconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1000;
}

const PATH: readonly Definition[] = [
  counterBy("i405_path_datagrams_total", "Datagrams under session keys that can have come, by counters.", "direction", {
    sent: ({ stats }) => stats.path.outbound.expected,
    received: ({ stats }) => stats.path.inbound.expected,
  }),
  // It doesn't count lost datagrams, because a late one would make the count fall.
  counterBy("i405_path_arrived_total", "Those of them that came; sent ones by the peer's reports.", "direction", {
    sent: ({ stats: { path } }) => path.outbound.expected - path.outbound.lost,
    received: ({ stats: { path } }) => path.inbound.expected - path.inbound.lost,
  }),
  known("i405_round_trip_seconds", "To the peer and back, smoothed.", ({ stats }) =>
    seconds(stats.path.roundTrip?.smoothedMs ?? null),
  ),
  known("i405_heard_age_seconds", "Time since a datagram last opened.", ({ stats }) => seconds(stats.path.heardMsAgo)),
  known("i405_handshake_age_seconds", "Age of the newest handshake that led to a session.", ({ stats }) =>
    seconds(stats.path.handshakeMsAgo),
  ),
  known("i405_keys_age_seconds", "Age of the newest keys.", ({ stats }) => seconds(stats.path.keysMsAgo)),
];

const RECEIVED: readonly Definition[] = [
  counter("i405_datagrams_received_total", "Datagrams received, from anybody.", (m) => m.stats.datagrams.received),
  counter("i405_datagrams_opened_total", "Datagrams opened under a session.", (m) => m.stats.datagrams.opened),
  counterBy("i405_datagrams_dropped_total", "Datagrams dropped without an answer.", "reason", {
    forged: ({ stats }) => stats.datagrams.unknown,
    handshake: ({ stats }) => stats.datagrams.unopened,
    replayed: ({ stats }) => stats.datagrams.replayed,
    over_budget: ({ stats }) => stats.datagrams.overBudget,
  }),
  counter("i405_handshake_fragments_total", "Fragments of handshakes received.", (m) => m.stats.handshake.fragments),
  counter(
    "i405_handshake_stale_fragments_total",
    "Fragments of initiations below the floor or too old.",
    (m) => m.stats.handshake.stale,
  ),
];

const SESSIONS: readonly Definition[] = [
  {
    name: "i405_state",
    kind: "gauge",
    help: "1 for the state that the tunnel is in, 0 for the others.",
    labels: ["state"],
    read: ({ state }) => STATES.map((each) => [{ state: each }, each === state ? 1 : 0]),
  },
  counter("i405_handshakes_total", "Handshakes that led to a session.", (m) => m.events.sessions),
  counter("i405_rekeys_total", "Sessions that went on under new keys.", (m) => m.events.rekeys),
  counter("i405_silences_total", "Times the peer was silent for its timeout.", (m) => m.events.silences),
  {
    name: "i405_sessions_ended_total",
    kind: "counter",
    help: "Sessions that ended, by how.",
    labels: ["reason"],
    read: ({ events }) => [...events.sessionsEnded].map(([reason, count]) => [{ reason }, count]),
  },
  {
    name: "i405_refused_total",
    kind: "counter",
    help: "Server: clients refused, by why.",
    labels: ["reason"],
    read: ({ events }) => [...events.refused].map(([reason, count]) => [{ reason }, count]),
  },
  {
    name: "i405_warnings_total",
    kind: "counter",
    help: "Warnings, by code.",
    labels: ["code"],
    read: ({ events }) => [...events.warnings].map(([code, count]) => [{ code }, count]),
  },
  wire("i405_wire_interval_seconds", "Mean interval of slots, as agreed.", ({ intervalNs }) => intervalNs / 1e9),
  wire("i405_wire_length_bytes", "IP length of every datagram, as agreed.", ({ length }) => length),
  counter(
    "i405_events_dropped_total",
    "Events and packets the event loop was too slow for.",
    (m) => m.stats.eventsDropped,
  ),
];

function wire(name: string, help: string, value: (direction: Connection["wire"]["up"]) => number): Definition {
  const read = ({ connection }: Measured): Sample[] =>
    connection === null
      ? []
      : (["up", "down"] as const).map((direction) => [{ direction }, value(connection.wire[direction])]);
  return { name, kind: "gauge", help, labels: ["direction"], read };
}

export const DEFINITIONS: readonly Definition[] = [...SESSIONS, ...SLOTS, ...INSIDE, ...PATH, ...RECEIVED];

export const LATENESS = {
  name: "i405_slot_lateness_seconds",
  help: "Lateness of sent slots against their deadlines, by what tells it.",
  label: "source",
} as const;

export const STEAL = {
  name: "i405_host_steal_seconds_total",
  help: "Time of all cores that the hypervisor gave to others, since the machine's start.",
} as const;

export const BUILD = { name: "i405_build_info", help: "Always 1: which version this is." } as const;
