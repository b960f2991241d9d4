/**
 * The simulator of crates/i405-sim: the commands of the product's addon, and those of the simulation around them. `npm
 * test` builds it beforehand.
 */
import type { NativeEvent } from "../../lib/native/events.js";
import type { NativeOpenOptions, Role } from "../../lib/native/options.js";
import type { NativeSchedule, NativeSession } from "../../lib/native/tunnel.js";
import type { NativeModule } from "../../lib/native/loader.js";
import { testkit } from "../host/testkit.js";

/** Mistakes that can be put in on purpose; what each does is in crates/i405-sim/src/plant.rs. */
export const PLANTS = [
  "doubleDatagram",
  "reusedCounter",
  "shortDatagram",
  "duplicateDelivery",
  "alteredPacket",
  "swappedPackets",
  "lostPacket",
  "skippedSlot",
  "lateSlot",
  "movedByTraffic",
  "movedByLateness",
  "movedByLength",
  "lengthByTraffic",
  "strayLength",
  "lostRedirect",
  "restartedSchedule",
  "oneRung",
  "unaskedSchedule",
  "neverHeals",
  "lostSession",
] as const;
export type Plant = (typeof PLANTS)[number] | "nothing";

/** How much both ends have to send: now this much and now that, nothing, or always more than fits. */
export type Load = "usual" | "nothing" | "full";

/** How late both dispatchers wake up: little in a quiet network, never, or always as under faults. */
export type Waking = "usual" | "punctual" | "late";

/**
 * How long datagrams may be on the way: as long as they are; drawn for each phase; narrow after a while; narrow for a
 * while. Under faults the first two, without faults all but the second.
 */
export type Path = "wide" | "drawn" | "narrow" | "widens";

export interface SimulationSettings {
  /** Whole number below 2^53; everything follows from it. */
  seed: number;
  durationNs: number;
  /** False: nothing goes wrong. */
  faults: boolean;
  /** Within this time after the network healed, both ends are connected. */
  boundNs: number;
  /** The same, where not every rung of the ladder passes. */
  narrowBoundNs: number;
  /** How long a client waits for an answer at most. */
  attemptNs: number;
  path: Path;
  /** The client asks for what its own interface takes. */
  automatic: boolean;
  /** How long the server may send without a session after the last reason for it. */
  unconfirmedNs: number;
  /** Stamps and floors outlive restarts. */
  stateFiles: boolean;
  /** The server sends from its own start, and its start answers nobody. */
  ownStart: boolean;
  load: Load;
  waking: Waking;
  plant: Plant;
}

/** Why JavaScript is entered, in whose process. */
export type Entry =
  | { kind: "events"; end: Role; events: NativeEvent[] }
  | { kind: "timer" | "killed" | "started"; end: Role }
  | { kind: "over" };

/** What a run did, both ends together. */
export interface Figures {
  slots: number;
  missed: number;
  /** Things done to the ends: restarts, suspends, clock steps, floods and so on. */
  deeds: number;
  restarts: number;
  moves: number;
  /** Datagrams that an attacker sent. */
  forged: number;
  /** Datagrams to an address where nobody is. */
  astray: number;
  /** Datagrams that were too long for the way or for the sender's own interface. */
  tooLong: number;
  /** How often the client's slots went on at a shorter and at a longer length. */
  downs: number;
  ups: number;
  /** Sessions of the client at a shorter and at a longer length than the one before. */
  descents: number;
  climbs: number;
  connections: number;
  /** Calm phases in which the ends found each other. */
  heals: number;
  slowestHealNs: number;
  packetsUp: number;
  packetsDown: number;
  data: number;
  handshake: number;
  cover: number;
  /** Of every datagram and when it left: two runs with the same digest were the same. */
  digest: bigint;
}

/** What `crates/i405-sim` exports. All of it throws an `Error` that says which invariant is broken. */
export interface Simulator extends Omit<NativeModule, `probe${string}`> {
  simulationBegin(settings: SimulationSettings): void;
  /** The clocks show this end's time from here on. */
  simulationEnter(end: Role): void;
  /** The tunnel opened last, with these options, is this end's. */
  simulationAdopt(end: Role, options: NativeOpenOptions): void;
  /** World time, which no end knows. */
  simulationNowNs(): number;
  simulationWallMs(end: Role): number;
  /** The client's process asks for these lengths, IP bytes. */
  simulationNoteWire(up: number, down: number): void;
  simulationNoteRedirect(end: Role, datagramLength: number): void;
  /** The process is over, and another one is started after this time. */
  simulationStartLater(end: Role, downNs: number): void;
  simulationNoteSchedule(end: Role, schedule: NativeSchedule): void;
  simulationNoteSession(end: Role, session: NativeSession): void;
  simulationNoteStamp(stamp: number): void;
  simulationNoteConnected(end: Role): void;
  simulationNoteDisconnected(end: Role, reason: string): void;
  /** Goes on until JavaScript has to act. Given: when the next timer of the client and of the server is due. */
  simulationRun(clientTimerNs: bigint | null, serverTimerNs: bigint | null): Entry;
  /** An end's slots, three numbers each: which deadline of its process, from 0 with those missed; its time, ns; bytes. */
  simulationTimetable(end: Role): Float64Array;
  simulationEnd(): Figures;
}

/** @throws if it isn't built, naming the command that builds it. */
export function loadSimulator(): Simulator {
  const module = { exports: {} as Simulator };
  process.dlopen(module, testkit("libi405_sim.so"));
  return module.exports;
}
